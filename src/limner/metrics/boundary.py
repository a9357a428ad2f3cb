"""Boundary IoU: overlap of the bands along the outlines of two masks.

Layer: metrics.

Cheng et al. 2021, "Boundary IoU: improving object-centric image segmentation evaluation". As in their code,
the band is what `width` erosions by a 3×3 square take away, and the edge of the picture is an outline.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts are imported when they are first used
from jaxtyping import Bool

from limner.metrics.surface import cropped
from limner.types import Size

_SHARE = 0.02


def band_width(size: Size) -> int:
    """Width of the band in pixels: 2 % of the picture's diagonal, at least 1.

    Example:
        >>> band_width((512, 512)), band_width((20, 20))
        (14, 1)
    """
    return max(1, round(_SHARE * float(np.hypot(*size))))


def boundary_counts(
    truth: Bool[np.ndarray, "height width"], prediction: Bool[np.ndarray, "height width"], width: int
) -> tuple[int, int]:
    """Pixels in both bands, and in either; their ratio is the boundary IoU.

    Example:
        >>> truth, prediction = np.zeros((2, 9, 9), bool)
        >>> truth[1:6, 1:6] = prediction[1:6, 2:7] = True
        >>> boundary_counts(truth, prediction, 1)
        (8, 24)
    """
    bands = [_band(mask, width) for mask in cropped(truth, prediction)]
    return int((bands[0] & bands[1]).sum()), int((bands[0] | bands[1]).sum())


def _band(mask: Bool[np.ndarray, "height width"], width: int) -> Bool[np.ndarray, "height width"]:
    if not mask.size:
        return mask
    inside = scipy.ndimage.minimum_filter(mask.view(np.uint8), size=2 * width + 1, mode="constant", cval=0)
    return np.asarray(mask & (inside == 0))
