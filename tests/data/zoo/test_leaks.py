"""Pictures that stand twice in a data set, and samples that belong together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

Accepts = Callable[..., Any]


def kinds(checked: Any) -> dict[str, str]:
    return {finding.kind: finding.level for finding in checked.findings}


def samples(checked: Any, kind: str) -> set[str]:
    return {name for finding in checked.findings if finding.kind == kind for name in finding.samples}


def split(zoo: Any, count: int = 24) -> None:
    """Samples that come split: the last quarter validates."""
    for number, (name, picture, ids) in enumerate(zoo.draw(count, size=(96, 96), objects=2)):
        place = "val" if number >= count * 3 // 4 else "train"
        zoo.save(f"{place}/images/{name}.png", picture)
        zoo.save(f"{place}/masks/{name}.png", ids * 255)


COPIES = {
    "the same file": lambda picture: picture,
    "smaller": lambda picture: picture.resize((64, 64), Image.Resampling.LANCZOS).resize((96, 96)),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_picture_that_trains_and_validates(zoo: Any, kind: str) -> None:
    split(zoo)
    for side in ("images", "masks"):
        picture = Image.open(zoo.root / "train" / side / "03.png")
        zoo.save(f"val/{side}/20.png", COPIES[kind](picture) if kind != "smaller" or side == "images" else picture)
    checked = zoo.check()
    assert kinds(checked).get("copies-across-splits") == "doubt"
    assert samples(checked, "copies-across-splits") == {"03", "20"}


def test_copies_never_part_when_limner_splits(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(count=20, size=(96, 96), objects=2)
    for side in ("images", "masks"):
        for number in (4, 9, 13):
            shutil.copy(zoo.root / side / "02.png", zoo.root / side / f"{number:02}.png")
    zoo.truth.clear()
    checked = zoo.check()
    assert "copies-across-splits" not in kinds(checked)
    assert samples(checked, "copies") == {"02", "04", "09", "13"}


def test_one_picture_with_different_masks(zoo: Any) -> None:
    zoo.fill(count=20, size=(96, 96), objects=2)
    shutil.copy(zoo.root / "images/05.png", zoo.root / "images/11.png")
    checked = zoo.check()
    assert kinds(checked).get("conflicting-masks") == "doubt"
    assert samples(checked, "conflicting-masks") >= {"05", "11"}


def patients(zoo: Any, name: str) -> None:
    """Eight patients with six slices each; slices of a patient look alike."""
    generator = np.random.default_rng(0)
    for patient, (_, picture, ids) in enumerate(zoo.draw(8, size=(96, 96), objects=2)):
        for slice_ in range(6):
            noise = generator.normal(0, 12, picture.shape)
            moved = np.roll(picture, 3 * slice_, axis=1)
            stem = name.format(patient + 1, slice_ + 1)
            zoo.save(f"images/{stem}.png", (moved + noise).clip(0, 255).astype(np.uint8))
            zoo.save(f"masks/{stem}.png", np.roll(ids, 3 * slice_, axis=1) * 255)
    zoo.truth.clear()


@pytest.mark.parametrize("name", ["patient{}_slice{:02}", "video{}_frame{:04}", "tile_{}_{}"])
def test_groups_that_names_suggest_are_told(zoo: Any, name: str) -> None:
    patients(zoo, name)
    assert "groups-in-names" in kinds(zoo.check())


def test_numbers_alone_are_no_groups(zoo: Any, accepts: Accepts) -> None:
    zoo.fill(count=24)
    assert "groups-in-names" not in kinds(zoo.check())
