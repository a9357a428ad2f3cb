"""Where a picture lies on the earth, or how large its pixels are: tags that a mask of the same size can keep.

Layer: images. Pure values. Tags are copied number by number, so that a mask lies exactly where its picture does and
no library of projections is needed.

Tags of GeoTIFF are those of OGC 19-008r4; `GDAL_NODATA` is GDAL's own and says which value stands for nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

BYTE, ASCII, SHORT, LONG, RATIONAL, DOUBLE, LONG8 = 1, 2, 3, 4, 5, 12, 16
_LETTERS = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "II", DOUBLE: "d", LONG8: "Q"}

NODATA = 42113
_GEOGRAPHY = (33550, 33922, 34264, 34735, 34736, 34737, 50844)  # scale, tie points, matrix, keys, their numbers, RPC
_RESOLUTION = (282, 283, 296)


@dataclass(frozen=True)
class Tag:
    """One entry of a TIFF directory.

    Attributes:
        code: Which.
        kind: Type of its values, as the standard numbers them.
        values: Numbers; of text its bytes, with a zero at the end.
    """

    code: int
    kind: int
    values: tuple[int | float, ...] | bytes

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.values) // (2 if self.kind == RATIONAL else 1)

    def packed(self) -> bytes:
        """The values as a little-endian file holds them."""
        if isinstance(self.values, bytes):
            return self.values
        whole = self.kind != DOUBLE
        return struct.pack(
            f"<{_LETTERS[self.kind] * self.count}", *(int(value) if whole else value for value in self.values)
        )


Tags: TypeAlias = Sequence[Tag]


def text_tag(code: int, text: str) -> Tag:
    """A tag that holds text."""
    return Tag(code, ASCII, text.encode("ascii", "replace") + b"\0")


def kept_tags(tags: Any) -> list[Tag]:
    """What of a page's tags also holds of a mask of it: place on the earth, and resolution.

    Args:
        tags: `tifffile.TiffPage.tags`.
    """
    found = []
    for code in (*_RESOLUTION, *_GEOGRAPHY):
        tag = tags.get(code)
        if tag is None:
            continue
        kind, value = int(tag.dtype), tag.value
        if isinstance(value, str):
            found.append(text_tag(code, value))
        elif kind in _LETTERS:
            found.append(Tag(code, kind, tuple(value) if isinstance(value, (tuple, list)) else (value,)))
    return found


def is_georeferenced(tags: Tags) -> bool:
    """Whether tags say where on the earth a picture lies."""
    return any(tag.code in _GEOGRAPHY for tag in tags)


def nodata_of(tags: Mapping[int, Any] | Any) -> float | None:
    """The value that stands for nothing, if a page names one.

    Args:
        tags: `tifffile.TiffPage.tags`.
    """
    tag = tags.get(NODATA)
    if tag is None:
        return None
    try:
        return float(str(tag.value).strip("\0 "))
    except ValueError:
        return None
