"""A check opens every file once, and the second time none; its findings are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from limner.data.check.examine import Examination
from limner.data.check.stops import understand
from limner.images import read_mask, write_image

Opened = Callable[[], list[str]]
Pairs = Callable[..., Path]

COUNT = 14
PICTURES = [f"{number}.jpg" for number in range(COUNT)]
MASKS = [f"{number}.png" for number in range(COUNT)]


@pytest.fixture
def data(folder_of_pairs: Pairs) -> Path:
    folder = folder_of_pairs(COUNT, image_name="{}.jpg", size=(40, 60))
    write_image(folder / "images" / "3.jpg", np.full((40, 60, 3), 90, np.uint8))
    return folder


def findings(data: Path, cache: Path | None) -> list[dict[str, object]]:
    with Examination(cache) as looking:
        understood = understand(data, find_copies=looking.find_copies, memory=looking.memory)
        found = looking.examine(understood.part, understood.label_maps)
    return [finding.to_dict() for finding in [*understood.findings, *found]]


@pytest.mark.usefixtures("settled")
def test_pictures_are_opened_once_and_the_second_time_nothing(data: Path, tmp_path: Path, opened: Opened) -> None:
    first = findings(data, tmp_path / "cache")
    # Masks are decoded twice: for their values, and once it is known what these mean.
    assert opened() == sorted([*PICTURES, *MASKS, *MASKS])
    assert findings(data, tmp_path / "cache") == first
    assert opened() == []


@pytest.mark.usefixtures("settled")
def test_only_what_changed_is_opened_again(data: Path, tmp_path: Path, opened: Opened) -> None:
    findings(data, tmp_path / "cache")
    mask = data / "masks" / "5.png"
    write_image(mask, read_mask(str(mask)).array[..., None][::-1])
    write_image(data / "images" / "7.jpg", np.zeros((40, 60, 3), np.uint8))
    opened()
    found = findings(data, tmp_path / "cache")
    # The mask of the other picture was described, and its values are known together with its picture.
    assert opened() == ["5.jpg", "5.png", "5.png", "7.jpg", "7.png"]
    assert found == findings(data, None)


@pytest.mark.usefixtures("settled")
def test_without_a_cache_files_are_opened_as_often_and_nothing_stays(
    data: Path, tmp_path: Path, opened: Opened
) -> None:
    before = set(tmp_path.rglob("*"))
    without = findings(data, None)
    assert opened() == sorted([*PICTURES, *MASKS, *MASKS])
    assert set(tmp_path.rglob("*")) == before
    assert findings(data, tmp_path / "cache") == without


def test_files_just_written_are_hashed_again_but_not_decoded(
    data: Path, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = findings(data, tmp_path / "cache")
    opened()
    monkeypatch.setattr("limner.images.pillow.decode", None)
    assert findings(data, tmp_path / "cache") == first
    assert set(opened()) == {*PICTURES, *MASKS}


@pytest.mark.usefixtures("settled")
def test_a_damaged_picture_is_told_each_time(data: Path, tmp_path: Path) -> None:
    picture = data / "images" / "2.jpg"
    content = picture.read_bytes()
    picture.write_bytes(content[: len(content) // 2])
    found = [findings(data, tmp_path / "cache") for _ in range(2)]
    assert found[0] == found[1]
    assert any("2:" in str(finding["evidence"]) and finding["level"] == "stop" for finding in found[0])


def test_pictures_of_a_few_samples_alone(data: Path, opened: Opened) -> None:
    with Examination(None, most=4) as looking:
        understood = understand(data, memory=looking.memory)
        opened()
        looking.examine(understood.part, understood.label_maps)
    assert opened() == sorted(f"{number}.{suffix}" for number in (0, 4, 8, 13) for suffix in ("jpg", "png"))
