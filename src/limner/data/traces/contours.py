"""From rough regions to outlines along the middle of the strokes, to a fraction of a pixel.

Layer: data, above `outlines` and `regions`.

An outline moves across itself to the middle of the ink that it meets there, and is carried by its
neighbours where it meets none: over gaps, and where another stroke hides it. The object is what lies
inside the middle of the stroke, so half of the stroke's width belongs to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from limner.data.traces.outlines import fill_outline, normals, resample, smooth, trace_borders

# Beyond half the stroke, the window reaches this far: the rough outline is off by less, and ink blurred by less.
_REACH = 2.5
_STEP = 0.7
_ROUNDS = 5
# Takes steps out of the outline between rounds; more would round off corners.
_EVEN = 2.5
# Neighbours that pull together, as a standard deviation in pixels: edges of hard strokes come in steps.
_PULL = 6.0
# Ink fainter than this is noise.
_FLOOR = 0.1
_SUPPORT = 0.3


@dataclass(frozen=True)
class Outline:
    """One closed outline along the middle of a stroke.

    Attributes:
        points: `(row, column)`; the centre of a pixel has whole numbers.
        open_length: The longest stretch without ink of any colour, in pixels.
        open_at: The middle of that stretch.
        seen: Share of its length on ink of its own colour.
        lifted: Where there is no ink of any colour, per point.
        bend: How sharply it turns: the sum of squared turns per pixel; 2π divided by its radius for a circle.
    """

    points: Float[np.ndarray, "points 2"]
    open_length: float
    open_at: tuple[float, float]
    seen: float
    lifted: Bool[np.ndarray, " points"]
    bend: float


def find_outlines(
    regions: tuple[Bool[np.ndarray, "height width"], ...],
    cover: Float[np.ndarray, "height width"],
    others: Float[np.ndarray, "height width"],
    width: float,
    smallest: float,
) -> list[Outline]:
    """Outlines of rough regions, moved onto the strokes.

    Args:
        regions: As `rough_regions` found them.
        cover: By the ink of this colour.
        others: Cover by all other inks.
        width: Of the strokes.
        smallest: Outlines of fewer pixels are left out.
    """
    found = []
    for region in regions:
        for border in trace_borders(region):
            if abs(_area(border)) < smallest:
                continue
            points = _settle(resample(border, _STEP), cover, width)
            found.append(_judge(points, cover, others, width))
    return found


def fill(outlines: Sequence[Float[np.ndarray, "_ 2"]], size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """The inside of all outlines together; one within another is a hole."""
    mask = np.zeros(size, dtype=bool)
    for outline in outlines:
        mask ^= fill_outline(outline, size)
    return mask


def _settle(
    points: Float[np.ndarray, "points 2"], cover: Float[np.ndarray, "height width"], width: float
) -> Float[np.ndarray, "more 2"]:
    points = smooth(points, 2.0 / _STEP)
    for number in range(_ROUNDS):
        offsets = np.arange(-width / 2 - _REACH, width / 2 + _REACH + 0.1, 0.25)
        ink = _across(points, cover, offsets)
        mass = ink.sum(axis=1)
        pull = smooth(ink @ offsets, _PULL / _STEP) / (smooth(mass, _PULL / _STEP) + 0.4)
        points = points + pull[:, None] * normals(points)
        if number < _ROUNDS - 1:
            points = resample(smooth(points, _EVEN / _STEP), _STEP)
    return points


def _judge(
    points: Float[np.ndarray, "points 2"],
    cover: Float[np.ndarray, "height width"],
    others: Float[np.ndarray, "height width"],
    width: float,
) -> Outline:
    """Measure where the outline has no ink under it."""
    offsets = np.arange(-width / 2 - 1, width / 2 + 1.1, 0.25)
    own, hidden = (_across(points, ink, offsets).sum(axis=1) for ink in (cover, others))
    usual = float(np.median(own[own > 0])) if (own > 0).any() else 1.0
    seen = own > _SUPPORT * usual
    lifted = ~seen & (hidden <= _SUPPORT * usual)
    length, middle = longest_run(lifted)
    steps = float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).mean())
    row, column = points[middle].tolist()
    return Outline(points, length * steps, (row, column), float(seen.mean()), lifted, _bend(points))


def _bend(points: Float[np.ndarray, "points 2"]) -> float:
    along = np.diff(smooth(points, 2.0 / _STEP), axis=0, append=points[:1])[:-1]
    angle = np.unwrap(np.arctan2(along[:, 0], along[:, 1]))
    return float((np.diff(angle) ** 2).sum() / _STEP)


def _across(points: np.ndarray, cover: np.ndarray, offsets: np.ndarray) -> Float[np.ndarray, "points offsets"]:
    """Ink above the noise on a short line across each point."""
    places = points[:, None, :] + offsets[None, :, None] * normals(points)[:, None, :]
    ink = ndimage.map_coordinates(cover, np.moveaxis(places, 2, 0), order=1, mode="nearest")
    return np.asarray(np.maximum(ink - _FLOOR, 0), dtype=np.float64)


def longest_run(values: Bool[np.ndarray, " points"]) -> tuple[int, int]:
    """Length and middle of the longest run of true values on a ring."""
    if values.all():
        return len(values), 0
    start = int(np.argmin(values))
    ring = np.roll(values, -start)
    labels, count = ndimage.label(ring)
    if not count:
        return 0, 0
    sizes = np.bincount(labels)[1:]
    longest = int(sizes.argmax())
    first = int(np.argmax(labels == longest + 1))
    return int(sizes[longest]), (start + first + int(sizes[longest]) // 2) % len(values)


def _area(outline: Float[np.ndarray, "points 2"]) -> float:
    ends = np.roll(outline, -1, axis=0)
    return float((outline[:, 0] * ends[:, 1] - ends[:, 0] * outline[:, 1]).sum() / 2)
