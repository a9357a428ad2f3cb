"""The Carvana recipes, from drawn cars to a submission."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from limner.config import load_config
from limner.data.catalog import Catalog
from limner.images import decode_rle, read_mask

pytestmark = pytest.mark.slow

TINY = [
    "data.size=[32,48]",
    "model.conv_sizes=[4,8]",
    "training.epochs=2",
    "training.batch=8",
    "training.steps_per_epoch=4",
    "training.lr=0.01",
    "training.device=cpu",
    "training.precision=float32",
]


@pytest.fixture(scope="module")
def cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from limner.examples import write_example

    return write_example("cars", tmp_path_factory.mktemp("cars") / "cars", count=48, size=(64, 96))


def test_from_drawn_cars_to_masks_and_a_submission(limner, refused, cars, tmp_path):
    result = limner("train", "--recipe", "carvana", cars, "-o", tmp_path / "run", *TINY)
    assert result.code == 0, result.err
    assert "4 cars" in result.err
    catalog = Catalog.load(tmp_path / "run" / "samples.csv")
    assert catalog.split_counts() == {"train": 24, "val": 12, "test": 12}
    assert len(set(zip(catalog.groups, catalog.splits, strict=True))) == 4
    assert load_config(tmp_path / "run" / "config.yaml").recipe.title == "carvana"
    assert (tmp_path / "run" / "evaluation" / "table.png").stat().st_size > 10_000
    summary = json.loads((tmp_path / "run" / "evaluation" / "summary.json").read_text())
    assert summary["targets"]["mask"]["classes"][-1]["name"] == "car"

    result = limner(
        "predict", tmp_path / "run", cars / "test", "-o", tmp_path / "masks", "--rle", tmp_path / "submission.csv"
    )
    assert result.code == 0, result.err
    with (tmp_path / "submission.csv").open() as file:
        rows = {row["img"]: row["rle_mask"] for row in csv.DictReader(file)}
    assert set(rows) == {path.name for path in (cars / "test").iterdir()}
    for name, runs in rows.items():
        mask = read_mask(str(tmp_path / "masks" / f"{Path(name).stem}.png")).array
        assert mask.shape == (64, 96)
        np.testing.assert_array_equal(decode_rle(runs, (64, 96), name), mask == 1)

    # The table alone needs no folder.
    result = limner("predict", tmp_path / "run", cars / "test", "--rle", tmp_path / "again.csv", "--json")
    assert (result.json["written"], result.json["pictures"]) == ([], len(rows))
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "submission.csv").read_bytes()
    assert "neither was named" in refused("predict", tmp_path / "run", cars / "test")


def test_run_lengths_train_like_the_masks(limner, cars, tmp_path):
    (tmp_path / "cars").mkdir()
    for name in ("train", "train_masks.csv"):
        (tmp_path / "cars" / name).symlink_to(cars / name)
    result = limner(
        "train", "--recipe", "carvana", tmp_path / "cars", "-o", tmp_path / "run", *TINY, "training.epochs=1"
    )
    assert result.code == 0, result.err
    assert "run lengths in 'train_masks.csv'" in result.err
    assert "#row=" in (tmp_path / "run" / "samples.csv").read_text()


def test_parts_of_cars_from_sample_to_a_submission_with_classes(limner, tmp_path):
    limner("sample", "carvana_multiclass", tmp_path / "parts", "--count", 32, "--size", "64x96")
    words = ["--recipe", "carvana_multiclass", tmp_path / "parts", "-o", tmp_path / "run", *TINY, "training.epochs=1"]
    result = limner("train", *words)
    assert result.code == 0, result.err
    limner("predict", tmp_path / "run", tmp_path / "parts" / "test", "--rle", tmp_path / "s.csv")
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows[:4]] == ["body", "windows", "wheels", "lights"]
