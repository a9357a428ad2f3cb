"""Tiles in which there is nothing to find, so that they need not be predicted.

Layer: inference. Pure NumPy. Of a scanned slide most is bare glass; of a map's mosaic, black margin.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from limner.bundle import InputSpec

UNIFORM = 0.03
"""A tile whose channels each vary by less than this share of the range is empty."""

BRIGHT, COLOURLESS, MOST = 0.86, 0.06, 0.999
"""So is one of which nearly all pixels (`MOST`) are brighter than `BRIGHT` in three channels that differ by less than
`COLOURLESS`: the glass of a slide, of which 220 of 255 is a usual limit."""


def is_empty(pixels: Shaped[np.ndarray, "height width channels"], inputs: InputSpec) -> bool:
    """Whether a tile is of one value, or nearly all of it bright and without colour.

    Args:
        pixels: As the network takes them.
        inputs: Says their range.

    Example:
        >>> inputs = InputSpec(
        ...     channels=1, dtype="uint8", low=0.0, high=255.0, mean=[0.5], std=[0.25], fit="native"
        ... )
        >>> dark, striped = np.full((4, 4, 1), 7, np.uint8), np.eye(4, dtype=np.uint8)[..., None] * 90
        >>> is_empty(dark, inputs), is_empty(striped, inputs)
        (True, False)
    """
    span = inputs.high - inputs.low
    low, high = pixels.min(axis=(0, 1)).astype(np.float64), pixels.max(axis=(0, 1)).astype(np.float64)
    if ((high - low) < UNIFORM * span).all():
        return True
    # Most tiles of a picture are told by their darkest pixels already.
    if pixels.shape[2] != 3 or _share_above(pixels[::8, ::8], inputs) < MOST / 2:
        return False
    return _share_above(pixels, inputs) >= MOST


def _share_above(pixels: np.ndarray, inputs: InputSpec) -> float:
    span = inputs.high - inputs.low
    least, most = pixels.min(axis=2).astype(np.float32), pixels.max(axis=2).astype(np.float32)
    glass = (least >= inputs.low + BRIGHT * span) & (most - least < COLOURLESS * span)
    return float(glass.mean())
