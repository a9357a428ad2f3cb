"""Where shapes of different classes cover the same pixels, and who gets them.

Layer: data, above `rasterise`. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Int32, UInt8
from scipy import ndimage

from limner.data.annotations.rasterise import Drawn
from limner.types import IGNORE, Size

Policy: TypeAlias = Literal["auto", "later", "smaller", "multilabel", "stop"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

# Outlines of neighbours are drawn twice and never quite agree. An overlap is such a seam if it takes no
# more than this share of the smaller shape, or nowhere fills a block of 3 × 3 pixels.
_SEAM = 0.05
_BLOCK = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Mark:
    """A shape on its picture.

    Attributes:
        class_id: 0 for background, `IGNORE`, or that of a class.
        drawn: Its pixels.
        order: As `Shape.order`.
    """

    class_id: int
    drawn: Drawn
    order: int | None


@dataclass(frozen=True)
class Overlap:
    """Pixels of two shapes of different classes.

    Attributes:
        above: Place of the mark that gets them.
        below: Place of the one that does not.
        pixels: How many.
        seam: They are but the seam between two neighbours.
        stated: The file itself says which lies above.
    """

    above: int
    below: int
    pixels: int
    seam: bool
    stated: bool


@dataclass(frozen=True)
class Painted:
    """Marks laid one over another.

    Attributes:
        ids: Class ids.
        top: Place of the mark that each pixel belongs to, -1 for none.
        overlaps: Where one class lay over another.
    """

    ids: UInt8[np.ndarray, "height width"]
    top: Int32[np.ndarray, "height width"]
    overlaps: tuple[Overlap, ...]


def paint(marks: Sequence[Mark], size: Size, policy: Policy) -> Painted:
    """Lay marks one over another: the smaller last, or in the order that the file states, or its own."""
    top = np.full(size, -1, np.int32)
    areas = [int(mark.drawn.mask.sum()) for mark in marks]
    places = sorted(range(len(marks)), key=lambda place: _rank(marks[place], areas[place], policy))
    classes = np.array([mark.class_id for mark in marks], np.uint8)
    overlaps = []
    for place in places:
        drawn = marks[place].drawn
        area = top[drawn.place]
        below = area[drawn.mask]
        others = below[(below >= 0) & (classes[below] != marks[place].class_id)]
        for other, pixels in zip(*np.unique(others, return_counts=True), strict=True):
            shared = drawn.mask & (area == other)
            stated = policy != "smaller" and marks[place].order != marks[other].order
            smaller = min(areas[place], areas[other])
            seam = pixels <= _SEAM * smaller or not ndimage.binary_erosion(shared, _BLOCK).any()
            overlaps.append(Overlap(place, int(other), int(pixels), bool(seam), stated))
        area[drawn.mask] = place
    ids = np.where(top >= 0, classes[top], 0).astype(np.uint8) if marks else np.zeros(size, np.uint8)
    return Painted(ids, top, tuple(overlaps))


def _rank(mark: Mark, area: int, policy: Policy) -> int:
    # Sorting keeps the order of the file among equals.
    return -area if policy == "smaller" else mark.order or 0


def planes(marks: Sequence[Mark], count: int, size: Size) -> UInt8[np.ndarray, "classes height width"]:
    """A plane of 0 and 255 for each class; background and ignored marks have none."""
    found = np.zeros((count, *size), np.uint8)
    for mark in marks:
        if mark.class_id not in (0, IGNORE):
            found[mark.class_id - 1][mark.drawn.place][mark.drawn.mask] = 255
    return found
