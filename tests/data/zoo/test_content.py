"""What pictures and masks hold, and lack: classes, objects, intensities."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Accepts = Callable[..., Any]
Refuses = Callable[..., Any]


def finding(checked: Any, kind: str) -> Any:
    (found,) = [finding for finding in checked.findings if finding.kind == kind]
    return found


def test_a_class_that_no_validation_sample_holds(zoo: Any, accepts: Accepts) -> None:
    for number, (name, picture, ids) in enumerate(zoo.draw(10, classes=3)):
        split = "val" if number < 3 else "train"
        if split == "val":
            ids[ids == 2] = 0
        zoo.save(f"{split}/images/{name}.png", picture)
        zoo.save(f"{split}/masks/{name}.png", ids)
    checked = accepts("missing-class")
    assert finding(checked, "missing-class").title == "No validation sample holds class 2."
    assert "class 2 in 7" in " ".join(finding(checked, "missing-class").evidence)


def test_training_samples_without_foreground(zoo: Any, refuses: Refuses) -> None:
    for number, (name, picture, ids) in enumerate(zoo.draw(8)):
        split = "val" if number < 3 else "train"
        zoo.save(f"{split}/images/{name}.png", picture)
        zoo.save(f"{split}/masks/{name}.png", ids * (255 if split == "val" else 0))
    refuses("no-foreground", says="foreground in the training samples")


def test_foreground_under_half_a_percent(zoo: Any, accepts: Accepts) -> None:
    def dot(ids: np.ndarray) -> np.ndarray:
        small = np.zeros_like(ids)
        small[20:23, 30:34] = 255
        return small

    zoo.fill(dot)
    zoo.truth = {name: dot(ids) // 255 for name, ids in zoo.truth.items()}
    checked = zoo.check()
    rare = finding(checked, "rare-class")
    assert (rare.level, rare.title) == ("doubt", "Under 0.5% of the pixels: foreground 0.4 %.")


def test_a_rare_class_among_others_is_a_note(zoo: Any, accepts: Accepts) -> None:
    for name, picture, ids in zoo.draw():
        ids[2:5, 3:6] = 2
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}.png", ids)
    assert finding(accepts(), "rare-class").level == "note"


def test_objects_that_vanish_when_pictures_are_made_small(zoo: Any, accepts: Accepts) -> None:
    for number, (name, picture, _) in enumerate(zoo.draw(6, size=(256, 320))):
        ids = np.zeros((256, 320), np.uint8)
        for spot in range(12):
            top, left = 10 + 20 * spot, 20 + (spot * 83 + number * 31) % 280
            ids[top : top + 12, left : left + 12] = 1
        zoo.truth[name] = ids
        zoo.save(f"images/{name}.png", np.where(ids[..., np.newaxis] > 0, 230, picture).astype(np.uint8))
        zoo.save(f"masks/{name}.png", ids * 255)
    settings = {"data__size": [32, 40], "data__fit": "resize"}
    checked = accepts("tiny-objects", **settings)
    remedy = finding(checked, "tiny-objects").remedy
    height, width = map(int, re.search(r"data\.size=\[(\d+),(\d+)\]", remedy).groups())
    assert (height, width) == (64, 96)
    accepts(data__size=[height, width], data__fit="resize")


def test_blank_pictures(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    zoo.save("images/04.png", np.full((48, 64, 3), 127, np.uint8))
    zoo.save("images/06.jpg", np.full((48, 64, 3), 12, np.uint8))
    (zoo.root / "images/06.png").unlink()
    checked = accepts("blank-pictures")
    assert finding(checked, "blank-pictures").samples == ("04", "06")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none(zoo: Any, refuses: Refuses, value: float) -> None:
    zoo.fill(image=lambda picture: picture.astype(np.float32) / 255, image_suffix=".npy")
    picture = np.load(zoo.root / "images/03.npy")
    picture[4, 5] = value
    zoo.save("images/03.npy", picture)
    checked = refuses("not-finite", says="03")
    assert finding(checked, "not-finite").samples == ("03",)


def test_pictures_on_another_scale_than_the_others(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(image=lambda picture: picture.astype(np.float32) / 255, image_suffix=".npy")
    zoo.save("images/05.npy", np.load(zoo.root / "images/05.npy") * 255)
    checked = accepts("intensity-range")
    assert finding(checked, "intensity-range").samples == ("05",)


def test_masks_that_are_nearly_all_empty(zoo: Any, accepts: Accepts) -> None:
    keep = iter([True] + [False] * 19)
    zoo.fill(lambda ids: ids * 255 * next(keep), count=20)
    zoo.truth.clear()
    checked = zoo.check()
    assert "empty-masks" in {found.kind for found in checked.findings if found.level == "doubt"} or (
        checked.outcome == "cannot train"
    )


def test_some_empty_masks_are_a_note(zoo: Any, accepts: Accepts) -> None:
    zoo.fill()
    zoo.save("masks/02.png", np.zeros((48, 64), np.uint8))
    zoo.truth["02"][:] = 0
    assert finding(accepts(), "empty-masks").samples == ("02",)
