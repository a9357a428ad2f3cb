"""Closed outlines: from a region of pixels to its border, onto the middle of a stroke, and back.

Layer: data; imports nothing of `data`. Pure functions on arrays. Points are `(row, column)`; the
centre of a pixel has whole numbers.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from limner.types import Size

# Crossings of rows by edges that are held in memory at a time.
_AT_ONCE = 2_000_000
# Direction → (step, the pixels to its left and right, as seen from the corner that one stands on).
_STEPS = {0: (0, 1), 1: (1, 0), 2: (0, -1), 3: (-1, 0)}


def trace_borders(region: Bool[np.ndarray, "height width"]) -> list[Float[np.ndarray, "points 2"]]:
    """The borders of a region along the edges of its pixels, outer ones and those of holes.

    Pixels that touch at a corner alone are apart.
    """
    ways: dict[tuple[int, int], list[int]] = {}
    for row, column, direction in _edges(region):
        ways.setdefault((row, column), []).append(direction)
    borders = []
    while ways:
        start = place = next(iter(ways))
        direction = ways[start][0]
        points = []
        while True:
            points.append(place)
            choices = ways[place]
            # At a corner where two pixels touch, turn right: stay with the same pixel.
            direction = next(turn for turn in ((direction + 1) % 4, direction, (direction + 3) % 4) if turn in choices)
            choices.remove(direction)
            if not choices:
                del ways[place]
            place = (place[0] + _STEPS[direction][0], place[1] + _STEPS[direction][1])
            if place == start:
                break
        borders.append(np.array(points, dtype=np.float64) - 0.5)
    return borders


def _edges(region: Bool[np.ndarray, "height width"]) -> list[tuple[int, int, int]]:
    """Corner and direction of every pixel edge on the border, the region on the right of the way."""
    padded = np.pad(region, 1)
    edges: list[tuple[int, int, int]] = []
    # The corner (0, 0) is the outer corner of the first pixel, before the shift by half a pixel.
    for direction, (axis, forward) in {0: (0, True), 2: (0, False), 3: (1, True), 1: (1, False)}.items():
        before, after = (padded[:-1], padded[1:]) if axis == 0 else (padded[:, :-1], padded[:, 1:])
        rows, columns = np.nonzero(after & ~before if forward else before & ~after)
        if axis == 0:
            corner_rows, corner_columns = rows, columns - 1 + (0 if forward else 1)
        else:
            corner_rows, corner_columns = rows - 1 + (1 if forward else 0), columns
        edges += [(int(r), int(c), direction) for r, c in zip(corner_rows, corner_columns, strict=True)]
    return edges


def resample(outline: Float[np.ndarray, "points 2"], step: float = 0.7) -> Float[np.ndarray, "more 2"]:
    """The same closed outline with points at equal steps."""
    closed = np.vstack([outline, outline[:1]])
    places = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    wanted = np.linspace(0, places[-1], max(8, round(places[-1] / step)), endpoint=False)
    return np.stack([np.interp(wanted, places, closed[:, axis]) for axis in (0, 1)], axis=1)


def normals(outline: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
    """Unit vectors across an outline."""
    along = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def smooth(values: Float[np.ndarray, points * more], reach: float) -> Float[np.ndarray, points * more]:
    """Mean along a closed outline that leaves curves their size.

    A Gaussian mean shrinks whatever is curved; adding back what a second one takes away cancels that
    to the fourth order of the reach (Taubin's idea, 1995).

    Args:
        values: One per point, or one row per point.
        reach: Standard deviation of the Gaussian in points.
    """
    once = ndimage.gaussian_filter1d(values, reach, axis=0, mode="wrap")
    return np.asarray(2 * once - ndimage.gaussian_filter1d(once, reach, axis=0, mode="wrap"))


def fill_outline(outline: Float[np.ndarray, "points 2"], size: Size) -> Bool[np.ndarray, "height width"]:
    """Pixels whose centre lies inside a closed outline (even-odd rule)."""
    # A crossing toggles everything to its right; an odd number of toggles is inside.
    toggles = np.zeros((size[0], size[1] + 1), dtype=np.int64)
    ends = np.roll(outline, -1, axis=0)
    # Always downwards: neighbours run along their common edge in opposite ways, and must round alike.
    upwards = (outline[:, 0] > ends[:, 0])[:, None]
    starts, ends = np.where(upwards, ends, outline), np.where(upwards, outline, ends)
    first = np.clip(np.ceil(starts[:, 0]), 0, size[0]).astype(int)
    last = np.clip(np.ceil(ends[:, 0]), 0, size[0]).astype(int)
    counts = last - first
    # In parts, so that the memory stays small however many long edges there are.
    for edges in np.array_split(np.arange(len(outline)), 1 + int(counts.sum()) // _AT_ONCE):
        edge = np.repeat(edges, counts[edges])
        before = np.repeat(np.cumsum(counts[edges]) - counts[edges], counts[edges])
        rows = first[edge] + np.arange(len(edge)) - before
        share = (rows - starts[edge, 0]) / (ends[edge, 0] - starts[edge, 0])
        crossing = starts[edge, 1] + share * (ends[edge, 1] - starts[edge, 1])
        np.add.at(toggles, (rows, np.clip(np.ceil(crossing), 0, size[1]).astype(int)), 1)
    return np.asarray(np.cumsum(toggles, axis=1)[:, :-1] % 2 == 1)
