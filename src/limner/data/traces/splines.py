"""Shifts of a closed outline across itself: a smooth basis, and how even the curvature they leave is.

Layer: data, above `outlines`. Pure functions on arrays.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import sparse

from limner.data.traces.outlines import normals, smooth

STEP = 0.7
"""Distance of an outline's points in pixels."""

# Distance of the knots of an outline's shift, in pixels.
_KNOTS = 3.5
# Usual change of curvature per pixel of a hand's outline, in 1/px². Outlines are even along most of their
# length and sharp at tips: the change is spread as Cauchy's distribution says.
_CHANGE = 0.0045


def shift_basis(count: int, apart: float = _KNOTS) -> sparse.csr_matrix:
    """Cubic B-splines on a ring, whose knots are so many pixels apart: points × knots."""
    knots = max(6, round(count * STEP / apart))
    place = np.arange(count) * knots / count
    first = np.floor(place).astype(int)
    t = place - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    columns = (first[:, None] + np.arange(-1, 3)) % knots
    rows = np.repeat(np.arange(count), 4)
    return sparse.csr_matrix((weights.ravel(), (rows, columns.ravel())), shape=(count, knots))


def curvature_change(
    points: Float[np.ndarray, "points 2"], basis: sparse.csr_matrix
) -> tuple[Float[np.ndarray, "points knots"], Float[np.ndarray, " points"]]:
    """Change of curvature along the outline: how shifts alter it, and what it is; in usual ones.

    Where it is large by now, both are taken for less (iteratively reweighted least squares).
    """
    even = smooth(points, 1.5 / STEP)
    ahead, behind = np.roll(even, -1, axis=0), np.roll(even, 1, axis=0)
    curvature = ((ahead - 2 * even + behind) / STEP**2 * normals(even)).sum(axis=1)
    shifts = basis.toarray()
    second = (np.roll(shifts, -1, axis=0) - 2 * shifts + np.roll(shifts, 1, axis=0)) / STEP**2
    second = second + (curvature**2)[:, None] * shifts
    scale = np.sqrt(STEP) / STEP / _CHANGE
    change = (np.roll(curvature, -1) - curvature) * scale
    held = np.sqrt(2 / (1 + change**2))
    return (np.roll(second, -1, axis=0) - second) * scale * held[:, None], change * held
