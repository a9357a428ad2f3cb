"""Rectangles and ellipses as outlines, and what is odd about an outline.

Layer: data, above `shapes`. Pure functions.
"""

from __future__ import annotations

import math

import numpy as np

from limner.data.annotations.shapes import Ring

# An ellipse is drawn as a polygon that leaves it by no more than this, in pixels.
_DEVIATION = 0.002
_MOST_SIDES = 20_000
# Beyond so many pairs of edges to compare, an outline is not looked at.
_MOST_PAIRS = 20_000_000
_PAIRS_AT_ONCE = 200_000


def rectangle(
    left: float,
    top: float,
    right: float,
    bottom: float,
    *,
    degrees: float = 0.0,
    about: tuple[float, float] | None = None,
) -> Ring:
    """Outline of a rectangle, turned clockwise about its middle or another point.

    Example:
        >>> rectangle(0.0, 0.0, 2.0, 1.0).tolist()
        [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]]
    """
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    return _turned(corners, degrees, about or ((left + right) / 2, (top + bottom) / 2))


def ellipse(x: float, y: float, across: float, down: float, *, degrees: float = 0.0) -> Ring:
    """Outline of an ellipse of two radii, turned clockwise about its middle."""
    largest = max(abs(across), abs(down), _DEVIATION)
    sides = math.ceil(math.pi / math.acos(1 - min(_DEVIATION / largest, 1)))
    angles = np.linspace(0, 2 * np.pi, min(max(sides, 16), _MOST_SIDES), endpoint=False)
    ring = np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)
    return _turned(ring, degrees, (x, y))


def _turned(ring: Ring, degrees: float, about: tuple[float, float]) -> Ring:
    if not degrees % 360:
        return ring
    angle = math.radians(degrees)
    # The y axis points down, so that this turns clockwise.
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = np.array(about)
    return np.asarray((ring - middle) @ turn.T + middle)


def crosses_itself(ring: Ring) -> bool:
    """Whether two edges of an outline cross, other than by touching; False of outlines too long to look at.

    Example:
        >>> crosses_itself(np.array([[0.0, 0], [2, 2], [2, 0], [0, 2]]))
        True
        >>> crosses_itself(np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]]))
        False
    """
    starts, ends = ring, np.roll(ring, -1, axis=0)
    order = np.argsort(np.minimum(starts[:, 0], ends[:, 0]), kind="stable")
    starts, ends = starts[order], ends[order]
    low, high = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    # In this order only the edges that begin before one ends can meet it.
    last = np.searchsorted(low, high, side="right")
    counts = last - np.arange(len(ring)) - 1
    until = np.cumsum(counts)
    total = int(until[-1]) if until[-1] <= _MOST_PAIRS else 0
    for start in range(0, total, _PAIRS_AT_ONCE):
        pairs = np.arange(start, min(start + _PAIRS_AT_ONCE, total))
        first = np.searchsorted(until, pairs, side="right")
        second = first + 1 + pairs - (until[first] - counts[first])
        apart = _side(starts, ends, first, starts, second) * _side(starts, ends, first, ends, second)
        across = _side(starts, ends, second, starts, first) * _side(starts, ends, second, ends, first)
        if ((apart < 0) & (across < 0)).any():
            return True
    return False


def _side(starts: Ring, ends: Ring, edges: np.ndarray, points: Ring, places: np.ndarray) -> np.ndarray:
    """On which side of edges points lie: -1, 0 or 1."""
    along, to = ends[edges] - starts[edges], points[places] - starts[edges]
    return np.asarray(np.sign(along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0]))
