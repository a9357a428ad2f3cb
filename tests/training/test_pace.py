"""Epochs that follow a clock."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from limner.config import Config, config_from
from limner.training.fit import read_plan
from limner.training.pace import Pace, fit_to_clock, follows_clock
from limner.training.plan import Plan
from limner.training.progress import Silent
from limner.training.state import TrainingState
from limner.workflow.train import Run

Train = Callable[..., Run]


@pytest.fixture
def plan(trained: Run) -> Plan:
    """A plan for 70 samples in batches of 7, 50 steps an epoch, 100 samples to validate."""
    return replace(read_plan(trained.folder), batch=7, steps=50, passes=5, val_samples=100, seconds=600.0)


def settings(**training: object) -> Config:
    return config_from({"training": {"time": "10m", **training}})


@pytest.mark.parametrize("step", [0.01, 0.3, 2.0, 10.0])
@pytest.mark.parametrize("sample", [0.0001, 0.02, 0.3])
@pytest.mark.parametrize("budget", [60.0, 600.0, 7200.0])
def test_a_budget_holds_ten_validations_that_take_a_fifth_of_it(
    plan: Plan, step: float, sample: float, budget: float
) -> None:
    fitted = fit_to_clock(replace(plan, seconds=budget), Pace(step, sample), settings(), count=70)
    train, validate = fitted.steps * step, fitted.val_samples * sample
    if budget >= 20 * step + 200 * sample:  # else there is no time for ten of anything
        assert budget / (train + validate) >= 8
        assert validate <= 0.25 * train + 4 * sample
    assert fitted.steps >= 1
    assert 4 <= fitted.val_samples <= 100


def test_what_fits_stays_as_the_data_ask_for(plan: Plan) -> None:
    fitted = fit_to_clock(plan, Pace(0.1, 0.001, took=3.0), settings(), count=70)
    assert (fitted.steps, fitted.passes, fitted.val_samples) == (50, 5, 100)
    assert fitted.pace == {"step": 0.1, "sample": 0.001, "took": 3.0}
    assert "117 such epochs" in fitted.because["steps"]


def test_fewer_samples_are_validated_where_the_clock_asks_for_it_and_the_settings_do_not(plan: Plan) -> None:
    slow = Pace(1.0, 1.0)
    fitted = fit_to_clock(plan, slow, settings(), count=70)
    assert (fitted.steps, fitted.val_samples) == (48, 12)
    assert "more than a fifth" in fitted.because["val_samples"]
    kept = fit_to_clock(plan, slow, settings(val_samples=100), count=70)
    assert (kept.steps, kept.val_samples) == (400, 100)


def test_a_length_that_is_set_is_not_measured(plan: Plan) -> None:
    assert follows_clock(plan, settings())
    assert not follows_clock(plan, settings(epochs=3))
    assert not follows_clock(plan, settings(steps_per_epoch=8))
    assert not follows_clock(replace(plan, seconds=None), settings())


class StopInFirstEpoch(Silent):
    """Presses Ctrl-C when the first epoch has ended."""

    def epoch(self, state: TrainingState) -> None:
        if state.epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_what_was_measured_is_kept_when_a_run_goes_on(cells: Path, small_train: Train, tmp_path: Path) -> None:
    clock = {"training.epochs": None, "training.steps_per_epoch": None, "training.time": "3s"}
    stopped = small_train(cells, tmp_path / "run", settings=clock, reporter=StopInFirstEpoch())
    assert stopped.interrupted
    before = (stopped.folder / "plan.yaml").read_bytes()
    plan = read_plan(stopped.folder)
    assert set(plan.pace) == {"step", "sample", "took"}
    assert "measured" in plan.because["steps"]
    run = small_train(None, resume=stopped.folder, settings=clock)
    assert (run.folder / "plan.yaml").read_bytes() == before
    assert json.loads((run.folder / "run.json").read_text())["stopped"] == "time"
