"""What views buy: measured on validation samples, kept in the bundle, asked about by `tta="auto"`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limner
from limner.bundle import bundle_digest, load_bundle, read_meta, save_bundle
from limner.data.samples import image_location
from limner.images import read_image, read_mask
from limner.training.record import read_data
from limner.workflow.calibrate import calibrate


@pytest.fixture(scope="module")
def run(small_train: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with ten validation samples; tests write into its bundle what they agree about."""
    data = limner.sample("cells", tmp_path_factory.mktemp("views") / "cells", count=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        settings = {"data.val": 10, "training.epochs": 2, "data.size": [48, 48]}
        return small_train(data, tmp_path_factory.mktemp("views-run") / "run", settings=settings).folder


def mean_dice(run: Path, tta: str) -> float:
    """Dice over validation pictures, counted here."""
    model, data = limner.load(run, tta=tta), read_data(run)
    found = []
    for index in data.catalog.indices("val"):
        truth = read_mask(data.catalog.targets["mask"][index]).array > 0
        mask = model.predict(image_location(data.catalog, int(index))).mask > 0
        found.append(2 * (truth & mask).sum() / (truth.sum() + mask.sum()))
    return float(np.mean(found))


def test_the_first_auto_measures_and_keeps_it_and_the_model_stays_the_same(run: Path, tmp_path: Path) -> None:
    digest, before = bundle_digest(run / "model.safetensors"), load_bundle(run / "model.safetensors")
    picture = image_location(read_data(run).catalog, 0)
    limner.predict(run, [picture], tmp_path / "out")
    assert read_meta(run / "model.safetensors").views == []
    told: list[str] = []

    def tell(stage: str, done: int, total: int) -> None:
        told.append(stage)

    result = limner.predict(run, [picture], tmp_path / "auto", tta="auto", progress=tell)
    meta = read_meta(run / "model.safetensors")
    assert [found.tta for found in meta.views] == ["flips", "symmetries", "scales"]
    assert "views" in told
    assert "on 10 validation pictures" in result.views
    for found in meta.views:
        assert found.gain == pytest.approx(mean_dice(run, found.tta) - mean_dice(run, "none"), abs=1e-9)
        assert found.low < found.gain < found.high
        assert found.times > 1
    # What decides the answers is what it was, so that calls go on with --resume.
    assert bundle_digest(run / "model.safetensors") == digest
    assert meta.model_copy(update={"views": []}) == before.meta
    told.clear()
    limner.predict(
        run,
        [picture],
        tmp_path / "auto",
        tta="auto",
        resume=True,
        progress=tell,
    )
    assert "views" not in told


def test_a_bundle_alone_says_what_to_do_and_calibrate_does_it(run: Path, tmp_path: Path) -> None:
    bundle = load_bundle(run / "model.safetensors")
    alone = tmp_path / "alone.safetensors"
    save_bundle(alone, bundle.model, bundle.meta.model_copy(update={"views": []}))
    data = read_data(run).catalog
    picture = image_location(data, 0)
    result = limner.predict(alone, [picture], tmp_path / "out", tta="auto")
    assert "limner calibrate MODEL DATA --tta" in result.views
    assert read_image(str(result.written[0])).size
    for kind, places in (("images", data.inputs["image"]), ("masks", data.targets["mask"])):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for index in range(3):
            shutil.copy(places[index], tmp_path / "data" / kind / f"{index}.png")
    calibrated = calibrate(alone, tmp_path / "data", tta=True)
    assert len(calibrated.views) == 3
    assert all("too few for an interval" in line for line in calibrated.views)
    result = limner.predict(alone, [picture], tmp_path / "again", tta="auto")
    assert result.views.startswith("Views: none;")
    assert "would cost" in result.views
    calibrate(alone, tmp_path / "data", goal="recall>=0.999")
    if read_meta(alone).targets["mask"].thresholds:
        assert read_meta(alone).views == []


def test_masks_of_other_views_are_not_those_that_go_on(run: Path, tmp_path: Path) -> None:
    picture = image_location(read_data(run).catalog, 0)
    limner.predict(run, [picture], tmp_path / "out", tta="scales")
    with pytest.raises(limner.OutputError, match="--tta"):
        limner.predict(run, [picture], tmp_path / "out", resume=True)
    assert json.loads((tmp_path / "out" / ".limner-predict.jsonl").read_text().splitlines()[0])["made"]["--tta"]
