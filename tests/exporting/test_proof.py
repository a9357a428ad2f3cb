"""The limits of an export."""

import math

import numpy as np
import pytest

from limner.bundle import TargetSpec
from limner.exporting.proof import Proof, TargetProof, _Tally
from limner.inference.prediction import Prediction


def proof(precision: str, **numbers: float) -> Proof:
    values = {"max_difference": 0.01, "mean_difference": 1e-6, "dice": 0.9, "dice_exported": 0.9} | numbers
    return Proof(20, "validation", precision, precision, {"mask": TargetProof(**values)})


@pytest.mark.parametrize(
    ("precision", "numbers", "problem"),
    [
        ("float32", {}, ""),
        ("float32", {"mean_difference": 2e-4}, "mean difference 0.0002"),
        ("float32", {"max_difference": math.nan}, "no numbers"),
        ("bf16", {"mean_difference": 2e-4}, ""),
        ("bf16", {"max_difference": math.inf}, "no numbers"),
        ("int8", {"dice_exported": 0.8951}, ""),
        ("int8", {"dice_exported": 0.894}, "Dice worse by 0.0060"),
        ("int8", {"dice_exported": 0.99}, ""),
        ("int8", {"dice": None, "dice_exported": None, "error": 0.1, "error_exported": 0.11}, "error, as a share"),
    ],
)
def test_what_is_too_different(precision, numbers, problem) -> None:
    found = proof(precision, **numbers).problems()
    assert len(found) == bool(problem)
    assert all(problem in line for line in found)


def test_differences_are_shares_of_the_range_and_nan_is_not_lost() -> None:
    spec = TargetSpec(task="regression", names=["depth"], colors=[(0, 0, 0)], low=1.0, high=5.0)
    truth = np.array([[2.0, np.nan]], np.float32)
    tally = _Tally(spec)
    wanted = Prediction({}, {}, {"depth": np.array([[2.0, 3.0]], np.float32)})
    tally.add("depth", wanted, Prediction({}, {}, {"depth": np.array([[2.4, 3.8]], np.float32)}), truth)
    found = tally.result()
    assert (found.max_difference, found.mean_difference) == pytest.approx((0.2, 0.15))
    # Where the truth is unknown there is no error.
    assert (found.error, found.error_exported, found.loss) == pytest.approx((0, 0.1, 0.1))
    tally.add("depth", wanted, Prediction({}, {}, {"depth": np.array([[np.nan, 3.0]], np.float32)}), None)
    assert math.isnan(tally.result().max_difference)
