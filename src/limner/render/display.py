"""Any image as 8-bit RGB that a screen can show.

Layer: render.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped, UInt8

_PERCENTILES = (0.5, 99.5)
# Percentiles of more pixels than this are no better, only slower.
_ENOUGH_PIXELS = 200_000


def to_display(image: Shaped[np.ndarray, "height width *channels"]) -> UInt8[np.ndarray, "height width 3"]:
    """8-bit RGB of an image of any type and number of channels.

    8-bit values are kept. Others (16-bit, float) are stretched so that the darkest and the brightest
    half percent of the picture become 0 and 255, all channels alike; what is not a number becomes 0.
    The result is a new array, never the image itself.
    One or two channels (grey, grey with alpha) are shown grey; of more than three, the first three.

    Example:
        >>> to_display(np.array([[0, 1000, 4095]], dtype=np.uint16))[..., 0].tolist()
        [[0, 62, 255]]
    """
    planes = image[..., None] if image.ndim == 2 else image
    planes = planes[..., :3] if planes.shape[2] >= 3 else planes[..., :1]
    if planes.dtype == np.bool_:
        planes = planes.astype(np.uint8) * 255
    elif planes.dtype != np.uint8:
        planes = _stretch(planes)
    # A copy always: callers draw into it.
    return np.array(np.broadcast_to(planes, (*planes.shape[:2], 3)))


def _stretch(planes: Shaped[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "height width channels"]:
    step = max(1, int((planes[..., 0].size / _ENOUGH_PIXELS) ** 0.5))
    sparse = planes[::step, ::step]
    known = sparse[np.isfinite(sparse)]
    if not known.size:
        return np.zeros(planes.shape, dtype=np.uint8)
    low, high = np.percentile(known.astype(np.float64), _PERCENTILES).tolist()
    scaled = (planes.astype(np.float32) - low) * (255 / (high - low) if high > low else 0.0)
    return np.asarray(np.nan_to_num(np.clip(scaled, 0, 255), nan=0.0) + 0.5, dtype=np.uint8)
