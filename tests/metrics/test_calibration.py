"""Calibration against torchmetrics, scikit-learn and temperatures that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special
from sklearn.linear_model import LogisticRegression
from torchmetrics.functional.classification import multiclass_calibration_error

from limner.metrics.calibration import fit_temperature, likelihood_loss, reliability, temper

RANDOM = np.random.default_rng(0)


def drawn(task: str, temperature: float, count: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are too sure by a known temperature, and a truth drawn from the right ones."""
    if task == "multiclass":
        logits = RANDOM.normal(0, 3, (count, 4))
        right = special.softmax(logits / temperature, axis=1)
        truth = (right.cumsum(axis=1) > RANDOM.random((count, 1))).argmax(axis=1)
        return special.softmax(logits, axis=1).astype(np.float32), truth.astype(np.uint8)
    planes = 1 if task == "binary" else 3
    logits = RANDOM.normal(0, 3, (count, planes))
    truth = (RANDOM.random((count, planes)) < special.expit(logits / temperature)).astype(np.uint8)
    return special.expit(logits).astype(np.float32), truth[:, 0] if task == "binary" else truth


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_a_known_temperature_is_found_and_makes_probabilities_right(task, temperature) -> None:
    probs, truth = drawn(task, temperature)
    found = fit_temperature(probs, truth, task)
    assert found == pytest.approx(temperature, rel=0.06)
    assert reliability(temper(probs, found, task), truth, task).ece < 0.01
    if temperature != 1:
        assert reliability(probs, truth, task).ece > 0.03


def test_the_temperature_is_that_of_a_logistic_regression_without_intercept() -> None:
    probs, truth = drawn("binary", 1.7, count=2000)
    fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(special.logit(probs), truth)
    assert fit_temperature(probs, truth, "binary") == pytest.approx(1 / fitted.coef_[0, 0], rel=1e-3)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_ece_is_that_of_torchmetrics(task) -> None:
    probs, truth = drawn(task, 2.0, count=5000)
    columns = np.hstack([1 - probs, probs]) if task == "binary" else probs
    theirs = multiclass_calibration_error(
        torch.from_numpy(columns), torch.from_numpy(truth.astype(np.int64)), columns.shape[1], n_bins=15
    )
    assert reliability(probs, truth, task).ece == pytest.approx(float(theirs), abs=1e-5)


def test_the_loss_by_hand() -> None:
    probs = np.array([[0.8], [0.5]])
    assert likelihood_loss(probs, np.array([0, 1]), "binary") == pytest.approx(-(np.log(0.2) + np.log(0.5)) / 2)


def test_certain_probabilities_stay_finite() -> None:
    probs, truth = np.array([[1.0], [0.0], [1.0]], np.float32), np.array([1, 0, 0])
    assert np.isfinite(likelihood_loss(probs, truth, "binary"))
    assert np.isfinite(temper(probs, 3.0, "binary")).all()
    assert fit_temperature(probs, truth, "binary") > 1


def test_nothing_to_count_has_no_ece() -> None:
    assert np.isnan(reliability(np.zeros((0, 1)), np.zeros(0), "binary").ece)
