"""Closed outlines: from a region of pixels to its border, onto the middle of a stroke, and back.

Layer: data; imports nothing of `data`. Pure functions on arrays. Points are `(row, column)`; the
centre of a pixel has whole numbers.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Bool, Float, Shaped

from limner.types import Size

# Crossings of rows by edges that are held in memory at a time.
_AT_ONCE = 2_000_000
# Direction → (step, the pixels to its left and right, as seen from the corner that one stands on).
_STEPS = {0: (0, 1), 1: (1, 0), 2: (0, -1), 3: (-1, 0)}


def trace_borders(region: Bool[np.ndarray, "height width"]) -> list[Float[np.ndarray, "points 2"]]:
    """The borders of a region along the edges of its pixels, outer ones and those of holes.

    Pixels that touch at a corner alone are apart.
    """
    return [ring - 0.5 for ring in trace_labels(region)]


def trace_labels(labels: Shaped[np.ndarray, "height width"]) -> list[Float[np.ndarray, "points 2"]]:
    """The borders of all regions of one number each, other than 0, along the edges of their pixels.

    The outer border of a region runs clockwise as it is seen, that of a hole against it. Points are corners of
    pixels, where `(0, 0)` is that of the picture: all that the border passes. The first is the upper left corner of a
    pixel of the region. Pixels of one number that touch at a corner alone are apart.
    """
    rows, columns, directions, of = _edges(np.asarray(labels))
    if not len(rows):
        return []
    wide = labels.shape[1] + 1
    steps = np.array([_STEPS[direction] for direction in range(4)])
    corners = rows * wide + columns
    ends = (rows + steps[directions, 0]) * wide + columns + steps[directions, 1]
    order = np.argsort(corners * 4 + directions)
    keys = (corners * 4 + directions)[order]
    follows = np.full(len(rows), -1, np.int64)
    # At a corner where two pixels touch, turn right: stay with the same pixel.
    for turn in (3, 0, 1):
        wanted = ends * 4 + (directions + turn) % 4
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found = order[place]
        follows = np.where((keys[place] == wanted) & (of[found] == of), found, follows)
    after = follows.tolist()
    seen = bytearray(len(after))
    borders = []
    # Every border has an edge that runs to the right, and these come first.
    for start in range(int((directions == 0).sum())):
        if seen[start]:
            continue
        ring, edge = [], start
        while not seen[edge]:
            seen[edge] = 1
            ring.append(edge)
            edge = after[edge]
        borders.append(np.stack([rows[ring], columns[ring]], axis=1).astype(np.float64))
    return borders


def _edges(labels: Shaped[np.ndarray, "height width"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of the corner, direction and number of every edge of a border, its region on the right."""
    padded = np.pad(labels, 1)
    parts = []
    for direction, (axis, forward) in {0: (0, True), 2: (0, False), 3: (1, True), 1: (1, False)}.items():
        before, after = (padded[:-1], padded[1:]) if axis == 0 else (padded[:, :-1], padded[:, 1:])
        inside = after if forward else before
        rows, columns = np.nonzero((before != after) & (inside != 0))
        of = inside[rows, columns]
        if axis == 0:
            columns = columns - 1 + (0 if forward else 1)
        else:
            rows = rows - 1 + (1 if forward else 0)
        parts.append((rows, columns, np.full(len(rows), direction), of))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


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
    once = scipy.ndimage.gaussian_filter1d(values, reach, axis=0, mode="wrap")
    return np.asarray(2 * once - scipy.ndimage.gaussian_filter1d(once, reach, axis=0, mode="wrap"))


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
