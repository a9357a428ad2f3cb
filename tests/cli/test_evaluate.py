"""`limner evaluate`: which samples are scored, where the results go, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.images import write_image

Limner = Callable[..., Any]
Small = Callable[..., list[str]]
Refused = Callable[..., str]


def scored(folder: Path) -> set[str]:
    with (folder / "per_image.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"] for row in csv.DictReader(file)}


def test_the_samples_a_run_set_aside(limner: Limner, run: Path, trained: Any) -> None:
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    result = limner("evaluate", run)
    assert result.code == 0
    assert "2 test pictures" in result.out
    assert str(run / "evaluation") in result.out
    assert json.loads((run / "evaluation" / "summary.json").read_text()) == summary == trained.summary


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split(limner: Limner, run: Path, tmp_path: Path, split: str) -> None:
    result = limner("evaluate", run, "--split", split, "-o", tmp_path / "out", "--json")
    assert result.json["split"] == split
    catalog = Catalog.load(run / "samples.csv")
    assert scored(tmp_path / "out") == {catalog.ids[index] for index in catalog.indices(split)}


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_the_best_epochs_validation_is_what_evaluation_finds(
    limner: Limner, small: Small, data: Path, tmp_path: Path, precision: str
) -> None:
    run = tmp_path / "run"
    limner("train", data, "-o", run, *small(epochs=3, precision=precision))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = lines[lines[-1]["best_epoch"] - 1]
    summary = limner("evaluate", run, "--split", "val", "-o", tmp_path / "out", "--json").json
    mean = summary["targets"]["mask"]["mean"]
    assert (mean["dice"], mean["iou"]) == (best["val_dice"], best["val_iou"])


def test_the_size_of_a_pixel(limner: Limner, small: Small, refused: Refused, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    limner("train", data, "-o", run, *small(epochs=1), "data.spacing=[0.8,0.5]")
    assert set(Catalog.load(run / "samples.csv").facts["spacing"]) == {"0.8 0.5"}
    trained = json.loads((run / "evaluation" / "summary.json").read_text())["distances"]
    assert trained == {"unit": "mm", "tolerance": 1.26, "miss": "diagonal", "spacing": [0.8, 0.5]}
    out = ["-o", tmp_path / "out"]
    again = limner("evaluate", run, *out)
    assert "NSD at 1.26 mm" in " ".join(again.out.split())
    assert "No intervals: at least 8 images are needed, there is 1." in again.out
    given = limner("evaluate", run, *out, "--spacing", "2", "--tolerance", "5", "--miss-distance", "99", "--json").json
    assert given["distances"] == {"unit": "mm", "tolerance": 5.0, "miss": 99.0, "spacing": [2.0, 2.0]}
    assert "'wide'" in refused("evaluate", run, "--spacing", "wide")
    assert "tolerance of 0 or more" in refused("evaluate", run, "--tolerance", "-1")


def test_scores_have_intervals(limner: Limner, run: Path, cells: Path, tmp_path: Path) -> None:
    result = limner("evaluate", run, cells, "-o", tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    interval = summary["targets"]["mask"]["intervals"]["dice"]
    assert f"{interval['low']:.3f}–{interval['high']:.3f}" in result.out
    assert "95 % intervals, over 12 images; rough, as there are fewer than 20." in result.out


def test_other_data_leave_the_runs_own_evaluation_alone(limner: Limner, run: Path, cells: Path) -> None:
    before = (run / "evaluation" / "summary.json").read_bytes()
    result = limner("evaluate", run / "model.safetensors", f"{cells}/", "--json")
    assert result.json["n_images"] == 12
    assert (run / "evaluation" / "summary.json").read_bytes() == before
    assert len(scored(run / f"evaluation-{cells.name}")) == 12


def test_two_folders(limner: Limner, run: Path, cells: Path, tmp_path: Path) -> None:
    arguments = ["--images", cells / "images", "--masks", cells / "masks", "-o", tmp_path / "out", "--json"]
    assert limner("evaluate", run, *arguments).json["n_images"] == 12


def test_mask_values_the_model_does_not_know(refused: Refused, run: Path, cells: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    image = (cells / "images" / "cells_001.png").read_bytes()
    for name in ("a", "b"):
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "images" / f"{name}.png").write_bytes(image)
    write_image(folder / "masks" / "a.png", np.full((256, 256, 1), 255, np.uint8))
    write_image(folder / "masks" / "b.png", np.eye(256, dtype=np.uint8)[..., np.newaxis] * 77)
    message = refused("evaluate", run, folder)
    assert "77" in message
    assert "masks/b.png" in message
    assert not (run / "evaluation-other").exists()


def test_what_cannot_be_scored(refused: Refused, limner: Limner, run: Path, cells: Path, tmp_path: Path) -> None:
    assert "train, val or test" in refused("evaluate", run, "--split", "tset")
    assert "there are none" in refused("evaluate", run, cells, "--split", "val")
    assert str(tmp_path / "nothing") in refused("evaluate", tmp_path / "nothing")
    assert str(cells) in refused("evaluate", cells, run)
    (tmp_path / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    message = refused("evaluate", tmp_path / "model.safetensors")
    assert "data" in message


def test_data_that_are_damaged(refused: Refused, limner: Limner, run: Path, cells: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    for side in ("images", "masks"):
        (folder / side).mkdir(parents=True)
        for path in sorted((cells / side).iterdir())[:3]:
            (folder / side / path.name).write_bytes(path.read_bytes())
    broken = sorted((folder / "images").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:-4000])
    assert broken.name in refused("evaluate", run, folder)
    assert limner("evaluate", run, folder, "--skip-unreadable", "--json").json["n_images"] == 2
    broken.unlink()
    assert "--skip-unmatched" in refused("evaluate", run, folder)
    assert limner("evaluate", run, folder, "--skip-unmatched", "--json").json["n_images"] == 2
