"""Which values a stored mask holds, counted: the evidence from which label maps are inferred.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Int64, Integer, Shaped, UInt8, UInt32

from limner.errors import DataError
from limner.images import StoredMask
from limner.types import Color, Size

Value: TypeAlias = int | float | tuple[int | float, ...]
"""What one pixel of a stored mask holds: a number, or a tuple of channels."""

Reading: TypeAlias = Literal["stored", "palette", "alpha"]
"""Which part of a stored mask carries the classes: the numbers or colours as stored, the colours
that a palette gives to the numbers, or the alpha channel."""

MOST_VALUES = 4096
"""Distinct values beyond which a file is no longer tabulated but called continuous."""

NAN = float("nan")
"""The one NaN among values: others are not equal to it, nor to themselves."""

_MOST_BITS = 62


@dataclass(frozen=True)
class ValueTable:
    """The values of one stored mask.

    Attributes:
        where: Location of the mask.
        size: Height and width in pixels.
        channels: 0 where each pixel holds one number, else the number of channels.
        dtype: Name of the stored dtype.
        counts: Pixels per value; of a continuous mask the most frequent `MOST_VALUES` alone.
        solid: Values that fill at least one block of 3 × 3 pixels. Classes are, blurred edges and
            the noise of JPEG are not. With up to two values every value counts as solid.
        continuous: There are more than `MOST_VALUES` distinct values.
        palette: Colours of a palette picture, by stored number; those of measured numbers are left out.
    """

    where: str
    size: Size
    channels: int
    dtype: str
    counts: dict[Value, int]
    solid: frozenset[Value]
    continuous: bool = False
    palette: tuple[Color, ...] | None = None

    def as_mask(self) -> StoredMask:
        """A mask of one row that holds each counted value once, in the order of `counts`."""
        array = np.array(list(self.counts), dtype=self.dtype)
        palette = None if self.palette is None else np.array(self.palette, np.uint8).reshape(-1, 3)
        return StoredMask(array[np.newaxis], palette)


def tabulate(stored: StoredMask, where: str) -> ValueTable:
    """Count the values of a stored mask.

    Args:
        stored: The mask as it lies on disk.
        where: Its location, for messages.

    Raises:
        DataError: A number of a palette picture has no colour, or the mask has no pixels.
    """
    array = stored.array
    if array.size == 0:
        raise DataError("a mask has pixels", f"'{where}' is empty", "Save it again or leave the sample out.")
    channels = array.shape[2] if array.ndim == 3 and array.shape[2] > 1 else 0
    array = array[..., 0] if array.ndim == 3 and not channels else array
    codes, distinct = _codes(array) if channels else (array, None)
    numbers, pixels = _count_runs(codes)
    continuous = numbers.size > MOST_VALUES
    if continuous:
        often = np.argsort(pixels)[::-1][:MOST_VALUES]
        numbers, pixels = numbers[often], pixels[often]
    values = _values(numbers, distinct)
    solid = set(numbers.tolist()) if numbers.size <= 2 or continuous else set(_solid(codes).tolist())
    return ValueTable(
        where=where,
        size=(array.shape[0], array.shape[1]),
        channels=channels,
        dtype=str(array.dtype),
        counts=dict(zip(values, pixels.tolist(), strict=True)),
        solid=frozenset(value for value, number in zip(values, numbers.tolist(), strict=True) if number in solid),
        continuous=continuous,
        palette=_palette(stored, numbers, where),
    )


def outline_numbers(stored: StoredMask, where: str) -> ValueTable:
    """The table of a file of measured numbers, which are not counted: there may be as many as pixels.

    Raises:
        DataError: The file has no pixels, or holds colours.
    """
    if stored.array.size == 0:
        raise DataError("a picture has pixels", f"'{where}' is empty", "Save it again or leave the sample out.")
    numbers = grey_values(stored, "stored" if stored.palette is None else "palette", where)
    palette = None if stored.palette is None else ()
    return ValueTable(
        where=where,
        size=(stored.array.shape[0], stored.array.shape[1]),
        channels=0,
        dtype=str(numbers.dtype),
        counts={},
        solid=frozenset(),
        continuous=True,
        palette=palette,
    )


def grey_values(stored: StoredMask, reading: Reading, where: str) -> Shaped[np.ndarray, "height width"]:
    """One number per pixel: as stored, of the alpha channel, or of colours that are all grey.

    Raises:
        DataError: The mask holds colours, or has no alpha channel where that is to be read.
    """
    array = palette_colors(stored) if reading == "palette" and stored.palette is not None else stored.array
    if array.ndim == 2:
        return array
    channels = array.shape[2]
    if reading == "alpha":
        if channels not in (2, 4):
            raise DataError(
                "a mask with an alpha channel, as in the others",
                f"'{where}' has {channels} channel(s) and none is alpha",
                "Save this mask like the others.",
            )
        return array[..., -1]
    if channels in (3, 4) and not is_grey(array):
        raise DataError(
            "a mask of one number per pixel, as the others are",
            f"'{where}' holds colours",
            "Save this mask like the others, or name every stored colour in `data.values`.",
        )
    if channels > 4:
        raise DataError(
            "a mask of one number per pixel, as the others are",
            f"'{where}' has {channels} planes",
            "Save this mask like the others.",
        )
    return array[..., 0]


def color_values(stored: StoredMask, channels: int) -> UInt8[np.ndarray, "height width {channels}"]:
    """Three (red, green, blue) or four (and alpha) channels per pixel, whatever is stored.

    A transparent pixel has no colour: all of its channels are 0.
    """
    array = palette_colors(stored) if stored.palette is not None else stored.array
    array = array.astype(np.uint8, copy=False)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.shape[2] < 3:
        alpha = array[..., 1:]
        array = np.concatenate([np.repeat(array[..., :1], 3, axis=2), alpha], axis=2)
    if channels == 3:
        return array[..., :3]
    if array.shape[2] == 3:
        opaque = np.full((*array.shape[:2], 1), 255, np.uint8)
        return np.concatenate([array, opaque], axis=2)
    return np.where(array[..., 3:] == 0, np.uint8(0), array)


def palette_colors(stored: StoredMask) -> UInt8[np.ndarray, "height width 3"]:
    """Colours of a palette picture."""
    assert stored.palette is not None
    colors: UInt8[np.ndarray, "height width 3"] = stored.palette[stored.array]
    return colors


def pack_colors(array: UInt8[np.ndarray, "*shape channels"]) -> UInt32[np.ndarray, "*shape"]:
    """One number per colour of up to four channels, the first channel in the highest byte."""
    codes = array[..., 0].astype(np.uint32)
    for channel in range(1, array.shape[-1]):
        codes = (codes << np.uint32(8)) | array[..., channel]
    return codes


def is_grey(array: Shaped[np.ndarray, "height width channels"]) -> bool:
    """Whether red, green and blue agree in every pixel."""
    first = array[..., 0]
    return all(np.array_equal(array[..., channel], first) for channel in range(1, min(3, array.shape[2])))


def _codes(
    array: Shaped[np.ndarray, "height width channels"],
) -> tuple[Integer[np.ndarray, "height width"], Shaped[np.ndarray, "distinct channels"]]:
    """A number per pixel that stands for its channels, and the channels by number."""
    if array.dtype == np.uint8 and array.shape[2] <= 4:
        if array.shape[2] == 4:
            array = color_values(StoredMask(array, None), 4)
        packed = pack_colors(array)
        numbers = _count_runs(packed)[0]
        shifts = np.arange(array.shape[2] - 1, -1, -1, dtype=np.uint32) * 8
        distinct = (numbers[:, np.newaxis] >> shifts) & 0xFF
        return np.searchsorted(numbers, packed), distinct
    flags = array != 0
    if array.shape[2] <= _MOST_BITS and np.array_equal(array, flags * array.max()):
        bits = np.left_shift(np.int64(1), np.arange(array.shape[2]))
        packed = flags @ bits
        numbers = _count_runs(packed)[0]
        return np.searchsorted(numbers, packed), ((numbers[:, np.newaxis] & bits) != 0) * array.max()
    distinct, codes = np.unique(array.reshape(-1, array.shape[2]), axis=0, return_inverse=True)
    return codes.reshape(array.shape[:2]), distinct


def _count_runs(
    array: Shaped[np.ndarray, "*shape"],
) -> tuple[Shaped[np.ndarray, " distinct"], Int64[np.ndarray, " distinct"]]:
    """Distinct values, ascending, and how often each occurs.

    Masks are made of long runs of one value; sorting the runs instead of the pixels is many times faster.
    """
    flat = array.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size)
    values, inverse = np.unique(flat[starts], return_inverse=True)
    return values, np.bincount(inverse, weights=lengths).astype(np.int64)


def _solid(codes: Shaped[np.ndarray, "height width"]) -> Shaped[np.ndarray, " distinct"]:
    """Values that fill at least one 3 × 3 block."""
    along: Bool[np.ndarray, ...] = (codes[:, 1:-1] == codes[:, :-2]) & (codes[:, 1:-1] == codes[:, 2:])
    centre = codes[1:-1, 1:-1]
    block = along[1:-1] & along[:-2] & along[2:]
    block &= (centre == codes[:-2, 1:-1]) & (centre == codes[2:, 1:-1])
    return _count_runs(centre[block])[0] if block.any() else codes.ravel()[:0]


def _values(numbers: Shaped[np.ndarray, " distinct"], distinct: Any) -> list[Value]:
    if distinct is not None:
        return [tuple(plain_number(part) for part in row) for row in distinct[numbers].tolist()]
    return [plain_number(number) for number in numbers.tolist()]


def plain_number(number: int | float) -> int | float:
    """An int where the number is whole, so that 1.0, True and 1 are one value, as all NaN are."""
    if isinstance(number, float) and not number.is_integer():
        return NAN if math.isnan(number) else number
    return int(number)


def _palette(stored: StoredMask, used: Shaped[np.ndarray, " distinct"], where: str) -> tuple[Color, ...] | None:
    if stored.palette is None:
        return None
    if used.max() >= len(stored.palette):
        raise DataError(
            "every number of a palette picture has a colour",
            f"'{where}' holds {used.max()}, its palette {len(stored.palette)} colours",
            "Save this mask again.",
        )
    return tuple((int(red), int(green), int(blue)) for red, green, blue in stored.palette.tolist())


def format_value(value: Value | str) -> str:
    """A value as it is typed in `data.values`."""
    if isinstance(value, tuple):
        return "[" + ",".join(str(part) for part in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_shares(counts: Sequence[tuple[Value, int]], most: int = 12) -> str:
    """`0 (94.8 %), 1 (1.6 %)`, the shares being of all pixels counted; the most frequent if there are many.

    Example:
        >>> format_shares([(0, 948), (1, 52)])
        '0 (94.8 %), 1 (5.2 %)'
    """
    total = sum(count for _, count in counts)
    if len(counts) > most:
        counts = sorted(counts, key=lambda pair: -pair[1])
    parts = [f"{format_value(value)} ({format_share(count / total)})" for value, count in counts[:most]]
    if len(counts) > most:
        parts.append(f"… and {len(counts) - most:,} more values")
    return ", ".join(parts)


def format_share(share: float) -> str:
    """A share as a percentage with one decimal, never a small one as zero.

    Example:
        >>> format_share(0.948), format_share(0.0001)
        ('94.8 %', '<0.1 %')
    """
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"
