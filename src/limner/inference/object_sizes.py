"""Area, perimeter and extents of the objects of a mask.

Layer: inference. Pure functions.

The perimeter is estimated by the formula of Crofton and Cauchy from how often lines of four directions (rows,
columns, both diagonals) leave an object, which for pixels that are squares is scikit-image's `perimeter_crofton`
(G. Lehmann and D. Legland, "Efficient N-Dimensional surface estimation using Crofton formula and run-length encoding",
Insight Journal 2012). Directions that are unevenly spread, because pixels are no squares, have the weight of the angle
that is nearest to each.

The extents are those of the convex hull of the pixels' corners: the farthest that two parallel lines which hold the
object between them can be apart (Feret's diameter), and the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Bool, Float, Float64, Int

from limner.data.annotations.outlines import ClassObjects
from limner.types import Size, Spacing


@dataclass(frozen=True)
class ObjectSizes:
    """What is measured of one object; positions are in pixels, from the picture's corner.

    Attributes:
        number: Of the object in its picture.
        area: In the unit, squared.
        perimeter: In the unit, holes counted.
        length: Largest extent, in the unit.
        width: Smallest extent, in the unit.
        centroid_x: Of its pixels; the centre of the first pixel of a picture is 0.5.
        centroid_y: Likewise.
        left: Of the box around it.
        top: Likewise.
        right: Behind its last pixel.
        bottom: Likewise.
        mean_probability: Of its class, over its pixels.
        touches_border: Whether it may go on outside the picture.
    """

    number: int
    area: float
    perimeter: float
    length: float
    width: float
    centroid_x: float
    centroid_y: float
    left: int
    top: int
    right: int
    bottom: int
    mean_probability: float
    touches_border: bool


def measure_objects(
    objects: ClassObjects, probs: Float[np.ndarray, "height width"], spacing: Spacing
) -> Iterator[ObjectSizes]:
    """Measure the objects of one class.

    Args:
        objects: Of the class.
        probs: Probability of the class in each pixel of the picture.
        spacing: Size of a pixel in the unit.
    """
    labels, size = objects.labels, (probs.shape[0], probs.shape[1])
    row, column = spacing
    areas = np.bincount(labels.ravel(), minlength=objects.count + 1)
    perimeters = _perimeters(labels, objects.count, spacing)
    numbers = np.arange(1, objects.count + 1)
    here = probs[objects.top : objects.top + labels.shape[0], objects.left : objects.left + labels.shape[1]]
    means = np.asarray(scipy.ndimage.mean(here.astype(np.float64), labels, numbers))
    centres = np.asarray(scipy.ndimage.center_of_mass(labels > 0, labels, numbers)).reshape(-1, 2)
    for index, place in enumerate(scipy.ndimage.find_objects(labels)):
        length, width = _extents(labels[place] == index + 1, spacing)
        top, left = objects.top + place[0].start, objects.left + place[1].start
        bottom, right = objects.top + place[0].stop, objects.left + place[1].stop
        yield ObjectSizes(
            number=objects.first + index,
            area=float(areas[index + 1]) * row * column,
            perimeter=float(perimeters[index + 1]),
            length=length,
            width=width,
            centroid_x=float(centres[index, 1]) + objects.left + 0.5,
            centroid_y=float(centres[index, 0]) + objects.top + 0.5,
            left=left,
            top=top,
            right=right,
            bottom=bottom,
            mean_probability=float(means[index]),
            touches_border=_touches(top, left, bottom, right, size),
        )


def _touches(top: int, left: int, bottom: int, right: int, size: Size) -> bool:
    return top == 0 or left == 0 or bottom == size[0] or right == size[1]


def _perimeters(labels: Int[np.ndarray, "height width"], count: int, spacing: Spacing) -> Float64[np.ndarray, " _"]:
    """By label, from 0."""
    down, across = spacing
    padded = np.pad(labels, 1)
    slant = math.atan2(down, across)
    between = down * across / math.hypot(down, across)
    # Of each direction: the pixel that a line comes to next, how far such lines are apart, and the angle it stands for.
    lines = (
        (padded[1:-1, :-1], padded[1:-1, 1:], down, slant),
        (padded[:-1, 1:-1], padded[1:, 1:-1], across, math.pi / 2 - slant),
        (padded[:-1, :-1], padded[1:, 1:], between, math.pi / 4),
        (padded[:-1, 1:], padded[1:, :-1], between, math.pi / 4),
    )
    total = np.zeros(count + 1)
    for here, following, apart, angle in lines:
        total += angle * apart * np.bincount(here[here != following], minlength=count + 1)
    return total


def _extents(mask: Bool[np.ndarray, "height width"], spacing: Spacing) -> tuple[float, float]:
    """The largest and the smallest extent."""
    rows = np.arange(len(mask))[:, None]
    first = mask.argmax(axis=1)[:, None]
    last = mask.shape[1] - mask[:, ::-1].argmax(axis=1)[:, None]
    there = mask.any(axis=1)
    corners = np.concatenate([np.hstack([rows + more, ends])[there] for more in (0, 1) for ends in (first, last)])
    points = corners * np.array(spacing)
    hull = points[scipy.spatial.ConvexHull(points).vertices]
    sides = np.roll(hull, -1, axis=0) - hull
    sides /= np.hypot(sides[:, 0], sides[:, 1])[:, None]
    across = sides[:, :1] * hull[None, :, 1] - sides[:, 1:] * hull[None, :, 0]
    return float(scipy.spatial.distance.pdist(hull).max()), float(np.ptp(across, axis=1).min())
