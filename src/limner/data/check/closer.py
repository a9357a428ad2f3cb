"""A closer look at pictures that seem to be crops of one another, at four times the size of what is kept of them.

Layer: data. A crop and its source differ, once laid onto one another, by what resizing and compression leave,
which is about the same everywhere; the next frame of a video, or the next slice, differs most where something moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from limner.data.catalog import Catalog
from limner.data.check.alignment import align, blurred, warp
from limner.data.check.features import GRID, WORK, working_grey
from limner.data.check.gather import without_opacity
from limner.data.check.symmetries import symmetries
from limner.data.inputs import join_pictures
from limner.data.samples import image_locations
from limner.images import read_image

Look: TypeAlias = Callable[[int], Float32[np.ndarray, "work work"]]
"""Gives a sample's picture in grey, `WORK` pixels high and wide, 0–255."""

_STEPS = ((0.5, 4), (0.25, 4))  # of the alignment, which goes on from where the small pictures were laid
_BLUR = 1.0  # pixels; what is finer depends on how a picture was resized
_AROUND = 3.0  # pixels around each within which contrast and brightness may differ from elsewhere
_RIM = 6  # pixels along the sides that are left out
_LEAST, _SHARE = 1.0, 0.3  # variance of noise, in squared grey levels, and as a share of the mean local variance


def looker(catalog: Catalog) -> Look:
    """Reads the pictures of the catalog again."""

    def look(index: int) -> Float32[np.ndarray, "work work"]:
        locations = image_locations(catalog, index).values()
        return working_grey(join_pictures([without_opacity(read_image(location)) for location in locations]))

    return look


def worst_difference(
    look: Look,
    first: Int64[np.ndarray, " pairs"],
    second: Int64[np.ndarray, " pairs"],
    symmetry: Int64[np.ndarray, " pairs"],
    places: Float32[np.ndarray, "pairs 4"],
) -> Float[np.ndarray, " pairs"]:
    """What the one picture least explains of the other, at the place where that is most.

    Args:
        look: Gives the pictures.
        first: Positions of the first of each pair.
        second: Positions of the other.
        symmetry: How the second must be laid to match.
        places: Scale and shift from the first to the second in cells of the small pictures, as `align` gives them.

    Returns:
        Of the brightness around one place, the share of its standard deviation that is left, 0 to 1.
    """
    pictures = {index: look(index) for index in np.unique([first, second]).tolist()}
    one = np.stack([pictures[index] for index in first.tolist()])
    other = np.stack([symmetries(pictures[index])[way] for index, way in zip(second, symmetry, strict=True)])
    larger = places * np.array([1, 1, WORK / GRID, WORK / GRID], np.float32)
    moved, valid = warp(other, align(one, other, _STEPS, larger))
    return _worst(blurred(one, _BLUR), blurred(moved, _BLUR), valid)


def _worst(
    one: Float32[np.ndarray, "pairs work work"],
    other: Float32[np.ndarray, "pairs work work"],
    valid: Bool[np.ndarray, "pairs work work"],
) -> Float[np.ndarray, " pairs"]:
    """Root of the share of the variance around a pixel that the other does not foretell; where it is greatest."""
    weight = blurred(valid.astype(np.float32), _AROUND) + 1e-6

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(blurred(values * valid, _AROUND) / weight)

    mean_one, mean_other = mean(one), mean(other)
    variance = np.maximum(mean(one**2) - mean_one**2, 0)
    explaining = np.maximum(mean(other**2) - mean_other**2, 0) + _LEAST / 2
    together = np.maximum(mean(one * other) - mean_one * mean_other, 0)
    left = np.maximum(variance - together**2 / explaining, 0)
    inside = valid.copy()
    inside[:, :_RIM] = inside[:, -_RIM:] = inside[:, :, :_RIM] = inside[:, :, -_RIM:] = False
    usual = (variance * inside).sum(axis=(1, 2)) / np.maximum(inside.sum(axis=(1, 2)), 1)
    share = left / (variance + _SHARE * usual[:, None, None] + _LEAST)
    return np.asarray(np.sqrt((share * inside).max(axis=(1, 2))))
