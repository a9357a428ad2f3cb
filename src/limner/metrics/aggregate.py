"""From the counts of all images to the numbers of a report.

Layer: metrics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from limner.metrics.counts import Counts
from limner.metrics.scores import METRICS, cases
from limner.types import Task


@dataclass(frozen=True)
class Scores:
    """One number per metric, in [0, 1]; NaN where undefined."""

    dice: float
    iou: float
    precision: float
    recall: float
    specificity: float


@dataclass(frozen=True)
class ClassSummary:
    """What a set of images says about one class; see `limner.metrics.POLICY`.

    Attributes:
        dice: Mean over the images where it is defined; NaN where there are none. Likewise `iou`,
            `precision`, `recall` and `specificity`.
        pooled: Scores of the pixels of all images together.
        n_present: Images with the class in truth and prediction.
        n_missed: Images with the class in the truth alone.
        n_false_alarm: Images with the class in the prediction alone.
        n_both_empty: Images with the class in neither. The four add up to all images.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    specificity: float
    pooled: Scores
    n_present: int
    n_missed: int
    n_false_alarm: int
    n_both_empty: int


@dataclass(frozen=True)
class Summary:
    """What a set of images says about one target.

    Attributes:
        classes: One entry per class id, background included.
        mean: Mean over the foreground classes of their means, leaving out NaN.
    """

    classes: tuple[ClassSummary, ...]
    mean: Scores


def aggregate(table: Int64[np.ndarray, "images classes 4"], *, task: Task) -> Summary:
    """Means, pooled scores and cases per class.

    Args:
        table: `Counts.table` of every image, stacked.
        task: Says whether class 0 is the background; see `foreground`.

    Example:
        >>> table = np.array([[[7, 0, 1, 2], [2, 1, 0, 7]], [[9, 1, 0, 0], [0, 0, 1, 9]]])
        >>> summary = aggregate(table, task="binary")
        >>> summary.mean
        Scores(dice=0.4, iou=0.3333333333333333, precision=0.6666666666666666, recall=0.5, specificity=0.9375)
        >>> summary.classes[1].n_missed
        1
    """
    counts = Counts.from_table(table)
    means = {name: defined_mean(metric(counts)) for name, metric in METRICS.items()}
    pooled_counts = Counts.from_table(table.sum(axis=0))
    pooled = {name: metric(pooled_counts) for name, metric in METRICS.items()}
    kinds = cases(counts)
    classes = tuple(
        ClassSummary(
            **{name: float(values[index]) for name, values in means.items()},
            pooled=Scores(**{name: float(values[index]) for name, values in pooled.items()}),
            n_present=int((kinds[:, index] == "present").sum()),
            n_missed=int((kinds[:, index] == "missed").sum()),
            n_false_alarm=int((kinds[:, index] == "false_alarm").sum()),
            n_both_empty=int((kinds[:, index] == "both_empty").sum()),
        )
        for index in range(table.shape[1])
    )
    chosen = list(foreground(task, table.shape[1]))
    mean = Scores(**{name: float(defined_mean(values[chosen])) for name, values in means.items()})
    return Summary(classes, mean)


def foreground(task: Task, classes: int) -> range:
    """Ids of the classes that count in a target's mean: all but the background's 0, if there is one."""
    return range(0 if task == "multilabel" else 1, classes)


def defined_mean(values: Float64[np.ndarray, "images ..."]) -> np.ndarray:
    """Mean along the first axis of what is defined; NaN, without a warning, where nothing is."""
    defined = ~np.isnan(values)
    count = np.asarray(defined.sum(axis=0))
    means = np.full(count.shape, np.nan)
    np.divide(np.where(defined, values, 0).sum(axis=0), count, out=means, where=count > 0)
    return means
