"""Scores from counts, with the one policy for empty masks.

Layer: metrics. Every function works on any shape of counts: one image, or a table of many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float64, Num, Shaped

from limner.metrics.counts import Counts

POLICY = """\
Scores are per image and class, over the pixels that are not ignored.
Truth and prediction both empty (both_empty): Dice, IoU, precision and recall are undefined and left out of every mean.
Truth empty, prediction not (false_alarm): Dice, IoU and precision are 0; recall is undefined.
Truth there, prediction empty (missed): Dice, IoU and recall are 0; precision is undefined.
Truth and prediction both there (present): all are defined, and 0 where they do not meet.
Specificity is defined wherever the truth leaves a pixel free, so that all images without the class count in it.
So means of Dice and IoU are over images where the class is in truth or prediction, means of precision over images \
where it is predicted, and means of recall over images where it is in the truth.
Pooled scores add the pixels of all images first, so that large objects count more.
The mean of a target is the mean of its classes' means; background (class 0 of a binary or multiclass target) and \
classes that never appear are left out.
"""
"""What the numbers mean, to be shown beside them."""

Case: TypeAlias = Literal["present", "missed", "false_alarm", "both_empty"]
"""What happened to a class in an image; see `POLICY`."""


def dice(counts: Counts) -> Float64[np.ndarray, "*shape"]:
    """`2 tp / (2 tp + fp + fn)` in [0, 1]; NaN where truth and prediction are empty.

    Dice 1945, "Measures of the amount of ecologic association between species"; also called F1.
    """
    return ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def iou(counts: Counts) -> Float64[np.ndarray, "*shape"]:
    """`tp / (tp + fp + fn)` in [0, 1]; NaN where truth and prediction are empty. Also called Jaccard index."""
    return ratio(counts.tp, counts.tp + counts.fp + counts.fn)


def precision(counts: Counts) -> Float64[np.ndarray, "*shape"]:
    """`tp / (tp + fp)`: the share of the prediction that is right; NaN where nothing is predicted."""
    return ratio(counts.tp, counts.tp + counts.fp)


def recall(counts: Counts) -> Float64[np.ndarray, "*shape"]:
    """`tp / (tp + fn)`: the share of the truth that is found; NaN where the truth is empty."""
    return ratio(counts.tp, counts.tp + counts.fn)


def specificity(counts: Counts) -> Float64[np.ndarray, "*shape"]:
    """`tn / (tn + fp)`: the share of the rest that is left alone; NaN where the truth is everywhere."""
    return ratio(counts.tn, counts.tn + counts.fp)


METRICS: dict[str, Callable[[Counts], Float64[np.ndarray, "*shape"]]] = {
    "dice": dice,
    "iou": iou,
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
}
"""Name → function, in the order of every table."""


def cases(counts: Counts) -> Shaped[np.ndarray, "*shape"]:
    """The `Case` of each image and class, as an array of strings."""
    truth, prediction = counts.tp + counts.fn > 0, counts.tp + counts.fp > 0
    return np.where(truth, np.where(prediction, "present", "missed"), np.where(prediction, "false_alarm", "both_empty"))


def ratio(part: Num[np.ndarray, "*shape"], whole: Num[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """`part / whole`; NaN, without a warning, where `whole` is not above 0."""
    ratios = np.full(part.shape, np.nan)
    np.divide(part, whole, out=ratios, where=whole > 0)
    return ratios
