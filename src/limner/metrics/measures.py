"""Outlines, bands and objects of every class of an image, with the one policy for empty masks.

Layer: metrics. Costs milliseconds per image and class, where `counts` costs microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from limner.metrics.boundary import band_width, boundary_counts
from limner.metrics.objects import object_counts
from limner.metrics.scores import ratio
from limner.metrics.surface import assd, hd95, surface_distances
from limner.types import IGNORE, Spacing

MEASURE_POLICY = """\
Distances are between outlines, which run between pixels; ignored pixels belong to no object.
HD95 is the larger of the two directed 95th percentiles over the length of the outline, ASSD the mean over both \
outlines, NSD (surface Dice) the share of both outlines within the tolerance of the other.
Boundary IoU compares the bands along the outlines, 2 % of the picture's diagonal wide.
Objects are regions that touch at a side or a corner; a pair matches where its IoU is above 0.5, and object F1 is \
2 matched / (objects of the truth + objects of the prediction).
Area error is (predicted area − true area) / true area; absolute area error is |predicted area − true area|.
Truth and prediction both empty: all of these are undefined and left out of every mean.
A miss or a false alarm counts: NSD, boundary IoU and object F1 are 0, HD95 and ASSD are {miss}; the area error of \
a miss is −1, that of a false alarm is undefined.
Pooled NSD, boundary IoU, object F1 and area error add lengths, pixels, objects and areas of all images first; \
distances have no pooled value.
"""
"""What the numbers mean, to be shown beside them; `{miss}` is filled in."""

COLUMNS = (
    *("hd95", "assd", "near", "length", "band_both", "band_either"),
    *("object_tp", "object_fp", "object_fn", "true_area", "found_area"),
)


@dataclass(frozen=True)
class MeasureOptions:
    """How distances are measured.

    Attributes:
        tolerance: Of surface Dice, in the unit.
        miss_distance: HD95 and ASSD of a miss or a false alarm, in the unit. Default: the image's diagonal.
    """

    tolerance: float
    miss_distance: float | None = None

    @property
    def policy(self) -> str:
        """`MEASURE_POLICY` with its numbers."""
        given = self.miss_distance is not None
        return MEASURE_POLICY.format(miss=f"{self.miss_distance:g}" if given else "the diagonal of the image")


@dataclass(frozen=True)
class Measured:
    """Measures per class, each array of the same shape with the classes last; NaN where nothing was measured.

    Attributes:
        hd95: In the unit.
        assd: In the unit.
        near: Length of both outlines within the tolerance of the other, in the unit.
        length: Length of both outlines, in the unit.
        band_both: Pixels in both bands.
        band_either: Pixels in either.
        object_tp: Objects found.
        object_fp: Objects made up.
        object_fn: Objects not found.
        true_area: Area of the truth, unit².
        found_area: Area of the prediction, unit².
    """

    hd95: Float64[np.ndarray, "*shape"]
    assd: Float64[np.ndarray, "*shape"]
    near: Float64[np.ndarray, "*shape"]
    length: Float64[np.ndarray, "*shape"]
    band_both: Float64[np.ndarray, "*shape"]
    band_either: Float64[np.ndarray, "*shape"]
    object_tp: Float64[np.ndarray, "*shape"]
    object_fp: Float64[np.ndarray, "*shape"]
    object_fn: Float64[np.ndarray, "*shape"]
    true_area: Float64[np.ndarray, "*shape"]
    found_area: Float64[np.ndarray, "*shape"]

    @classmethod
    def from_table(cls, table: Float64[np.ndarray, "*shape 11"]) -> Measured:
        """From an array whose last axis is in the order of `COLUMNS`."""
        return cls(*(np.asarray(column) for column in np.moveaxis(table, -1, 0)))


def measure(
    truth: UInt8[np.ndarray, "height width *classes"],
    prediction: UInt8[np.ndarray, "height width *classes"],
    classes: range,
    options: MeasureOptions,
    *,
    spacing: Spacing = (1.0, 1.0),
) -> Float64[np.ndarray, "classes 11"]:
    """Measures of some classes of one image, as `Measured.from_table` reads them.

    Args:
        truth: Class ids or planes, as `counts` and `plane_counts` take them.
        prediction: Likewise.
        classes: Ids or planes that are measured, see `foreground`. The table begins with class 0, and rows
            of classes that are not measured, such as the background, hold NaN.
        options: See there.
        spacing: Size of a pixel, in the unit.

    Raises:
        ValueError: The shapes differ.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"Expected truth and prediction of one shape, but got {truth.shape} and {prediction.shape}")
    table = np.full((classes.stop, len(COLUMNS)), np.nan)
    for index in classes:
        if truth.ndim == 3:
            known, true, found = truth[..., index] != IGNORE, truth[..., index] == 1, prediction[..., index] == 1
        else:
            known, true, found = truth != IGNORE, truth == index, prediction == index
        table[index] = measure_masks(true, found & known, options, spacing=spacing)
    return table


def measure_masks(
    truth: Bool[np.ndarray, "height width"],
    prediction: Bool[np.ndarray, "height width"],
    options: MeasureOptions,
    *,
    spacing: Spacing = (1.0, 1.0),
) -> Float64[np.ndarray, " measures"]:
    """Measures of one class, in the order of `COLUMNS`; of empty masks by `MEASURE_POLICY`."""
    height, width = truth.shape
    areas = truth.sum() * spacing[0] * spacing[1], prediction.sum() * spacing[0] * spacing[1]
    there, found = areas[0] > 0, areas[1] > 0
    bands = boundary_counts(truth, prediction, band_width((height, width)))
    objects = object_counts(truth, prediction)
    if there and found:
        distances = surface_distances(truth, prediction, spacing)
        lengths = distances.near(options.tolerance), distances.length
        return np.array([hd95(distances), assd(distances), *lengths, *bands, *objects, *areas])
    if not (there or found):
        return np.array([np.nan, np.nan, 0, 0, *bands, *objects, *areas])
    miss = options.miss_distance
    if miss is None:
        miss = float(np.hypot(height * spacing[0], width * spacing[1]))
    # All of the one outline is too far from the other, which is nowhere.
    length = surface_distances(truth | prediction, truth | prediction, spacing).length / 2
    return np.array([miss, miss, 0, length, *bands, *objects, *areas])


def _area_abs_error(measured: Measured) -> Float64[np.ndarray, "*shape"]:
    empty = measured.true_area + measured.found_area == 0
    return np.where(empty, np.nan, np.abs(measured.found_area - measured.true_area))


MEASURES: dict[str, Callable[[Measured], Float64[np.ndarray, "*shape"]]] = {
    "nsd": lambda measured: ratio(measured.near, measured.length),
    "hd95": lambda measured: measured.hd95,
    "assd": lambda measured: measured.assd,
    "boundary_iou": lambda measured: ratio(measured.band_both, measured.band_either),
    "object_f1": lambda measured: ratio(
        2 * measured.object_tp, 2 * measured.object_tp + measured.object_fp + measured.object_fn
    ),
    "area_error": lambda measured: ratio(measured.found_area - measured.true_area, measured.true_area),
    "area_abs_error": _area_abs_error,
}
"""Name → function, in the order of every table; NaN where undefined."""

POOLED = ("nsd", "boundary_iou", "object_f1", "area_error")
"""Measures that sums over images have, too."""
