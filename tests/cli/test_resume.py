"""`limner train --resume`: nothing to go on with, nothing left to do, and from another folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Limner = Callable[..., Any]
Refused = Callable[..., str]


def test_a_folder_that_is_no_run(refused: Refused, run: Path, cells: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "nothing", cells):
        assert f"'{folder}'" in refused("train", "--resume", folder)
    assert not (tmp_path / "nothing").exists()
    shutil.rmtree(run / "checkpoints")
    assert "though epochs were finished" in refused("train", "--resume", run)


def test_data_besides(refused: Refused, run: Path, cells: Path) -> None:
    assert "A run knows its data" in refused("train", cells, "--resume", run)
    assert "A run knows its data" in refused("train", "--resume", run, "-o", run.parent / "other")


def test_other_samples(refused: Refused, run: Path, tmp_path: Path) -> None:
    before = (run / "config.yaml").read_text()
    assert "data.folds=3" in refused("train", "--resume", run, "--folds", "3")
    assert "train anew" in refused("train", "--resume", run, "--review", tmp_path / "review.csv")
    assert (run / "config.yaml").read_text() == before


FILES = ("samples.csv", "data.json", "plan.yaml")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("config.yaml", "missing"),  # what is left of a cut one may be whole YAML, and an empty one sets nothing
        *((name, damage) for name in FILES for damage in ("missing", "cut", "empty")),
    ],
)
def test_a_damaged_file_is_named(refused: Refused, run: Path, name: str, damage: str) -> None:
    path = run / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage == "cut" else b"")
    assert name in refused("train", "--resume", run, "epochs=3")


def test_a_finished_run(limner: Limner, run: Path) -> None:
    before = (run / "model.safetensors").read_bytes()
    result = limner("train", "--resume", run)
    assert result.code == 0
    assert "has finished, after 2 epochs" in result.err
    assert "training.epochs" in result.err
    assert (run / "model.safetensors").read_bytes() == before


def test_from_another_folder(limner: Limner, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = limner("train", "--resume", f"../{run.name}/", "-e", "3", "--json")
    assert result.code == 0
    assert result.json["interrupted"] is False
    assert json.loads((run / "run.json").read_text())["epochs"] == 3
    assert list((tmp_path / "elsewhere").iterdir()) == []
