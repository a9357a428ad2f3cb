"""`limner verify`: the first steps of a run once more."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import limner as package
from limner.data import samples
from limner.errors import DataError
from limner.training import loader
from limner.workflow.train import Run

Train = Callable[..., Run]
Limner = Callable[..., Any]


@pytest.fixture
def run(cells: Path, small_train: Train, tmp_path: Path) -> Path:
    """A run on pictures of its own, with dropout and a time budget, whose clock sets the rates."""
    data = shutil.copytree(cells, tmp_path / "data")
    settings = {"training.epochs": 1, "training.time": "1h", "model.dropout": 0.2, "training.steps_per_epoch": 4}
    return small_train(data, tmp_path / "run", settings=settings).folder


def test_the_first_steps_are_the_same_until_something_changes(limner: Limner, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    result = limner("verify", run)
    assert (result.code, result.out) == (0, "The first 4 steps and the weights after them are bit for bit the same.\n")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before

    # Another version of PyTorch that gave another loss in the third step.
    record = json.loads((run / "first_steps.json").read_text())
    changed = json.loads(json.dumps(record))
    changed["losses"][2] = float(np.nextafter(np.float32(record["losses"][2]), np.float32(9)))
    changed["made_with"]["torch"] = "2.0.0"
    (run / "first_steps.json").write_text(json.dumps(changed))
    result = limner("verify", run)
    assert result.code == 1
    assert result.out.startswith("Differs at step 3 of 4: ")
    assert f"torch: 2.0.0 → {record['made_with']['torch']}" in result.out
    result = limner("verify", run, "--json")
    assert (result.code, result.json["same"], result.json["differs_at"]) == (1, False, 3)
    (run / "first_steps.json").write_text(json.dumps(record))

    # A picture that is another one now; the cache still has the old.
    with (run / "samples.csv").open(newline="") as file:
        name = next(row["id"] for row in csv.DictReader(file) if row["split"] == "train")
    (picture,) = (run.parent / "data" / "images").glob(f"{name}*")
    Image.fromarray(255 - np.asarray(Image.open(picture))).save(picture)
    found = package.verify(run)
    assert not found.same
    assert [reason for reason in found.reasons if reason.startswith(f"another picture of {name} than")]


def test_there_must_be_first_steps(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "no such run" in refused("verify", tmp_path / "nothing")
    (tmp_path / "folds" / "0").mkdir(parents=True)
    (tmp_path / "folds" / "0" / "first_steps.json").write_text("{")
    assert f"such as {tmp_path / 'folds' / '0'}" in refused("verify", tmp_path)
    with pytest.raises(DataError, match="readable"):
        package.verify(tmp_path / "folds" / "0")


@pytest.mark.slow
def test_how_many_threads_read_changes_nothing(
    cells: Path, small_train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = []
    for threads, ahead in ((1, 1), (7, 5)):
        monkeypatch.setattr(samples, "THREADS", threads)
        monkeypatch.setattr(loader, "_AHEAD", ahead)
        settings = {"training.epochs": 1, "data.cache": False, "model.dropout": 0.2}
        run = small_train(cells, tmp_path / str(threads), settings=settings)
        weights.append(load_file(run.model))
        assert run.reproducible.startswith("bit for bit")
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
