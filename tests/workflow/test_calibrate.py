"""Calibration of a run: kept in the bundle, used by prediction, told in the report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limner
from limner.bundle import load_bundle, read_meta
from limner.evaluation.calibrate import calibrated, uncalibrated
from limner.images import read_mask
from limner.metrics.calibration import reliability
from limner.metrics.thresholds import Goal
from limner.training.record import read_data
from limner.workflow.calibrate import calibrate, calibrate_run


@pytest.fixture(scope="module")
def many(small_train: Callable[..., limner.Run], tmp_path_factory: pytest.TempPathFactory) -> limner.Run:
    """A finished run with eight validation and four test samples."""
    data = limner.sample("cells", tmp_path_factory.mktemp("many") / "cells", count=24)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        settings = {"data.val": 8, "data.test": 4, "training.epochs": 3, "training.steps_per_epoch": 8}
        return small_train(data, tmp_path_factory.mktemp("many-run") / "run", settings=settings)


@pytest.fixture
def run(many: limner.Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(many.folder, tmp_path / "run"))


def probabilities(run: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that the run's bundle gives, and the truth, of all pixels of a split."""
    model, data = limner.load(run), read_data(run)
    part = data.catalog.subset(data.catalog.indices(split))
    probs, truth = [], []
    for image, mask in zip(part.inputs["image"], part.targets["mask"], strict=True):
        probs.append(model.predict(image).probs["mask"].reshape(1, -1).T)
        truth.append((read_mask(mask).array > 0).astype(np.uint8).ravel())
    return np.concatenate(probs), np.concatenate(truth)


def test_training_calibrates_on_the_validation_samples(many: limner.Run) -> None:
    spec = read_meta(many.model).targets["mask"]
    record = json.loads((many.folder / "calibration.json").read_text())
    found = record["targets"]["mask"]
    assert (record["source"], record["goal"], found["n_images"]) == ("val", None, 8)
    assert spec.temperature == found["temperature"]
    assert spec.thresholds == []
    probs, truth = probabilities(many.folder, "val")
    # All pixels here; the calibration sees a part of them.
    assert reliability(probs, truth, "binary").ece == pytest.approx(found["after"]["ece"], abs=0.01)
    assert found["after"]["ece"] <= found["before"]["ece"]


def test_evaluation_says_what_probabilities_are_worth_on_the_test_samples(many: limner.Run) -> None:
    summary = json.loads((many.folder / "evaluation" / "summary.json").read_text())
    found = summary["targets"]["mask"]["calibration"]
    probs, truth = probabilities(many.folder, "test")
    assert found["after"]["ece"] == pytest.approx(reliability(probs, truth, "binary").ece, abs=0.01)
    page = (many.folder / "report.html").read_text()
    assert f"{found['after']['ece']:.4f}" in page
    assert 'id="calibration"' in page


def test_a_goal_moves_the_threshold_and_prediction_uses_it(run: Path) -> None:
    before = json.loads((run / "evaluation" / "summary.json").read_text())["targets"]["mask"]["mean"]["recall"]
    result = calibrate(run, goal="recall>=0.999")
    (choice,) = result.targets["mask"].choices.values()
    spec = read_meta(run / "model.safetensors").targets["mask"]
    assert spec.thresholds[1] < 0.5
    assert choice.after >= 0.999
    after = json.loads((run / "evaluation" / "summary.json").read_text())["targets"]["mask"]["mean"]["recall"]
    assert after >= before
    data = read_data(run)
    prediction = limner.load(run).predict(data.catalog.inputs["image"][0])
    np.testing.assert_array_equal(prediction.mask, prediction.probs["mask"][0] > np.float32(spec.thresholds[1]))
    assert "recall&gt;=0.999" in (run / "report.html").read_text()


def test_calibrating_again_starts_from_the_network_and_leaves_its_weights(run: Path) -> None:
    weights = load_bundle(run / "model.safetensors").model.state_dict()
    first = read_meta(run / "model.safetensors").targets["mask"]
    calibrate(run, goal="max-dice")
    calibrate(run)
    assert read_meta(run / "model.safetensors").targets["mask"] == first
    for name, tensor in load_bundle(run / "model.safetensors").model.state_dict().items():
        assert tensor.equal(weights[name])


def test_on_other_data(run: Path, cells: Path, limner: Callable[..., Any]) -> None:
    result = limner("calibrate", run, cells, "--goal", "area", "--json")
    assert result.code == 0
    assert result.json["targets"]["mask"]["n_images"] == 12
    assert "predicted areas add up to" in result.json["targets"]["mask"]["thresholds"]["foreground"]["because"]
    assert json.loads((run / "calibration.json").read_text())["source"] == str(cells)


def test_the_command_prints_what_it_found(run: Path, limner: Callable[..., Any]) -> None:
    result = limner("calibrate", run, "--goal", "max-dice")
    assert result.code == 0
    assert "ECE without" in result.out
    assert "mean Dice" in result.out


def test_few_pictures_are_no_ground_for_a_temperature(trained: limner.Run) -> None:
    assert read_meta(trained.model).targets["mask"].temperature == 1
    record = json.loads((trained.folder / "calibration.json").read_text())
    assert "too few" in record["targets"]["mask"]["because"]


def test_an_unknown_goal_is_refused_before_anything_is_read(
    refused: Callable[..., str], cells: Path, tmp_path: Path
) -> None:
    block = refused("train", cells, "-o", tmp_path / "run", "evaluation.goal=best")
    assert "recall>=0.95" in block
    assert not (tmp_path / "run").exists()


def test_switched_off(cells: Path, small_train: Callable[..., limner.Run], tmp_path: Path) -> None:
    run = small_train(cells, tmp_path / "run", settings={"evaluation.calibrate": False, "training.epochs": 1})
    assert not (run.folder / "calibration.json").exists()


def test_a_description_comes_and_goes(run: Path) -> None:
    found = calibrate_run(run, read_data(run), goal=Goal("area"))
    meta = uncalibrated(read_meta(run / "model.safetensors"))
    assert calibrated(meta, found).targets["mask"].temperature == found["mask"].temperature
    assert uncalibrated(calibrated(meta, found)) == meta
