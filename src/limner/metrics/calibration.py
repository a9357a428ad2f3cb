"""Calibration: whether a probability of 0.8 is right in 8 cases of 10, and the temperature that makes it so.

Layer: metrics. Pure NumPy; no torch, no files.

Probabilities are of one task: `pixels classes`, a single column for `binary`, columns that sum to 1 for
`multiclass`, columns that are independent for `multilabel`. Truth goes with them: class ids `pixels` for binary
and multiclass, 0 and 1 `pixels classes` for multilabel. Ignored pixels are left out before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Bool, Float64, Int64, Shaped

from limner.types import Task

BINS = 15
"""Bins of equal width for reliability diagrams and the ECE, as in Guo et al. 2017."""

_LEAST, _MOST = 0.2, 10.0
# float32 probabilities know no smaller difference from 1.
_EDGE = 2.0**-24


@dataclass(frozen=True)
class Reliability:
    """How often predictions of some confidence are right; one entry for each bin of confidence.

    Attributes:
        count: Predictions in the bin.
        confidence: Their mean confidence; 0 where there are none.
        frequency: Share of them that is right; 0 where there are none.
    """

    count: Int64[np.ndarray, " bins"]
    confidence: Float64[np.ndarray, " bins"]
    frequency: Float64[np.ndarray, " bins"]

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean of |confidence - frequency| over all predictions, bin by bin.

        Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3. NaN without predictions.
        """
        total = int(self.count.sum())
        return float((self.count * np.abs(self.confidence - self.frequency)).sum() / total) if total else float("nan")


def temper(
    probs: Shaped[np.ndarray, "pixels classes"], temperature: float, task: Task
) -> Float64[np.ndarray, "pixels classes"]:
    """Probabilities as if their logits had been divided by a temperature.

    Args:
        probs: In [0, 1].
        temperature: Above 1 makes them less sure, below 1 surer.
        task: Says which probabilities belong together.

    Example:
        >>> temper(np.array([[0.9], [0.5]]), 2.0, "binary").round(3).tolist()
        [[0.75], [0.5]]
    """
    if task == "multiclass":
        return np.asarray(
            scipy.special.softmax(np.log(np.maximum(probs, 1e-30).astype(np.float64)) / temperature, axis=1)
        )
    return np.asarray(scipy.special.expit(_logits(probs) / temperature))


def likelihood_loss(probs: Shaped[np.ndarray, "pixels classes"], truth: np.ndarray, task: Task) -> float:
    """Mean negative log-likelihood of the truth, in nats per pixel (and class, for multilabel)."""
    return float(-np.log(np.maximum(_of_truth(probs, truth, task), 1e-30)).mean())


def fit_temperature(probs: Shaped[np.ndarray, "pixels classes"], truth: np.ndarray, task: Task) -> float:
    """The temperature under which the truth is likeliest, from 0.2 to 10.

    One number for all classes cannot overfit and never changes which class is likeliest (Guo et al. 2017, section 4.2).
    """
    if task == "multiclass":
        logs = np.log(np.maximum(probs, 1e-30).astype(np.float64))
        right = np.take_along_axis(logs, truth[:, None].astype(np.int64), axis=1)[:, 0]

        def loss(slope: float) -> float:
            return float((scipy.special.logsumexp(slope * logs, axis=1) - slope * right).mean())
    else:
        signed = _logits(probs) * np.where(_positive(truth, task), 1.0, -1.0)

        def loss(slope: float) -> float:
            return float(np.logaddexp(0.0, -slope * signed).mean())

    # In the slope 1 / temperature the loss is convex, so that there is one minimum.
    found = scipy.optimize.minimize_scalar(
        loss, bounds=(1 / _MOST, 1 / _LEAST), method="bounded", options={"xatol": 1e-4}
    )
    return float(1 / found.x)


def reliability(
    probs: Shaped[np.ndarray, "pixels classes"], truth: np.ndarray, task: Task, bins: int = BINS
) -> Reliability:
    """How often the answer is right, by how sure the model is of it.

    The answer of a multiclass pixel is its likeliest class; that of a binary one is "this class" with its
    probability p, or "not this class" with 1 - p; of multilabel each class answers for itself.

    Args:
        probs: In [0, 1].
        truth: See above.
        task: Says which probabilities belong together.
        bins: Of equal width, between 0 and 1.

    Example:
        >>> table = reliability(np.array([[0.9], [0.8], [0.1], [0.7]]), np.array([1, 1, 0, 0]), "binary", bins=10)
        >>> table.count.tolist(), round(table.ece, 3)
        ([0, 0, 0, 0, 0, 0, 0, 1, 1, 2], 0.275)
    """
    confidence, right = _answers(probs, truth, task)
    # A bin holds its upper edge; the small share keeps 0.7 in the bin that ends there in binary too.
    place = np.clip(np.floor(confidence * bins + 1e-9), 0, bins - 1).astype(np.int64)
    count = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, values, minlength=bins) for values in (confidence, right.astype(np.float64))]
    means = [np.divide(total, count, out=np.zeros(bins), where=count > 0) for total in sums]
    return Reliability(count, *means)


def _answers(
    probs: Shaped[np.ndarray, "pixels classes"], truth: np.ndarray, task: Task
) -> tuple[Float64[np.ndarray, " answers"], Bool[np.ndarray, " answers"]]:
    if task == "multiclass":
        return probs.max(axis=1).astype(np.float64), probs.argmax(axis=1) == truth
    said = probs > 0.5
    confidence = np.where(said, probs, 1.0 - probs.astype(np.float64))
    return confidence.ravel(), (said == _positive(truth, task)).ravel()


def _of_truth(probs: np.ndarray, truth: np.ndarray, task: Task) -> Float64[np.ndarray, " *answers"]:
    if task == "multiclass":
        return np.take_along_axis(probs.astype(np.float64), truth[:, None].astype(np.int64), axis=1)
    return np.where(_positive(truth, task), probs, 1.0 - probs.astype(np.float64))


def _positive(truth: np.ndarray, task: Task) -> Bool[np.ndarray, "pixels classes"]:
    return np.asarray((truth if task == "multilabel" else truth[:, None]) == 1)


def _logits(probs: np.ndarray) -> Float64[np.ndarray, "pixels classes"]:
    return np.asarray(scipy.special.logit(np.clip(probs.astype(np.float64), _EDGE, 1 - _EDGE)))
