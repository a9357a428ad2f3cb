"""When probabilities are tempered: only where nearly every picture asks for it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from limner.bundle import TargetSpec
from limner.evaluation.calibrate import Probe, TargetCalibration
from limner.inference.prediction import Prediction
from limner.types import IGNORE

SPEC = TargetSpec(task="binary", names=["background", "cell"], colors=[(0, 0, 0), (9, 9, 9)])


def calibration(temperatures: list[float]) -> TargetCalibration:
    """Of pictures whose probabilities are too sure by these temperatures."""
    random = np.random.default_rng(3)
    probe = Probe({"mask": SPEC}, len(temperatures))
    for temperature in temperatures:
        logits = random.normal(0, 3, (1, 48, 48))
        truth = (random.random((48, 48)) < special.expit(logits[0] / temperature)).astype(np.uint8)
        truth[0] = IGNORE
        probe.add({"mask": truth}, Prediction({}, {"mask": special.expit(logits).astype(np.float32)}, {}))
    return probe.calibrations()["mask"]


def test_what_every_picture_asks_for_is_applied() -> None:
    found = calibration([2.0] * 8)
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    assert found.after.reliability.ece < 0.02 < found.before.reliability.ece


def test_what_one_picture_alone_asks_for_is_not() -> None:
    found = calibration([8.0, *[1.0] * 9])
    assert found.temperature == 1
    assert found.after is found.before
    assert "no more than chance" in found.because


def test_right_probabilities_stay() -> None:
    assert calibration([1.0] * 8).temperature == pytest.approx(1, abs=0.06)


def test_four_pictures_are_too_few() -> None:
    found = calibration([2.0] * 4)
    assert found.temperature == 1
    assert "too few" in found.because
