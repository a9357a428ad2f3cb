"""EXIF orientation: how a stored picture must be turned to stand upright.

Layer: images. Pillow does not turn pictures and OpenCV does; Limner turns images and masks alike,
so that the two cannot get out of step. Values 1–8 are those of EXIF 2.32, tag 0x0112.
"""

from __future__ import annotations

import struct

import numpy as np
from jaxtyping import Shaped

from limner.types import Size

_TAG = 0x0112
_SHORT = 3


def exif_orientation(exif: bytes) -> int:
    r"""The orientation, 1 to 8, that a block of EXIF data states.

    Reads the one tag itself: cheaper than parsing all of them, and damage elsewhere in the block
    does no harm. Without a readable orientation the picture is upright, 1.

    Args:
        exif: The block with or without its leading `Exif\0\0`.
    """
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, start)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, start + 2 + 12 * entry)
            if tag == _TAG:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def upright(
    array: Shaped[np.ndarray, "height width *channels"], orientation: int
) -> Shaped[np.ndarray, "new_height new_width *channels"]:
    """The array turned upright: a view where it can be."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    # After the transposition: which of the axes still runs backwards.
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def upright_size(size: Size, orientation: int) -> Size:
    """`(height, width)` after `upright`."""
    return (size[1], size[0]) if orientation >= 5 else size
