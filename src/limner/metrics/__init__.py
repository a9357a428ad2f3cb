"""Metrics: counts per image and class, scores from counts, and tables of scores.

Layer: beside `losses`. Pure NumPy functions; no torch, no files. One policy for empty masks:
`POLICY` and `MEASURE_POLICY`.

    counts, plane_counts   masks → Counts (tp, fp, fn, tn per class)
    dice, iou, …, cases    Counts → scores and the case of every image and class
    aggregate              counts of all images → means, pooled scores and cases per class
    measure                masks → outlines, bands and objects of every class; MEASURES: scores from these
    bootstrap              scores of images → intervals of their means, by images or by groups
    error_sums             maps of numbers → ErrorSums; ERROR_METRICS: scores from these; aggregate_errors
"""

from __future__ import annotations

from limner.metrics.aggregate import ClassSummary, Scores, Summary, aggregate, foreground
from limner.metrics.counts import Counts, counts, plane_counts
from limner.metrics.intervals import Intervals, bootstrap, bootstrap_differences, units
from limner.metrics.measures import (
    MEASURES,
    POOLED,
    Measured,
    MeasureOptions,
    measure,
    measure_masks,
)
from limner.metrics.regression import (
    ERROR_METRICS,
    REGRESSION_POLICY,
    Errors,
    ErrorSummary,
    ErrorSums,
    aggregate_errors,
    error_sums,
    rmse,
)
from limner.metrics.scores import METRICS, POLICY, Case, cases, dice, iou, precision, recall

__all__ = [
    "ERROR_METRICS",
    "MEASURES",
    "METRICS",
    "POLICY",
    "POOLED",
    "REGRESSION_POLICY",
    "Case",
    "ClassSummary",
    "Counts",
    "ErrorSummary",
    "ErrorSums",
    "Errors",
    "Intervals",
    "MeasureOptions",
    "Measured",
    "Scores",
    "Summary",
    "aggregate",
    "aggregate_errors",
    "bootstrap",
    "bootstrap_differences",
    "cases",
    "counts",
    "dice",
    "error_sums",
    "foreground",
    "iou",
    "measure",
    "measure_masks",
    "plane_counts",
    "precision",
    "recall",
    "rmse",
    "units",
]
