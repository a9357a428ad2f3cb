"""`limner convert` from annotations to a data set that is checked and trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.images import write_image

SIZE = (40, 56)


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Ten pictures with a bright cell each, outlined in COCO, and a nucleus in it."""
    root = tmp_path / "project"
    generator = np.random.default_rng(1)
    images, annotations = [], []
    for number in range(10):
        left, top = (int(value) for value in generator.integers(4, 24, 2))
        image = generator.integers(20, 60, (*SIZE, 3)).astype(np.uint8)
        image[top : top + 12, left : left + 16] += 90
        image[top + 4 : top + 8, left + 5 : left + 11] += 60
        write_image(root / "images" / f"{number}.png", image)
        images.append({"id": number, "file_name": f"{number}.png", "height": SIZE[0], "width": SIZE[1]})
        for category, (x, y, width, height) in {1: (left, top, 16, 12), 2: (left + 5, top + 4, 6, 4)}.items():
            ring = [x, y, x + width, y, x + width, y + height, x, y + height]
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": category, "segmentation": [ring]}
            )
    categories = [{"id": 1, "name": "cell", "color": "#00aa00"}, {"id": 2, "name": "nucleus", "color": "#0000aa"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations").mkdir()
    (root / "annotations" / "instances.json").write_text(json.dumps(content))
    return root


def test_from_annotations_to_a_clean_check(
    coco: Path, tmp_path: Path, limner: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = limner("convert", coco, "-o", "cells", "--overlap", "smaller", "--instances")
    assert (result.code, result.err) == (0, "")
    assert "10 pictures with masks (multiclass) written to cells, from coco" in result.out
    assert "10 × overlaps of different classes, 240 pixels; such as images/0.png" in result.out
    checked = limner("check", "cells", "--json").json
    assert checked["outcome"] == "clean", checked["findings"]
    assert checked["label_maps"]["mask"]["names"] == ["background", "cell", "nucleus"]


@pytest.mark.slow
def test_from_annotations_to_a_model(coco: Path, tmp_path: Path, small_train: Any) -> None:
    settings = {"training.epochs": 1, "data.layout_options": {"overlap": "multilabel"}}
    run = small_train(coco, tmp_path / "run", settings=settings)
    assert [entry["name"] for entry in run.summary["targets"]["mask"]["classes"]] == ["cell", "nucleus"]


def test_annotations_are_checked_as_they_come(
    coco: Path, tmp_path: Path, limner: Callable[..., Any], refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "overlap by more than a seam" in refused("show", coco)
    file, images = coco / "annotations" / "instances.json", coco / "images"
    checked = limner("check", file, f"data.layout_options={{overlap: multilabel, images: {images}}}", "--json").json
    assert checked["outcome"] == "clean", checked["findings"]
    assert checked["label_maps"]["mask"]["task"] == "multilabel"


def test_what_is_left_out_ends_with_exit_code_1(coco: Path, tmp_path: Path, limner: Callable[..., Any]) -> None:
    (coco / "images" / "3.png").unlink()
    result = limner(
        "convert", coco, "-o", tmp_path / "out", "--overlap", "multilabel", "--classes", "nucleus", "--json"
    )
    assert result.code == 1
    found = result.json
    assert {kind: entry["count"] for kind, entry in found["doubts"].items() if entry["left_out"]} == {
        "unknown-label": 9,
        "missing-picture": 1,
    }
    assert (found["task"], found["pictures"]) == ("binary", 9)


def test_a_missing_picture_stops_a_training(coco: Path, refused: Callable[..., str]) -> None:
    (coco / "images" / "3.png").unlink()
    text = refused("show", coco, "data.layout_options={overlap: smaller}")
    assert "3.png" in text
    assert "data.unmatched=skip" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--format", "voc"], "coco, labelme, cvat, labelstudio, geojson, imagej"),
        (["--classes", "vessel"], "cell, nucleus"),
        ([], "--overlap smaller"),
        (["--format", "cvat"], "annotations in the format cvat"),
    ],
)
def test_refusals_say_what_to_do(
    coco: Path, tmp_path: Path, refused: Callable[..., str], words: list[str], says: str
) -> None:
    assert says in refused("convert", coco, "-o", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


def test_a_place_without_annotations_or_none_at_all(tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "nothing is there" in refused("convert", tmp_path / "absent", "-o", tmp_path / "out")
    (tmp_path / "notes.txt").write_text("hello")
    assert "notes.txt" in refused("convert", tmp_path / "notes.txt", "-o", tmp_path / "out")
