"""Data sets as published projects have them: nothing is wrong with them, and the check says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner import check, sample
from limner.data import survey


def looked_at(place: Path, **settings: Any) -> Any:
    return check(place, settings={"data.cache": False} | {name.replace("__", "."): x for name, x in settings.items()})


def kinds(checked: Any) -> dict[str, str]:
    return {finding.kind: finding.level for finding in checked.findings}


def said(checked: Any, kind: str) -> str:
    return " ".join(" ".join([found.title, *found.evidence]) for found in checked.findings if found.kind == kind)


@pytest.fixture(scope="module")
def composites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample("depth", tmp_path_factory.mktemp("composites") / "data", count=48, size=(64, 64))


def test_two_pictures_in_and_a_mask_and_a_depth_out(composites: Path) -> None:
    checked = looked_at(composites, data__layout_options={"split": "random"})
    assert checked.outcome == "clean"
    assert checked.samples == 48
    assert "as told" in said(checked, "mask-values")
    assert set(checked.label_maps) == {"mask", "depth"}


def test_of_very_many_a_sample_is_looked_at(composites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "LARGE", 40)
    monkeypatch.setattr(survey, "SAMPLED", 16)
    checked = looked_at(composites, data__layout_options={"split": "random"})
    assert checked.samples == 16
    assert "Of 48 samples 16 were looked at" in said(checked, "sampled")
    assert looked_at(composites, data__layout_options={"split": "random"}, data__scan="all").samples == 48


def test_run_lengths_are_masks(tmp_path: Path) -> None:
    data = sample("cars", tmp_path / "data", count=16, size=(64, 96))
    shutil.rmtree(data / "train_masks")
    checked = looked_at(data)
    assert checked.outcome == "clean"
    assert "run lengths" in said(checked, "pairs")


def listed(zoo: Any, rows: list[str]) -> Path:
    return Path(zoo.save("samples.csv", "\n".join(["image,mask,group", *rows]).encode()))


def with_another_mask(zoo: Any, group_of: Callable[[int], str]) -> Any:
    """The check of sixteen samples, and of the first picture with a second mask that lies elsewhere."""
    zoo.fill(count=16)
    names = [f"{number:02}" for number in range(16)]
    shutil.copy(zoo.root / "images" / "00.png", zoo.root / "images" / "again.png")
    zoo.save("masks/again.png", np.roll(zoo.truth["00"] * 255, 30, axis=1))
    rows = [f"images/{name}.png,masks/{name}.png,{group_of(number)}" for number, name in enumerate(names)]
    return zoo.check(listed(zoo, [*rows, f"images/again.png,masks/again.png,{group_of(0)}"]))


def test_one_picture_with_the_masks_of_two_experts(zoo: Any) -> None:
    checked = with_another_mask(zoo, lambda number: f"case{number}")
    assert kinds(checked)["several-masks"] == "note"
    assert not {"copies", "conflicting-masks"} & set(kinds(checked))


def test_one_picture_twice_among_the_others_of_a_patient(zoo: Any) -> None:
    checked = with_another_mask(zoo, lambda number: f"patient{number // 4}")
    assert kinds(checked)["conflicting-masks"] == "doubt"
