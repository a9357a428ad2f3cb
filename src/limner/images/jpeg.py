"""How a JPEG file stores its picture: in which steps, and colour at which resolution.

Layer: images.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO, cast

import numpy as np
from jaxtyping import Float
from PIL.JpegImagePlugin import JpegImageFile

# What components are called in files that store red, green and blue as they are.
_RGB = tuple(b"RGB")


@dataclass(frozen=True)
class JpegStorage:
    """What a JPEG file tells about its own exactness.

    Attributes:
        steps: Numbers of each block of 8×8 pixels are stored as multiples of these: for lightness and
            two planes of colour, by frequency down and across.
        halves: Whether colour is stored at half the resolution, down and across.
    """

    steps: Float[np.ndarray, "3 8 8"]
    halves: tuple[bool, bool]


PIXELS = JpegStorage(np.ones((3, 8, 8)), (False, False))
"""Of files that store whole numbers for every pixel: these are as exact as numbers of blocks in steps of one."""


def inspect_storage(stream: io.BufferedIOBase) -> JpegStorage | None:
    """How an upright grey or colour JPEG is stored; None if it is stored in any unusual way."""
    stream.seek(0)
    with JpegImageFile(cast("IO[bytes]", stream)) as picture:
        parts, tables = list(picture.layer), picture.quantization
        if picture.getexif().get(0x0112, 1) != 1:
            return None
        if len(parts) == 1:
            # Greys have no colour, and that is exact.
            lightness = np.reshape(tables[parts[0][3]], (8, 8))
            return JpegStorage(np.stack([lightness, *np.ones((2, 8, 8))]).astype(np.float64), (False, False))
        if len(parts) != 3 or picture.info.get("adobe_transform") == 0 or tuple(part[0] for part in parts) == _RGB:
            return None
        # Of each component: its name, and how often it is sampled across and down (ITU-T T.81, B.2.2).
        (_, across, down, _), first, second = parts
        finer = (down / first[2], across / first[1])
        if first[1:3] != second[1:3] or not set(finer) <= {1.0, 2.0}:
            return None
        steps = np.stack([np.reshape(tables[part[3]], (8, 8)) for part in parts]).astype(np.float64)
        return JpegStorage(steps, (finer[0] == 2, finer[1] == 2))
