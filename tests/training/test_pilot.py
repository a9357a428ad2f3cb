"""The pilot: what it says of good data and of data that nothing can be learned from."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limner
from limner.config import config_from
from limner.data.prepare import Prepared
from limner.training.fit import read_plan
from limner.training.pace import Pace
from limner.training.pilot import (
    Learning,
    explain,
    find_cause,
    forecast_seconds,
    learn_two_batches,
    pairing_p_value,
    try_to_learn,
)
from limner.training.plan import make_plan
from limner.training.progress import Silent
from limner.workflow.settings import prepare_data
from limner.workflow.train import Run

Train = Callable[..., Run]

SETTINGS: dict[str, dict[str, Any]] = {
    "training": {"device": "cpu", "precision": "float32", "batch": 4},
    "data": {"size": [32, 32], "fit": "resize", "check": "off"},
    "model": {"conv_sizes": [8, 16]},
}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(limner.sample("cells", tmp_path_factory.mktemp("many") / "cells", count=40))


@pytest.fixture(scope="module")
def shuffled(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures with each other's masks."""
    folder = shutil.copytree(many, tmp_path_factory.mktemp("shuffled") / "cells")
    masks = sorted((folder / "masks").iterdir())
    contents = [mask.read_bytes() for mask in masks]
    for mask, other in zip(masks, np.random.default_rng(1).permutation(len(masks)), strict=True):
        mask.write_bytes(contents[other])
    return folder


def prepared(folder: Path, **training: Any) -> tuple[Any, Prepared, Any]:
    values = SETTINGS | {"training": SETTINGS["training"] | training, "data": SETTINGS["data"] | {"path": str(folder)}}
    config = config_from(values)
    data = prepare_data(config, lambda *_: None)
    return config, data, make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())


def test_good_pairs_are_learned_and_not_doubted(many: Path) -> None:
    config, data, plan = prepared(many)
    learning, cause = try_to_learn(config, data, plan, [], seconds=60.0)
    assert learning.learned
    assert learning.pairs < 0.01
    assert (cause, explain(cause, learning, plan)) == ("", "")
    # What the check doubts is then not taken up.
    assert find_cause(learning, None, ["shuffled-pairs"]) == ""


def test_shuffled_pairs_are_learned_by_heart_and_found_all_the_same(shuffled: Path) -> None:
    config, data, plan = prepared(shuffled)
    learning, cause = try_to_learn(config, data, plan, ["shuffled-pairs"], seconds=60.0)
    assert learning.learned, "masks of other pictures are learned by heart, too"
    assert learning.pairs > 0.05
    assert cause == "shuffled pairs" == find_cause(learning, None, None)
    assert find_cause(learning, None, []) == "", "the check found that they belong together"
    assert "look shuffled" in explain(cause, learning, plan)


@pytest.mark.slow
def test_a_rate_that_is_too_high_is_named(many: Path) -> None:
    config, data, plan = prepared(many, lr=30.0)
    learning, cause = try_to_learn(config, data, plan, [], seconds=60.0)
    assert not learning.learned
    assert cause == "lr"
    assert "30 is too high" in explain(cause, learning, plan)


def test_causes_in_their_order() -> None:
    stuck = Learning(1.0, 0.95, 50, foreground=0.0, pairs=math.nan)
    assert find_cause(stuck, None, []) == "label map"
    assert find_cause(Learning(1.0, 0.95, 50, foreground=0.2, pairs=0.4), None, None) == "shuffled pairs"
    assert find_cause(Learning(1.0, 0.95, 50, foreground=0.2, pairs=0.001), None, []) == "unknown"
    assert find_cause(Learning(1.0, 0.95, 5, foreground=0.2, pairs=0.4), None, None) == "", "too few steps to tell"
    assert find_cause(Learning(1.0, math.nan, 3, foreground=0.2), Learning(1.0, 0.2, 50), []) == "lr"


def test_a_pairing_is_judged_against_random_ones() -> None:
    rng = np.random.default_rng(0)
    true = (rng.random((20, 8, 8)) < 0.3).astype(np.float32)
    predicted = 0.3 * true + 0.7 * rng.random((20, 8, 8), np.float32)
    assert pairing_p_value(predicted, true) == 0.001
    assert pairing_p_value(predicted, np.roll(true, 1, axis=0)) > 0.05
    # What all have in common, such as an object in the middle, is no evidence.
    alike = np.zeros((20, 8, 8), np.float32)
    alike[:, 3:5, 3:5] = 1
    assert math.isnan(pairing_p_value(alike, alike))


def test_the_forecast_counts_steps_and_validations(trained: Run) -> None:
    plan = read_plan(trained.folder)
    expected = 2 * plan.epochs * 0.5 + plan.epochs * plan.val_samples * 0.25
    assert forecast_seconds(plan, Pace(0.5, 0.25)) == pytest.approx(expected)


def test_steps_under_way_when_the_time_is_over_are_the_last(many: Path) -> None:
    learning = learn_two_batches(*prepared(many), seconds=0.0)
    assert learning.steps == 4
    assert not learning.told


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.slow
def test_a_pilot_goes_the_whole_way_and_leaves_the_training_as_it_was(
    cells: Path, small_train: Train, trained: Run, tmp_path: Path
) -> None:
    run = small_train(cells, tmp_path / "run", settings={"training.pilot": True}, reporter=(view := Notes()))
    record = json.loads((run.folder / "pilot.json").read_text())
    assert record["went"][:3] == ["a step", "validation", "prediction"]
    assert record["images_per_s"] > 0
    assert record["memory_bytes"] > 10**8
    assert any(note.startswith("Pilot: ") and "Forecast: " in note for note in view.notes)
    # The same bits as without.
    assert run.summary == trained.summary
    assert not (trained.folder / "pilot.json").exists()
    assert "measured" in read_plan(run.folder).because["accumulate"]
