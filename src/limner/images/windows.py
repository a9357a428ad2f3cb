"""Pictures that are too large to be read at once, read by window.

Layer: images. TIFF of every kind that `limner.images.tiff` reads, of any size; zarr arrays and OME-Zarr with the extra
`zarr`; whatever GDAL reads with the extra `geo`. Only what holds the window is decoded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped

from limner.errors import DataError
from limner.images import tiff, tiff_windows
from limner.images.geo import Tags
from limner.images.kinds import HEAD, sniff
from limner.images.local_files import open_file
from limner.images.locations import is_url, parse_location
from limner.images.raster_windows import open_raster
from limner.images.read import explained
from limner.images.zarr_windows import is_zarr, open_zarr
from limner.types import Size

STREAM_PIXELS = 2**26
"""Pictures of more pixels than this are read by window where that is possible."""

STREAM_LIMIT = 2**40
"""Most pixels of a picture that is read by window. Set it before reading to change it."""

# The directory of a large TIFF lists its tiles, so a smaller file is no large picture.
_SMALLEST_FILE = 2**13


@runtime_checkable
class Windows(Protocol):
    """A picture that is read by window. Safe to call from one thread at a time.

    Attributes:
        size: In pixels.
        channels: As `read` gives them.
        dtype: Likewise: uint8, uint16 or float32.
        chunk_rows: Rows that are decoded together: reading whole multiples decodes nothing twice.
        nodata: Value of all channels where there is nothing; None if the file names none.
        alpha: Whether the last channel is 0 where there is nothing, as in orthophotos.
        tags: What a mask of the picture keeps.
    """

    size: Size
    channels: int
    dtype: str
    chunk_rows: int
    nodata: float | None
    alpha: bool
    tags: Tags

    def read(self, rows: slice, columns: slice) -> Shaped[np.ndarray, "rows columns channels"]:
        """Pixels of a window inside the picture, as `read_image` gives them.

        Raises:
            DataError: What holds it is damaged; names the place.
        """


@contextlib.contextmanager
def open_windows(location: str) -> Iterator[Windows]:
    """A picture to read by window.

    Args:
        location: A TIFF file, a zarr folder, or any raster of GDAL's; with `#page=` of a TIFF of several.

    Raises:
        DataError: It is missing, damaged, or of a kind that can only be read at once.
        MissingExtra: `zarr` or `geo` is not installed, and needed.
    """
    place = parse_location(location)
    path = Path(place.path)
    if place.archive is not None or is_url(place.path):
        raise DataError(
            "a file on this machine, to read it by window",
            f"'{location}' lies in an archive or behind a URL",
            "Copy it to the disk first, or add --stream never to read it at once.",
        )
    if is_zarr(path):
        with explained(location, None):
            windows: Windows = open_zarr(path, location)
        _check(windows, location)
        yield windows
        return
    with open_file(str(path)) as stream:
        if sniff(stream.read(HEAD)) == "tiff":
            with explained(location, "tiff"):
                file = contextlib.ExitStack()
                opened = file.enter_context(tiff.open_tiff(stream))
                windows = tiff_windows.TiffWindows(opened, place.page, location)
                _check(windows, location)
            with file:
                yield windows
            return
    with open_raster(path, location) as windows:
        _check(windows, location)
        yield windows


def windowed_size(location: str) -> Size | None:
    """Size of a picture that can be read by window without further packages; None of all others.

    Only headers are read. What is damaged is None too, and is reported when it is read.
    """
    place = parse_location(location)
    path = Path(place.path)
    if place.archive is not None or place.key is not None or is_url(place.path):
        return None
    try:
        if not is_zarr(path):
            if path.stat().st_size < _SMALLEST_FILE:
                return None
            with path.open("rb") as stream:
                if sniff(stream.read(HEAD)) != "tiff":
                    return None
        with open_windows(location) as windows:
            return windows.size
    except (DataError, OSError):
        return None


def missing(
    pixels: Shaped[np.ndarray, "rows columns channels"], windows: Windows
) -> Bool[np.ndarray, "rows columns"] | None:
    """Where there is nothing: the value for it in every channel, no opacity, or no number; None if nowhere."""
    found = None
    if pixels.dtype.kind == "f":
        found = ~np.isfinite(pixels).all(axis=2) if windows.nodata is not None else None
    if windows.nodata is not None and not np.isnan(windows.nodata):
        color = pixels[..., : pixels.shape[2] - 1] if windows.alpha else pixels
        equal = (color == color.dtype.type(windows.nodata)).all(axis=2) if _fits(windows.nodata, pixels.dtype) else None
        found = equal if found is None else found if equal is None else found | equal
    if windows.alpha:
        clear = pixels[..., -1] == 0
        found = clear if found is None else found | clear
    return found if found is not None and found.any() else None


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max


def _check(windows: Windows, location: str) -> None:
    height, width = windows.size
    if height < 1 or width < 1 or height * width > STREAM_LIMIT:
        raise DataError(
            f"a picture has from 1 to {STREAM_LIMIT:,} pixels",
            f"'{location}' says it is {height:,}×{width:,}",
            "If the file is sound, cut it into parts or raise limner.images.windows.STREAM_LIMIT; if it is not, "
            "remove it.",
        )


class RowReader:
    """Windows of some columns, from top to bottom; every row is decoded once.

    Args:
        windows: The picture.
        columns: Which.
    """

    def __init__(self, windows: Windows, columns: slice) -> None:
        self._windows, self._columns = windows, columns
        self._first = 0
        self._kept: np.ndarray | None = None

    def rows(self, start: int, stop: int) -> Shaped[np.ndarray, "rows columns channels"]:
        """Rows `start` to `stop` of the columns; `start` is never above that of an earlier call."""
        height = self._windows.size[0]
        chunk = self._windows.chunk_rows
        kept = self._kept[start - self._first :] if self._kept is not None else None
        begin = start + len(kept) if kept is not None and len(kept) else start // chunk * chunk
        end = min(height, -(-stop // chunk) * chunk)
        parts = [kept] if kept is not None and len(kept) else []
        if begin < end:
            fresh = self._windows.read(slice(begin, end), self._columns)
            parts.append(fresh if parts else fresh[start - begin :])
        self._kept = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._first = start
        return self._kept[: stop - start]
