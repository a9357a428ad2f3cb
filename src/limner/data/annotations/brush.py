"""Masks of Label Studio's brush: run lengths of bits in a list of bytes.

Layer: data. Facts: thi.ng/rle-pack, whose format Label Studio uses. 32 bits for the number of words, 5
for the bits of a word less 1, four times 4 for the bits of four kinds of lengths less 1. Then, until all
words are there: a bit that says whether one word is repeated, 2 that choose the kind of length, the
length less 1, and the word, or that many words. The words are the bytes red, green, blue, alpha of each
pixel in turn; alpha tells what was painted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from limner.errors import DataError
from limner.types import Size


class _Bits:
    """Bits of a list of bytes, the highest first."""

    def __init__(self, data: Sequence[int], where: str) -> None:
        self._bits = np.unpackbits(np.array(data, np.uint8))
        self._at = 0
        self._where = where

    def read(self, count: int) -> int:
        """The next few bits as a number."""
        return int("".join(map(str, self.take(count).tolist())), 2)

    def take(self, count: int) -> np.ndarray:
        """The next bits as they are."""
        if self._at + count > len(self._bits):
            raise _broken(self._where, "an end before all pixels are there")
        self._at += count
        return self._bits[self._at - count : self._at]


def decode_brush(data: Sequence[int], size: Size, where: str) -> Bool[np.ndarray, "height width"]:
    """What was painted of a picture.

    Args:
        data: Bytes, 0 to 255.
        size: Of the picture.
        where: What to call it in messages.

    Raises:
        DataError: It is no such mask, or one of a picture of another size.
    """
    bits = _Bits(data, where)
    count, width = bits.read(32), bits.read(5) + 1
    lengths = [bits.read(4) + 1 for _ in range(4)]
    if count != 4 * size[0] * size[1] or width != 8:
        raise _broken(where, f"{count:,} words of {width} bits, not 4 bytes for each of {size[0]}×{size[1]} pixels")
    words = np.zeros(count, np.uint8)
    at = 0
    while at < count:
        repeated = bits.read(1)
        end = at + bits.read(lengths[bits.read(2)]) + 1
        if end > count:
            raise _broken(where, "more pixels than the picture has")
        words[at:end] = bits.read(width) if repeated else np.packbits(bits.take(width * (end - at)))
        at = end
    return np.asarray(words.reshape(*size, 4)[..., 3] > 0)


def _broken(where: str, found: str) -> DataError:
    return DataError(
        f"run lengths of Label Studio's brush at {where}", found, "Export the annotations again, or remove the region."
    )
