"""From shapes to pixels: a pixel belongs to a shape if its centre lies inside.

Layer: data, above `shapes`. Pure functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from limner.data.annotations.shapes import Rings, Runs, Shape
from limner.data.traces.outlines import fill_outline
from limner.types import Size

# What lies beyond the picture is counted where the whole shape takes no more pixels than this.
_MOST_COUNTED = 2**24


@dataclass(frozen=True)
class Drawn:
    """The pixels of a shape within its picture.

    Attributes:
        top: Row of the picture where `mask` begins.
        left: Column where it begins.
        mask: Whether each pixel belongs to the shape.
        beyond: Number of its pixels beyond the picture; -1 where there are some too many to count.
    """

    top: int
    left: int
    mask: Bool[np.ndarray, "height width"]
    beyond: int = 0

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the picture."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


_Box = tuple[int, int, int, int]  # top, left, bottom, right


def draw(shape: Shape, size: Size) -> Drawn:
    """The pixels that the parts of a shape cover, all together."""
    whole = [_box(part) for part in shape.parts]
    extent = _around(whole)
    inside = (max(extent[0], 0), max(extent[1], 0), min(extent[2], size[0]), min(extent[3], size[1]))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return Drawn(0, 0, np.zeros((0, 0), bool), -1 if _pixels(extent) else 0)
    if inside == extent:
        return Drawn(extent[0], extent[1], _fill(shape, extent))
    if _pixels(extent) > _MOST_COUNTED:
        return Drawn(inside[0], inside[1], _fill(shape, inside), -1)
    filled = _fill(shape, extent)
    rows = slice(inside[0] - extent[0], inside[2] - extent[0])
    mask = filled[rows, inside[1] - extent[1] : inside[3] - extent[1]]
    return Drawn(inside[0], inside[1], mask, int(filled.sum()) - int(mask.sum()))


def decode_runs(runs: Runs) -> Bool[np.ndarray, "height width"]:
    """The mask of run lengths."""
    on = np.arange(len(runs.lengths)) % 2 == 1
    flat = np.repeat(on, runs.lengths)
    if runs.downwards:
        return flat.reshape(runs.size[::-1]).T
    return flat.reshape(runs.size)


def encode_runs(mask: Bool[np.ndarray, "height width"], corner: tuple[int, int] = (0, 0)) -> Runs:
    """Run lengths of a mask, along its rows.

    Example:
        >>> encode_runs(np.array([[False, True], [True, False]])).lengths.tolist()
        [1, 2, 1]
    """
    flat = np.concatenate([[False], mask.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    lengths = np.diff(np.concatenate([[0], edges, [mask.size]]))
    return Runs(lengths.astype(np.int64), (mask.shape[0], mask.shape[1]), corner)


def _fill(shape: Shape, box: _Box) -> Bool[np.ndarray, "height width"]:
    mask = np.zeros((box[2] - box[0], box[3] - box[1]), bool)
    for part in shape.parts:
        if isinstance(part, Runs):
            _put(mask, decode_runs(part), (part.corner[0] - box[0], part.corner[1] - box[1]))
            continue
        inner = _meet(_box(part), box)
        if inner is None:
            continue
        filled = np.zeros((inner[2] - inner[0], inner[3] - inner[1]), bool)
        for ring in part.rings:
            # `fill_outline` has rows first, and whole numbers at the centres of pixels.
            filled ^= fill_outline(ring[:, ::-1] - 0.5 - np.array(inner[:2]), (filled.shape[0], filled.shape[1]))
        mask[inner[0] - box[0] : inner[2] - box[0], inner[1] - box[1] : inner[3] - box[1]] |= filled
    return mask


def _put(mask: np.ndarray, patch: np.ndarray, corner: tuple[int, int]) -> None:
    """Add a patch, of which parts may lie beyond the mask."""
    top, left = max(corner[0], 0), max(corner[1], 0)
    bottom, right = min(corner[0] + patch.shape[0], mask.shape[0]), min(corner[1] + patch.shape[1], mask.shape[1])
    if top < bottom and left < right:
        rows = slice(top - corner[0], bottom - corner[0])
        mask[top:bottom, left:right] |= patch[rows, left - corner[1] : right - corner[1]]


def _box(part: Rings | Runs) -> _Box:
    """The pixels whose centres may lie in a part."""
    if isinstance(part, Runs):
        row, column = part.corner
        return row, column, row + part.size[0], column + part.size[1]
    low = np.min([ring.min(axis=0) for ring in part.rings], axis=0) - 0.5
    high = np.max([ring.max(axis=0) for ring in part.rings], axis=0) - 0.5
    return math.ceil(low[1]), math.ceil(low[0]), math.floor(high[1]) + 1, math.floor(high[0]) + 1


def _around(boxes: list[_Box]) -> _Box:
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return min(tops), min(lefts), max(bottoms), max(rights)


def _meet(box: _Box, other: _Box) -> _Box | None:
    top, left, bottom, right = (
        max(box[0], other[0]),
        max(box[1], other[1]),
        min(box[2], other[2]),
        min(box[3], other[3]),
    )
    return (top, left, bottom, right) if top < bottom and left < right else None


def _pixels(box: _Box) -> int:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)
