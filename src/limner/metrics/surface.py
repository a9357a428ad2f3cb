"""Distances between the outlines of two masks: HD95, ASSD and surface Dice.

Layer: metrics.

An outline runs between pixels, where a pixel of the object meets one that is not, and along the edge of
the picture where an object touches it. Its elements sit on the corners of the pixels; the four pixels
around a corner say how long the element is (half a pixel's diagonal where the outline turns, a pixel's side
where it is straight). Percentiles and means weigh elements by length, so that stairs, and pixels that are not
square, count as what they are. This is the surface of Nikolov et al. 2021, "Clinically applicable
segmentation of head and neck anatomy for radiotherapy" (code: google-deepmind/surface-distance). Libraries
that take the border pixels of the mask instead, such as MONAI, differ by up to about a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Bool, Float64

from limner.types import Spacing

_PERCENT = 95
_DENSE = 16


@dataclass(frozen=True)
class SurfaceDistances:
    """From every element of either outline to the nearest of the other.

    Attributes:
        from_truth: Distances from the truth's elements, in the unit of the spacing, ascending.
        truth_lengths: Lengths of those elements, in the unit.
        from_prediction: Likewise from the prediction's.
        prediction_lengths: Their lengths.
    """

    from_truth: Float64[np.ndarray, " truth"]
    truth_lengths: Float64[np.ndarray, " truth"]
    from_prediction: Float64[np.ndarray, " prediction"]
    prediction_lengths: Float64[np.ndarray, " prediction"]

    @property
    def length(self) -> float:
        """Length of both outlines together, in the unit."""
        return float(self.truth_lengths.sum() + self.prediction_lengths.sum())

    def near(self, tolerance: float) -> float:
        """Length of both outlines that lies within `tolerance` of the other, in the unit."""
        return float(
            self.truth_lengths[self.from_truth <= tolerance].sum()
            + self.prediction_lengths[self.from_prediction <= tolerance].sum()
        )


def surface_distances(
    truth: Bool[np.ndarray, "height width"], prediction: Bool[np.ndarray, "height width"], spacing: Spacing = (1.0, 1.0)
) -> SurfaceDistances:
    """Distances between the outlines of two masks, neither of which is empty.

    Args:
        truth: Pixels of the object.
        prediction: Likewise.
        spacing: Size of a pixel, `(row, column)`, in the unit of the result.

    Raises:
        ValueError: A mask is empty: there is no surface to measure from.

    Example:
        >>> truth, prediction = np.zeros((2, 9, 9), bool)
        >>> truth[2:6, 2:6] = prediction[2:6, 3:7] = True
        >>> distances = surface_distances(truth, prediction)
        >>> hd95(distances), round(nsd(distances, 0.5), 6)
        (1.0, 0.5)
    """
    if not (truth.any() and prediction.any()):
        raise ValueError("Expected two masks with an object, but got an empty one")
    truth, prediction = cropped(truth, prediction)
    true, found = _lengths(truth, spacing), _lengths(prediction, spacing)
    return SurfaceDistances(*_directed(true, found, spacing), *_directed(found, true, spacing))


def hd95(distances: SurfaceDistances) -> float:
    """The larger of the two directed 95th percentiles, in the unit; 0 where the outlines coincide.

    Huttenlocher, Klanderman & Rucklidge 1993, "Comparing images using the Hausdorff distance", with the
    percentile over the length of the outline.
    """
    return max(
        _percentile(distances.from_truth, distances.truth_lengths),
        _percentile(distances.from_prediction, distances.prediction_lengths),
    )


def assd(distances: SurfaceDistances) -> float:
    """Average symmetric surface distance, in the unit: the mean over the length of both outlines together.

    Heimann et al. 2009, "Comparison and evaluation of methods for liver segmentation from CT datasets".
    """
    total = np.dot(distances.from_truth, distances.truth_lengths)
    total += np.dot(distances.from_prediction, distances.prediction_lengths)
    return float(total / distances.length)


def nsd(distances: SurfaceDistances, tolerance: float) -> float:
    """Surface Dice in [0, 1]: the share of both outlines within `tolerance`, in the unit, of the other.

    Nikolov et al. 2021; also called normalised surface distance.
    """
    return distances.near(tolerance) / distances.length


def cropped(*masks: Bool[np.ndarray, "height width"]) -> tuple[Bool[np.ndarray, "_ _"], ...]:
    """The masks cut to the smallest box that holds the objects of all."""
    union = np.logical_or.reduce(masks)
    rows, columns = np.flatnonzero(union.any(axis=1)), np.flatnonzero(union.any(axis=0))
    if not rows.size:
        return tuple(mask[:0, :0] for mask in masks)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return tuple(mask[box] for mask in masks)


def _lengths(mask: Bool[np.ndarray, "height width"], spacing: Spacing) -> Float64[np.ndarray, "corners_y corners_x"]:
    """Length of the outline at each corner of a pixel; 0 where there is none."""
    row, column = spacing
    turn = np.hypot(row, column) / 2
    # Bits: 1 above left, 2 above right, 4 below left, 8 below right of the corner.
    lengths = np.full(16, turn)
    lengths[[0, 15]] = 0
    lengths[[0b0011, 0b1100]] = column
    lengths[[0b0101, 0b1010]] = row
    lengths[[0b0110, 0b1001]] = 2 * turn
    padded = np.pad(mask, 1).astype(np.uint8)
    code = padded[:-1, :-1] + 2 * padded[:-1, 1:] + 4 * padded[1:, :-1] + 8 * padded[1:, 1:]
    return np.asarray(lengths[code])


def _directed(
    start: Float64[np.ndarray, "y x"], goal: Float64[np.ndarray, "y x"], spacing: Spacing
) -> tuple[Float64[np.ndarray, " elements"], Float64[np.ndarray, " elements"]]:
    """Distance from each element of `start` to the nearest of `goal`, ascending, and the elements' lengths."""
    here = np.flatnonzero(start > 0)
    there = np.flatnonzero(goal > 0)
    if len(here) + len(there) > start.size // _DENSE:
        # Specks all over: the transform's cost does not grow with them.
        distances = np.asarray(scipy.ndimage.distance_transform_edt(goal == 0, sampling=spacing)).ravel()[here]
    else:
        points = (np.stack(np.unravel_index(places, start.shape), axis=-1) * spacing for places in (there, here))
        tree = scipy.spatial.KDTree(next(points), balanced_tree=False, compact_nodes=False)
        distances = np.asarray(tree.query(next(points))[0])
    order = np.argsort(distances)
    return distances[order], start.ravel()[here][order]


def _percentile(distances: Float64[np.ndarray, " n"], lengths: Float64[np.ndarray, " n"]) -> float:
    share = np.cumsum(lengths) / lengths.sum()
    return float(distances[min(int(np.searchsorted(share, _PERCENT / 100)), len(distances) - 1)])
