"""The verdict on candidates: whose mean is best is kept, and what was not shown is said."""

from __future__ import annotations

import pytest

from limner.evaluation.candidates import Cost, content, verdict
from limner.evaluation.compare import Comparison, Difference, Ranked
from limner.evaluation.experiment_records import CandidatesRecord


def behind(better: float, low: float, high: float) -> Difference:
    return Difference(better, low, high, 30, "images", alike=False)


COSTS = {
    "a": Cost("a", 60.0, (5,), 900, 10.0),
    "b": Cost("b", 60.0, (9,), 100, 20.0),
    "c": Cost("c", 60.0, (9, 11), 50, 30.0),
}


def compared(*ranked: Ranked) -> Comparison:
    return Comparison("dice", "mask", 30, ranked)


def test_a_difference_that_is_shown() -> None:
    found = compared(Ranked("a", 0.8, None), Ranked("b", 0.7, behind(0.1, 0.05, 0.15)))
    assert verdict(found, COSTS) == ("a is better than b by 0.1 in dice, 95 % interval 0.05 to 0.15, on 30 images.")


def test_without_a_difference_the_best_mean_is_kept_and_the_cheaper_named() -> None:
    found = compared(
        Ranked("a", 0.8, None), Ranked("b", 0.79, behind(0.01, -0.02, 0.04)), Ranked("c", 0.5, behind(0.3, 0.2, 0.4))
    )
    said = verdict(found, COSTS)
    assert said.startswith("No difference shown: a − b in dice is 0.01, 95 % interval -0.02 to 0.04, on 30 images.")
    assert "Worse than a: c. Of a and what is not shown to be worse (b), b is the smallest and trains fastest." in said
    assert content(found, COSTS, split="val", folder="candidates")["kept"] == "a"


def test_too_little_time_is_said() -> None:
    found = compared(Ranked("a", 0.8, None), Ranked("b", 0.7, behind(0.1, 0.05, 0.15)))
    hasty = COSTS | {"b": Cost("b", 60.0, (1, 7), 100, 20.0)}
    assert "With only 1 epoch for some, more time may well change the order." in verdict(found, hasty)
    assert "epoch" not in verdict(found, COSTS)


def test_the_record_is_one_the_report_reads() -> None:
    found = compared(Ranked("c", 0.8, None), Ranked("a", 0.7, behind(0.1, -0.05, 0.25)))
    record = CandidatesRecord.model_validate(content(found, COSTS, split="val", folder="candidates"))
    assert (record.kept, record.split, record.target) == ("c", "val", "mask")
    assert [entry.folder for entry in record.candidates] == ["candidates/c", "candidates/a"]
    assert record.candidates[0].epochs == [9, 11]
    worse = record.candidates[1].behind_the_best
    assert worse is not None
    assert (worse.better, worse.low, worse.high, worse.shown) == (pytest.approx(0.1), -0.05, 0.25, False)
