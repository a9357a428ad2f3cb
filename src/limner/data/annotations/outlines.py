"""From pixels to outlines: the objects of a mask, each with its polygons and their holes.

Layer: data, above `shapes`. Pure functions.

An outline runs along the edges of pixels, so that filling it (see `rasterise`) gives the object's very pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Bool, Int, Int64

from limner.data.annotations.shapes import Ring
from limner.data.traces.outlines import trace_labels
from limner.types import Color, Size

_TOUCHING = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class ClassObjects:
    """The objects of one class in a picture.

    Attributes:
        index: Of the class.
        first: Number of the first object; the others follow.
        top: Row of the picture where `labels` begin.
        left: Column where they begin.
        labels: 1 for the first object, 2 for the next, 0 between them.
        count: Of objects.
    """

    index: int
    first: int
    top: int
    left: int
    labels: Int[np.ndarray, "height width"]
    count: int


@dataclass(frozen=True, eq=False)
class Outlined:
    """One object.

    Attributes:
        number: From 1, of all objects of the picture.
        label: Name of its class.
        color: Of its class.
        polygons: Outer ring and holes of each part; parts touch at corners alone. Points as in `shapes`.
        top: Row of the picture where `mask` begins.
        left: Column where it begins.
        mask: Its pixels.
    """

    number: int
    label: str
    color: Color
    polygons: tuple[tuple[Ring, ...], ...]
    top: int
    left: int
    mask: Bool[np.ndarray, "height width"]

    @property
    def whole(self) -> bool:
        """Whether it has no hole."""
        return all(len(polygon) == 1 for polygon in self.polygons)


def objects_of(planes: Iterator[tuple[int, Bool[np.ndarray, "height width"]]]) -> Iterator[ClassObjects]:
    """Number the objects of classes; pixels that touch at a side or a corner belong to one.

    Args:
        planes: Index and pixels of each class; a class without pixels is passed over.
    """
    first = 1
    for index, plane in planes:
        rows, columns = (np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            continue
        top, left = int(rows[0]), int(columns[0])
        labels, count = scipy.ndimage.label(plane[top : rows[-1] + 1, left : columns[-1] + 1], _TOUCHING)
        yield ClassObjects(index, first, top, left, labels, count)
        first += count


def outlined(objects: ClassObjects, label: str, color: Color, simplify: float = 0.0) -> Iterator[Outlined]:
    """The outlines of the objects of one class.

    Args:
        objects: Of the class.
        label: Its name.
        color: Its colour.
        simplify: How far a simpler outline may leave the object's, in pixels; 0 keeps every corner.
    """
    labels = objects.labels
    # Parts that hang together at corners alone have outer rings of their own.
    parts, _ = scipy.ndimage.label(labels)
    polygons: dict[int, dict[int, list[Ring]]] = {}
    for ring in trace_labels(parts):
        row, column = int(ring[0, 0]), int(ring[0, 1])
        of_part = polygons.setdefault(int(labels[row, column]), {}).setdefault(int(parts[row, column]), [])
        points = _simplified(_corners(ring)[:, ::-1], simplify) + np.array([objects.left, objects.top])
        # The outer border of a part begins above those of its holes.
        of_part.append(points)
    for number, place in enumerate(scipy.ndimage.find_objects(labels), start=1):
        yield Outlined(
            objects.first + number - 1,
            label,
            color,
            tuple(tuple(rings) for rings in polygons[number].values()),
            objects.top + place[0].start,
            objects.left + place[1].start,
            labels[place] == number,
        )


def downward_runs(
    mask: Bool[np.ndarray, "height width"], corner: tuple[int, int], size: Size
) -> Int64[np.ndarray, " runs"]:
    """Run lengths of a mask within its picture, down the columns and by turns off and on, as COCO has them.

    Args:
        mask: The object's pixels.
        corner: Row and column of the picture where it begins.
        size: Of the picture.

    Example:
        >>> downward_runs(np.array([[True], [True]]), (1, 1), (3, 2)).tolist()
        [4, 2]
    """
    edges = np.diff(np.pad(mask, ((1, 1), (0, 0))).astype(np.int8), axis=0).T
    columns, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    offset = (columns + corner[1]) * size[0] + corner[0]
    places = np.stack([offset + starts, offset + ends], axis=1).ravel()
    # A run may go on from the foot of a column at the head of the next.
    same = np.flatnonzero(places[1:-1:2] == places[2::2])
    places = np.delete(places, np.concatenate([2 * same + 1, 2 * same + 2]))
    lengths = np.diff(np.concatenate([[0], places, [size[0] * size[1]]]))
    return lengths if lengths[-1] else lengths[:-1]


def _corners(ring: Ring) -> Ring:
    """Without the points on a straight way."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns: Ring = ring[(before != after).any(axis=1)]
    return turns


def _simplified(ring: Ring, tolerance: float) -> Ring:
    """Fewer points; those left out lie no farther than `tolerance` from the line (Douglas and Peucker 1973)."""
    if tolerance <= 0 or len(ring) < 5:
        return ring
    far = int(((ring - ring[0]) ** 2).sum(axis=1).argmax())
    closed = np.vstack([ring, ring[:1]])
    kept = {0, far}
    waiting = [(0, far), (far, len(ring))]
    while waiting:
        start, end = waiting.pop()
        if end - start < 2:
            continue
        between = closed[start + 1 : end] - closed[start]
        along = closed[end] - closed[start]
        length = max(float(np.hypot(*along)), 1e-12)
        away = np.abs(along[0] * between[:, 1] - along[1] * between[:, 0]) / length
        worst = int(away.argmax())
        if away[worst] > tolerance:
            middle = start + 1 + worst
            kept.add(middle)
            waiting += [(start, middle), (middle, end)]
    # Two points have no area; what is as thin as the tolerance stays as it is.
    return ring[sorted(kept)] if len(kept) > 2 else ring
