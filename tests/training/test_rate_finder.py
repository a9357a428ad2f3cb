"""The learning rate, found by a range test."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from limner.training.fit import read_plan
from limner.training.rate_finder import RangeTest, choose_rate, smoothed, with_found_rate
from limner.workflow.train import Run

Train = Callable[..., Run]


def test_a_tenth_of_the_rate_with_the_lowest_loss() -> None:
    rates = [10 ** (-6 + step / 10) for step in range(61)]
    # A valley around 0.1; smoothing comes a little late.
    losses = [1 - 0.8 * math.exp(-((math.log10(rate) + 1) ** 2)) for rate in rates]
    assert 0.01 <= (choose_rate(RangeTest(rates, losses)) or 0) <= 0.03


def test_where_the_loss_never_fell_the_usual_rate_stays(trained: Run) -> None:
    plan = replace(read_plan(trained.folder), lr=0.002)
    flat = RangeTest([1e-6, 1e-3, 1.0], [0.7, 0.7, 9.0])
    assert choose_rate(flat) is None
    made = with_found_rate(plan, flat)
    assert made.lr == 0.002
    assert "never fell" in made.because["lr"]
    assert choose_rate(RangeTest([], [])) is None


def test_smoothing_is_unbiased_from_the_first_loss() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert smoothed([1.0, 2.0]) == pytest.approx([1.0, (0.8 * 0.2 * 1 + 0.2 * 2) / 0.36])


@pytest.mark.slow
def test_a_rate_that_is_found_is_that_of_the_run(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {
        "training.lr": "find",
        "training.steps_per_epoch": 4,
        "evaluation.calibrate": False,
        "training.epochs": 1,
    }
    run = small_train(cells, tmp_path / "run", settings=settings)
    plan = read_plan(run.folder)
    assert plan.because["lr"].startswith("found: a tenth of")
    assert 1e-5 < plan.lr <= 0.1
    with (run.folder / "learning_rates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert 6 <= len(rows) <= 100
    lowest = min(rows, key=lambda row: float(row["smoothed"]))
    assert float(lowest["rate"]) == pytest.approx(10 * plan.lr, rel=0.06)


def test_finding_a_rate_goes_with_one_phase_alone(refused: Callable[..., str], cells: Path) -> None:
    assert "--find-lr" in refused("train", cells, "--lr", 0.1, "--find-lr")
    assert "phases" in refused("train", cells, "lr=find", "training.phases=[{epochs: 1}]")
