"""The depth project, from its archives to masks and depths of new pictures."""

from __future__ import annotations

import csv
import json
import zipfile

import numpy as np
import pytest

from limner.config import load_config, recipe_path
from limner.images import read_image
from limner.models import create_model
from limner.workflow.settings import prepare_data

pytestmark = pytest.mark.slow

TINY = [
    "conv_sizes=[4,8,8,8]",
    "training.phases=[{size: 32, batch: 8, epochs: 1}, {size: 48, batch: 4, epochs: 1}]",
    "steps_per_epoch=2",
    "val_samples=4",
    "device=cpu",
]


def test_from_archives_to_masks_and_depths(limner, tmp_path):
    data, run, out = tmp_path / "data", tmp_path / "run", tmp_path / "out"
    limner("sample", "depth", data, "--count", 72)

    assert limner("train", data, "--recipe", "depth", "-o", run, *TINY).code == 0

    scores = json.loads((run / "evaluation" / "summary.json").read_text())["targets"]
    assert set(scores) == {"mask", "depth"}
    with (run / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    for column in ("background", "foreground"):
        sides = [{row[column] for row in rows if row["split"] == split} for split in ("train", "val")]
        assert all(sides)
        assert not sides[0] & sides[1]
    plan = (run / "plan.yaml").read_text()
    assert "phases" in plan

    with zipfile.ZipFile(data / "fg_bg_1.zip") as archive:
        archive.extract("fg_bg_1/1.jpg", tmp_path)
    predicted = limner(
        "predict",
        run,
        "--input",
        f"background={data / 'bg' / 'bg1.jpg'}",
        "--input",
        f"composite={tmp_path / 'fg_bg_1' / '1.jpg'}",
        "-o",
        out,
    )
    assert predicted.code == 0
    written = {path.relative_to(out).as_posix(): path for path in out.rglob("[!.]*") if path.is_file()}
    assert any("mask" in name for name in written), written
    assert any("depth" in name for name in written), written
    masks = [path for name, path in written.items() if "mask" in name and path.suffix == ".png"]
    assert read_image(str(masks[0])).shape[:2] == (96, 96)


def test_the_published_split_is_one_setting_away(limner, tmp_path):
    limner("sample", "depth", tmp_path / "data", "--count", 72)
    random = ["data.layout_options={split: random}"]
    config = load_config(None, [f"data.path={tmp_path / 'data'}", *random], base=recipe_path("depth"))

    prepared = prepare_data(config, lambda *_: None)

    assert prepared.catalog.split_counts() == {"train": 50, "val": 22, "test": 0}


def test_the_published_network():
    config = load_config(None, base=recipe_path("depth"))
    model = create_model(
        config.model.name,
        in_channels=6,
        out_channels={"mask": 1, "depth": 1},
        conv_sizes=tuple(config.model.conv_sizes),
        up=config.model.up,
        shared_levels=config.model.shared_levels,
    )
    count = sum(parameter.numel() for parameter in model.parameters())

    assert round(count / 1e6, 1) == 33.4
    phases = [(phase.size, phase.batch) for phase in config.training.phases]
    assert phases == [(64, 128), (224, 32)]
    assert np.isclose(config.training.momentum, 0.9)
    assert (config.data.split, config.data.seed) == ("70:30", 0)
