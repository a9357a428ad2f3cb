from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from limner.data.traces.experts import find_experts
from limner.errors import DataError
from limner.images import write_image


def put(folder: Path, *names: str) -> Path:
    for name in names:
        write_image(folder / name, np.zeros((4, 4, 3), np.uint8))
    return folder


@pytest.fixture
def project(tmp_path):
    folder = put(
        tmp_path / "UKBB",
        "Traced/SQ/Traced 4 chamber/1.png",
        "Traced/SQ/Traced 4 chamber/10.png",
        "Traced/SQ/Untraced Copies/1.jpg",
        "Traced/SQ/Untraced Copies/10.jpg",
        "Traced/SQ/Untraced Copies/11.jpg",
        "Traced/PI/Traced/1.png",
        "Traced/PI/Original Untraced/1.png",
    )
    for part in ("", "Traced", "Traced/SQ/Traced 4 chamber"):
        (folder / part / ".DS_Store").write_bytes(b"Bud1")
    return folder


def found(experts):
    return {expert.name: [pair.name for pair in expert.pairs] for expert in experts}


def test_the_projects_folders_are_read_as_they_are(project):
    experts = find_experts(project)
    assert found(experts) == {"PI": ["1"], "SQ": ["1", "10"]}
    assert experts[1].untouched == ("11.jpg",)
    assert experts[1].pairs[1].untraced.endswith("Untraced Copies/10.jpg")


def test_the_zip_is_read_without_unpacking(project, tmp_path):
    archive = tmp_path / "UKBB-CMR-images.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(project.rglob("*")):
            packed.write(path, path.relative_to(project))
        packed.writestr("__MACOSX/Traced/SQ/Traced 4 chamber/._1.png", b"")
    assert found(find_experts(archive)) == {"PI": ["1"], "SQ": ["1", "10"]}


def test_one_expert_with_originals_elsewhere(project):
    base = project / "Traced" / "SQ"
    [expert] = find_experts(base / "Traced 4 chamber", base / "Untraced Copies")
    assert expert.name == ""
    assert [pair.name for pair in expert.pairs] == ["1", "10"]


def test_originals_may_be_named_relative_to_the_traces(tmp_path):
    folder = put(tmp_path / "data", "ink/1.png", "plain/1.png")
    [expert] = find_experts(folder / "ink", folder / "plain")
    assert expert.pairs[0].untraced.endswith("plain/1.png")


def test_without_originals_every_picture_is_a_trace(tmp_path):
    [expert] = find_experts(put(tmp_path / "drawn", "a.png", "b.png"))
    assert [(pair.name, pair.untraced) for pair in expert.pairs] == [("a", ""), ("b", "")]


def test_copies_without_an_original_are_listed(project):
    put(project, "Traced/SQ/Traced 4 chamber/77.png")
    with pytest.raises(DataError) as caught:
        find_experts(project)
    assert caught.value.details == ("no original: 77.png",)


def test_an_empty_place_is_refused(tmp_path):
    with pytest.raises(DataError, match="traced pictures"):
        find_experts(tmp_path)
