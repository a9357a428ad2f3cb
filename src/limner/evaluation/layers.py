"""Transparent pictures that lie over a sample: outlines of truth and prediction, errors, uncertainty.

Layer: part of `evaluation`. Every layer is RGBA; what is not drawn has opacity 0. Truth is a solid line with a rim,
a prediction is dashed on black: they are told apart without their colours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from scipy import ndimage

from limner.render import FALSE_ALARM, MISS, WRONG_CLASS
from limner.render.masks import class_areas, compare_masks, grown, rim_color
from limner.render.numbers import ColorMap, color_table
from limner.types import Color

# Blue and yellow differ for every common colour blindness, and by lightness.
TRUTH: Color = (0, 114, 178)
"""Of the truth's outline, where there is a single class."""
PREDICTION: Color = (240, 228, 66)
"""Of the prediction's outline, where there is a single class."""
UNCERTAINTY_MAP: ColorMap = "magma"
"""Name of the colours of uncertainty."""

_DASH, _GAP = 9, 6  # in pixels
_BLACK: Color = (0, 0, 0)
_RIM_OPACITY = 150
_ERROR_OPACITY = 165
_UNCERTAINTY_OPACITY = 230


def outline_layer(
    mask: Shaped[np.ndarray, "height width *planes"], colors: Sequence[Color], *, dashed: bool = False
) -> UInt8[np.ndarray, "height width 4"]:
    """The outline of every class, two pixels wide, half of it inside; the picture's border is no outline.

    Args:
        mask: Class ids, of which 0 and `IGNORE` are not drawn, or planes of 0 and 1.
        colors: Of each class id, the background's first, or of each plane.
        dashed: Whether the line has black gaps and a black rim; else it has a rim that stands out from its colour.
    """
    layer = np.zeros((*mask.shape[:2], 4), np.uint8)
    lines = [(_dashes(area), color) for area, color in class_areas(mask, colors)]
    # All rims before any line, so that no rim covers a neighbour's line.
    for dashes, color in lines:
        line = dashes > 0
        rim = _BLACK if dashed else rim_color(color)
        layer[grown(line, 1) & ~line] = (*rim, _RIM_OPACITY)
    for dashes, color in lines:
        layer[dashes > 0] = (*color, 255)
        if dashed:
            layer[dashes > 1] = (*_BLACK, 255)
    return layer


def error_layer(
    truth: Shaped[np.ndarray, "height width *planes"], prediction: Shaped[np.ndarray, "height width *planes"]
) -> UInt8[np.ndarray, "height width 4"]:
    """What a prediction misses, makes up and takes for another class, in the colours of `limner.render.ERROR_LEGEND`.

    Args:
        truth: Class ids or planes; pixels that are `IGNORE` are left out.
        prediction: In the same form.
    """
    _, missed, extra = compare_masks(truth, prediction)
    layer = np.zeros((*truth.shape[:2], 4), np.uint8)
    for area, color in ((extra & ~missed, FALSE_ALARM), (missed & ~extra, MISS), (missed & extra, WRONG_CLASS)):
        layer[area] = (*color, _ERROR_OPACITY)
    return layer


def uncertainty_layer(uncertainty: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 4"]:
    """Uncertainty from 0 to 1 in colour; the surer, the more of the picture shows through.

    Example:
        >>> uncertainty_layer(np.array([[0.0, 1.0, np.nan]], np.float32))[0, :, 3].tolist()
        [0, 230, 0]
    """
    values = np.nan_to_num(uncertainty).clip(0, 1)
    opacity = (values * _UNCERTAINTY_OPACITY).round().astype(np.uint8)
    return np.dstack([color_table(UNCERTAINTY_MAP)[(values * 255).round().astype(np.uint8)], opacity])


def _dashes(area: Bool[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """The line around an area: 1 on dashes, 2 in the gaps between them, 0 elsewhere."""
    line = np.zeros(area.shape, bool)
    line[1:] |= area[1:] != area[:-1]
    line[:-1] |= area[1:] != area[:-1]
    line[:, 1:] |= area[:, 1:] != area[:, :-1]
    line[:, :-1] |= area[:, 1:] != area[:, :-1]
    rows, columns = np.nonzero(line)
    # Dashes are counted along the axis that the line is closer to, which needs no walk along it.
    smooth = ndimage.uniform_filter(area.astype(np.float32), 7)
    across, down = (np.abs(ndimage.sobel(smooth, axis=axis))[rows, columns] for axis in (1, 0))
    place = np.where(down > across, columns, rows)
    dashes = np.zeros(area.shape, np.uint8)
    dashes[rows, columns] = 1 + (place % (_DASH + _GAP) >= _DASH)
    return dashes
