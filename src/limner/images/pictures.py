"""What readers give: a picture's facts, a mask as stored, and the format readers' common result.

Layer: images. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from limner.errors import DataError
from limner.types import Size


@dataclass(frozen=True)
class PictureInfo:
    """Facts about a picture, from its header where the format allows.

    Attributes:
        size: `(height, width)` after the EXIF orientation.
        channels: As `read_image` gives them; a palette counts as its colours.
        dtype: "uint8", "uint16" or "float32" as `read_image` gives it, or "bool" for 1-bit pictures
            (which `read_image` gives as uint8 and `read_mask` as bool).
        pages: Pictures in the file; the other facts are those of the page named, else the first.
        palette: Whether pixels are stored as indices into a table of colours.
        orientation: EXIF orientation as stored, 1 (upright) to 8.
    """

    size: Size
    channels: int
    dtype: str
    pages: int = 1
    palette: bool = False
    orientation: int = 1


@dataclass(frozen=True)
class StoredMask:
    """A mask as its file holds it, upright but otherwise untouched.

    Attributes:
        array: `height width` of bool, uint8, uint16, int32 or float32; or `height width channels`
            where the file stores colours, an alpha channel or one plane per class.
        palette: Colour of each index, red green blue, where the file has a palette.
    """

    array: Shaped[np.ndarray, "height width"] | Shaped[np.ndarray, "height width channels"]
    palette: UInt8[np.ndarray, "entries 3"] | None = None


@dataclass(frozen=True)
class Decoded:
    """What a format reader gives: pixels in the file's own type and order, not yet turned.

    Attributes:
        array: `height width` or `height width channels`, native byte order.
        orientation: EXIF orientation still to be applied, 1 to 8.
        palette: Colours of the indices in `array`; a fourth column is their opacity.
    """

    array: Shaped[np.ndarray, "height width"] | Shaped[np.ndarray, "height width channels"]
    orientation: int = 1
    palette: UInt8[np.ndarray, "entries channels"] | None = None


def choose_page(page: int | None, pages: int, location: str) -> int:
    """The page to read, from 0.

    Raises:
        DataError: The file has several pages and none was chosen, or has no such page.
    """
    if page is None and pages == 1:
        return 0
    if page is None:
        raise DataError(
            "one picture per file, or a choice of page",
            f"'{location}' has {pages:,} pages",
            "Set data.page=0 to use the first page of every file, or data.page=all to make each page a sample.",
        )
    if page >= pages:
        raise DataError(
            f"page {page} of '{location}'",
            f"the file has {pages:,} page{'s' if pages > 1 else ''}, counted from 0",
            "Choose a page that every file has, or set data.page=all.",
        )
    return page
