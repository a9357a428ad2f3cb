"""How far a mean score may be from that of all images like these: bootstrap intervals.

Layer: metrics.

Images are drawn again with replacement; where images belong to groups (patients, slides), whole groups are,
because images of one group resemble each other. The interval is BCa (Efron 1987, "Better bootstrap confidence
intervals"), which follows skewed scores, with its levels widened for small samples as Hesterberg 2015, "What
teachers should know about the bootstrap", does for percentiles. `benchmarks/intervals.py` measures its coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Float64, Int64

LEVEL = 0.95
FEWEST = 8
"""Images, or groups, below which no interval is given: it would be too narrow."""
ROUGH = 20
"""Images, or groups, below which an interval is rough."""
RESAMPLES = 2000

_BLOCK = 4_000_000  # drawn numbers held at a time, 32 MB


@dataclass(frozen=True)
class Intervals:
    """Intervals of the means of a table of scores.

    Attributes:
        classes: Low and high end per class and metric; NaN where there are fewer than `FEWEST` units with a
            score, or all of them score alike.
        mean: Likewise of the mean over the classes that count.
        class_units: Units (images or groups) with a score, per class and metric.
        mean_units: Units with a score in any class that counts.
    """

    classes: Float64[np.ndarray, "classes metrics 2"]
    mean: Float64[np.ndarray, "metrics 2"]
    class_units: Int64[np.ndarray, "classes metrics"]
    mean_units: Int64[np.ndarray, " metrics"]


def units(groups: Sequence[str]) -> Int64[np.ndarray, " images"]:
    """The number of each image's group; an image without one is a group of its own.

    Example:
        >>> units(["b", "a", "", "b", ""]).tolist()
        [0, 1, 2, 0, 3]
    """
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(group or place, len(numbers)) for place, group in enumerate(groups)], np.int64)


def bootstrap(
    values: Float64[np.ndarray, "images classes metrics"],
    counted: Sequence[int],
    unit: Int64[np.ndarray, " images"],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Intervals:
    """Intervals at `LEVEL` of the mean over images of every class and metric, and of the mean over classes.

    Args:
        values: Scores; NaN where undefined, which no mean includes.
        counted: Classes that the mean over classes includes.
        unit: What each image belongs to, see `units`.
        resamples: How often the units are drawn again.
        seed: The same seed gives the same intervals.
    """
    _, classes, metrics = values.shape
    series = values.reshape(len(values), classes * metrics)
    n_units = int(unit.max(initial=-1)) + 1
    sums, numbers = (np.zeros((n_units, classes * metrics)) for _ in range(2))
    np.add.at(sums, unit, np.nan_to_num(series))
    np.add.at(numbers, unit, ~np.isnan(series))
    estimate, influence = _linear(sums, numbers)
    drawn = _resampled(sums, numbers, estimate, resamples, seed).reshape(resamples, classes, metrics)

    chosen = list(counted)
    shaped = estimate.reshape(classes, metrics)[chosen], influence.reshape(n_units, classes, metrics)[:, chosen]
    mean, mean_influence = _over_classes(shaped[0][None])[0], _over_classes(shaped[1])
    there = numbers.reshape(n_units, classes, metrics) > 0
    class_units, mean_units = there.sum(axis=0), there[:, chosen].any(axis=1).sum(axis=0)
    ends = _bca(drawn.reshape(resamples, -1), estimate, influence, class_units.ravel())
    return Intervals(
        classes=ends.reshape(classes, metrics, 2),
        mean=_bca(_over_classes(drawn[:, chosen]), mean, mean_influence, mean_units),
        class_units=class_units,
        mean_units=mean_units,
    )


def bootstrap_differences(
    first: Float64[np.ndarray, "images comparisons"],
    second: Float64[np.ndarray, "images comparisons"],
    unit: Int64[np.ndarray, " images"],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Float64[np.ndarray, "comparisons 2"]:
    """Intervals of the mean of some images minus the mean of others, of several comparisons at once.

    Args:
        first: Scores of the images on the one side; NaN for images that are not.
        second: Of those on the other.
        unit: What each image belongs to, see `units`; a unit may have images on both sides.
        level: Of each interval.
        resamples: How often the units are drawn again; the more, the nearer `level` is to 1.
        seed: The same seed gives the same intervals.

    Returns:
        Low and high end; NaN where a side has fewer than `FEWEST` units, or nothing varies.
    """
    comparisons = first.shape[1]
    series = np.concatenate([first, second], axis=1)
    n_units = int(unit.max(initial=-1)) + 1
    sums, numbers = (np.zeros((n_units, 2 * comparisons)) for _ in range(2))
    np.add.at(sums, unit, np.nan_to_num(series))
    np.add.at(numbers, unit, ~np.isnan(series))
    estimate, influence = _linear(sums, numbers)
    drawn = _resampled(sums, numbers, estimate, resamples, seed)
    estimate, influence, drawn = (
        values[..., :comparisons] - values[..., comparisons:] for values in (estimate, influence, drawn)
    )
    sides = (numbers > 0).sum(axis=0)
    # As few as the smaller side has: that is what makes the interval too narrow.
    fewer = np.minimum(sides[:comparisons], sides[comparisons:])
    return _bca(drawn, estimate, influence, fewer, level)


def _linear(
    sums: Float64[np.ndarray, "units series"], numbers: Float64[np.ndarray, "units series"]
) -> tuple[Float64[np.ndarray, " series"], Float64[np.ndarray, "units series"]]:
    """The means, NaN where there is nothing, and by how much each unit moves them."""
    total = numbers.sum(axis=0)
    known = total > 0
    mean = np.full(total.shape, np.nan)
    np.divide(sums.sum(axis=0), total, out=mean, where=known)
    influence = np.full(sums.shape, np.nan)
    np.divide(sums - mean * numbers, total, out=influence, where=known)
    return mean, influence


def _resampled(
    sums: Float64[np.ndarray, "units series"],
    numbers: Float64[np.ndarray, "units series"],
    estimate: Float64[np.ndarray, " series"],
    resamples: int,
    seed: int,
) -> Float64[np.ndarray, "resamples series"]:
    """The means of units drawn with replacement; where none of them has a score, the estimate."""
    generator = np.random.default_rng(seed)
    n_units = len(sums)
    means = np.tile(estimate, (resamples, 1))
    step = max(1, _BLOCK // max(1, n_units))
    for begin in range(0, resamples if n_units else 0, step):
        rows = min(step, resamples - begin)
        picks = generator.integers(0, n_units, (rows, n_units)) + n_units * np.arange(rows)[:, None]
        times = np.bincount(picks.ravel(), minlength=rows * n_units).reshape(rows, n_units).astype(np.float64)
        total = times @ numbers
        np.divide(times @ sums, total, out=means[begin : begin + rows], where=total > 0)
    return means


def _over_classes(values: Float64[np.ndarray, "rows classes metrics"]) -> Float64[np.ndarray, "rows metrics"]:
    """Mean over the classes that are not NaN; NaN where all are."""
    known = ~np.isnan(values)
    number = known.sum(axis=1)
    means = np.full(number.shape, np.nan)
    np.divide(np.where(known, values, 0).sum(axis=1), number, out=means, where=number > 0)
    return means


def _bca(
    drawn: Float64[np.ndarray, "resamples series"],
    estimate: Float64[np.ndarray, " series"],
    influence: Float64[np.ndarray, "units series"],
    n_units: Int64[np.ndarray, " series"],
    level: float = LEVEL,
) -> Float64[np.ndarray, "series 2"]:
    ends = np.full((len(estimate), 2), np.nan)
    squares = np.square(influence).sum(axis=0)
    given = np.flatnonzero((n_units >= FEWEST) & (squares > 1e-24))
    if not given.size:
        return ends
    drawn, middle, resamples = np.sort(drawn[:, given], axis=0), estimate[given], len(drawn)
    acceleration = (influence[:, given] ** 3).sum(axis=0) / (6 * squares[given] ** 1.5)
    below = (drawn < middle).sum(axis=0) + 0.5 * (drawn == middle).sum(axis=0)
    bias = scipy.special.ndtri(np.clip(below, 1, resamples - 1) / resamples)
    n = n_units[given]
    wide = scipy.special.stdtrit(n - 1, (1 + level) / 2) * np.sqrt(n / (n - 1))
    for side, sign in enumerate((-1, 1)):
        moved = bias + sign * wide
        share = scipy.special.ndtr(bias + moved / np.maximum(1 - acceleration * moved, 1e-3))
        place = np.clip(share * (resamples + 1) - 1, 0, resamples - 1)
        left = np.floor(place).astype(int)
        right = np.minimum(left + 1, resamples - 1)
        columns = np.arange(len(given))
        lower, upper = drawn[left, columns], drawn[right, columns]
        ends[given, side] = lower + (place - left) * (upper - lower)
    return ends
