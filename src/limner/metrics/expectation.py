"""Expected scores against real ones: how far a model's own estimate can be trusted, and what mends it.

Layer: metrics. Pure NumPy; no torch, no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Float64

FEWEST = 20
"""Pairs below which no curve is fitted."""

_PER_KNOT = 10
_MOST_KNOTS = 8
_LEAST_SLOPE = 0.02


@dataclass(frozen=True)
class Expectation:
    """What a model expected, beside what it got.

    Attributes:
        n: Images of which both are known.
        spearman: Rank correlation, in [-1, 1]; NaN of fewer than three images, or where one side is constant.
        expected: Mean of what was expected; NaN of no image.
        real: Mean of what it got.
        error: Mean of the absolute differences.
    """

    n: int
    spearman: float
    expected: float
    real: float
    error: float


def compare_expectation(expected: Float64[np.ndarray, " images"], real: Float64[np.ndarray, " images"]) -> Expectation:
    """Compare both; images of which one is NaN are left out.

    Example:
        >>> found = compare_expectation(np.array([0.9, 0.5, 0.7]), np.array([0.8, 0.1, 0.6]))
        >>> found.n, round(found.spearman, 3), round(found.error, 3)
        (3, 1.0, 0.2)
    """
    known = ~np.isnan(expected) & ~np.isnan(real)
    expected, real = expected[known], real[known]
    n = len(real)
    if not n:
        return Expectation(0, np.nan, np.nan, np.nan, np.nan)
    ranked = n > 2 and np.ptp(expected) > 0 and np.ptp(real) > 0
    spearman = float(scipy.stats.spearmanr(expected, real).statistic) if ranked else np.nan
    return Expectation(n, spearman, float(expected.mean()), float(real.mean()), float(np.abs(expected - real).mean()))


def fit_curve(
    promised: Float64[np.ndarray, " pairs"], real: Float64[np.ndarray, " pairs"]
) -> list[tuple[float, float]]:
    """What a promise was worth: points of a rising curve, linear in between, from (0, 0) on.

    Isotonic regression on the means of equally many pairs, so that one odd picture does not bend it. It rises
    everywhere, so that the order of pictures stays; above the highest promise seen, by as much as the promise does.

    Args:
        promised: In [0, 1].
        real: What was found, in [0, 1].

    Returns:
        The points; none of fewer than `FEWEST` pairs.
    """
    if len(promised) < FEWEST:
        return []
    order = np.argsort(promised, kind="stable")
    parts = np.array_split(order, min(_MOST_KNOTS, len(order) // _PER_KNOT))
    x = np.array([promised[part].mean() for part in parts])
    y = scipy.optimize.isotonic_regression([real[part].mean() for part in parts]).x
    points = [(0.0, 0.0)]
    for promise, found in zip(x, y, strict=True):
        last, height = points[-1]
        if promise - last > 1e-3:
            points.append(
                (float(promise), min(1.0, max(float(found), height + _LEAST_SLOPE * (float(promise) - last))))
            )
    last, height = points[-1]
    if last < 1:
        points.append((1.0, min(1.0, height + 1 - last)))
    return [(round(promise, 5), round(found, 5)) for promise, found in points]
