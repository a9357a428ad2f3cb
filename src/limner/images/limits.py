"""How large a picture may be, checked on its header before any pixel is decoded.

Layer: images. Guards against files of a few bytes that unpack to more than the memory.
"""

from __future__ import annotations

import math

from limner.errors import DataError
from limner.types import Size

PIXEL_LIMIT = 2**30
"""Most pixels a picture may have (of up to four channels each). Set it before reading to change it."""

MEMBER_LIMIT = 2**33
"""Most bytes one member of an archive may unpack to."""


def check_pixels(size: Size, channels: int, location: str) -> None:
    """Refuse a picture that its header says is larger than `PIXEL_LIMIT`.

    Raises:
        DataError: Naming the picture and both numbers.
    """
    height, width = size
    pixels = height * width * math.ceil(max(channels, 1) / 4)
    if pixels > PIXEL_LIMIT:
        raise DataError(
            f"a picture has at most {PIXEL_LIMIT:,} pixels",
            f"'{location}' says it is {height:,}×{width:,} with {channels:,} channels",
            "If the file is sound, cut it into smaller pictures or raise limner.images.limits.PIXEL_LIMIT; "
            "if it is not, remove it.",
        )
