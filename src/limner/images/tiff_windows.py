"""Parts of a TIFF, of which only the strips or tiles that hold them are decoded.

Layer: images.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from limner.errors import DataError
from limner.images.depth import image_dtype, to_image
from limner.images.geo import Tags, is_georeferenced, kept_tags, nodata_of
from limner.images.pictures import choose_page
from limner.images.tiff import as_shown, header_of, orientation_of, palette_of, quiet, stack_of
from limner.images.tiff_damage import check_segments
from limner.threads import THREADS
from limner.types import Size

SEGMENT_LIMIT = 2**28
"""Most bytes that one strip or tile may unpack to: several are in memory at a time."""

_JPEG = (6, 7, 33007, 34892)
_ALPHA = (1, 2)  # ExtraSamples: associated and unassociated


@dataclass(frozen=True)
class _Segment:
    """A strip or tile: its number in the file, the plane it belongs to, and where it lies."""

    number: int
    plane: int
    sample: int | None
    row: int
    column: int


class TiffWindows:
    """One picture of an open TIFF file; see `limner.images.windows.Windows`."""

    def __init__(self, file: Any, page: int | None, location: str) -> None:
        stack = stack_of(file, location)
        parts = stack.rows[choose_page(page, len(stack.rows), location)]
        self._planes = [stack.planes[part] for part in parts]
        self._header = header = header_of(self._planes[0], location)
        self._file, self._location = file, location
        self._palette = palette_of(header, location)
        self._lock = threading.Lock()
        self.size: Size = (int(header.imagelength), int(header.imagewidth))
        self._stored = int(header.samplesperpixel) * len(self._planes)
        self.channels = 3 if self._palette is not None else self._stored
        self.dtype = (
            "uint8" if self._palette is not None else image_dtype(header.dtype, location).replace("bool", "uint8")
        )
        self.tags: Tags = kept_tags(header.tags)
        self.nodata = nodata_of(header.tags)
        self.alpha = self.channels in (2, 4) and is_georeferenced(self.tags) and _has_alpha(header)
        # Rows that lie in the file as they are, one after another, need no decoding.
        self._plain = bool(header.is_contiguous) and header.dtype.itemsize * 8 == header.bitspersample
        self.chunk_rows = 1 if self._plain else int(header.tilelength if header.is_tiled else header.rowsperstrip)
        self.chunk_rows = min(self.chunk_rows, self.size[0])
        self._check()
        # Looked up before there are threads: tifffile reads long tags, among them the JPEG tables, when they are first
        # asked for, and would move the file under another thread's read.
        self._decode = header.decode
        self._places = [(list(plane.dataoffsets), list(plane.databytecounts)) for plane in self._planes]
        jpeg = header.compression in _JPEG
        self._tables = [
            {"jpegtables": plane.jpegtables, "jpegheader": header.jpegheader} if jpeg else {} for plane in self._planes
        ]

    def _check(self) -> None:
        for plane in self._planes:
            check_segments(plane)
        if orientation_of(self._header) != 1:
            raise DataError(
                "a large picture that is stored upright",
                f"'{self._location}' is to be turned when it is shown (orientation {orientation_of(self._header)})",
                "Save it again upright, or add --stream never to read it at once.",
            )
        width = self._header.tilewidth if self._header.is_tiled else self.size[1]
        samples = 1 if self._header.axes == "SYX" else int(self._header.samplesperpixel)
        needed = self.chunk_rows * int(width) * samples * self._header.dtype.itemsize
        if not self._plain and needed > SEGMENT_LIMIT:
            raise DataError(
                f"a large picture stored in tiles or strips of at most {SEGMENT_LIMIT / 2**20:.0f} MB",
                f"'{self._location}' has strips of {self.chunk_rows:,} rows, {needed / 2**20:,.0f} MB each",
                "Save it again in tiles, for example with `gdal_translate -co TILED=YES -co COMPRESS=DEFLATE` or "
                "`vips tiffsave --tile`.",
            )

    def read(self, rows: slice, columns: slice) -> Shaped[np.ndarray, "rows columns channels"]:
        """See `Windows.read`."""
        shape = (rows.stop - rows.start, columns.stop - columns.start, self._stored)
        found = np.empty(shape, self._header.dtype)
        if self._plain:
            self._read_rows(found, rows, columns)
        else:
            with ThreadPoolExecutor(THREADS, thread_name_prefix="limner-decode") as threads:
                for _ in threads.map(
                    lambda segment: self._read_segment(found, segment, rows, columns), self._segments(rows, columns)
                ):
                    pass
        found = as_shown(found, self._header)
        if self._palette is not None:
            indices = found[..., 0].view(np.uint8) if found.dtype == bool else found[..., 0]
            if int(indices.max(initial=0)) >= len(self._palette):
                raise self._damaged(rows, columns, f"a colour beyond the palette of {len(self._palette)}")
            colors: np.ndarray = self._palette[indices]
            return colors
        return to_image(found, self._location)

    def _segments(self, rows: slice, columns: slice) -> Iterator[_Segment]:
        header = self._header
        height = int(header.tilelength if header.is_tiled else header.rowsperstrip)
        width = int(header.tilewidth if header.is_tiled else self.size[1])
        height = min(height, self.size[0]) if not header.is_tiled else height
        down, across = -(-self.size[0] // height), -(-self.size[1] // width)
        separate = header.axes == "SYX"
        for plane in range(len(self._planes)):
            for sample in range(int(header.samplesperpixel)) if separate else [None]:
                for row in range(rows.start // height, -(-rows.stop // height)):
                    for column in range(columns.start // width, -(-columns.stop // width)):
                        number = ((sample or 0) * down + row) * across + column
                        yield _Segment(number, plane, sample, row * height, column * width)

    def _read_segment(self, found: np.ndarray, segment: _Segment, rows: slice, columns: slice) -> None:
        """Decode a strip or tile into its place in the window."""
        header = self._header
        offset, length = (numbers[segment.number] for numbers in self._places[segment.plane])
        try:
            with quiet():
                data = self._bytes(offset, length) if length else None
                pixels, _, (_, height, width, _) = self._decode(data, segment.number, **self._tables[segment.plane])
        except Exception as error:  # decoders raise almost anything on damaged bytes
            area = slice(segment.row, segment.row + self.chunk_rows), slice(segment.column, segment.column + 1)
            raise self._damaged(*area, " ".join(str(error).split())[:200] or type(error).__name__) from error
        top, left = max(segment.row, rows.start), max(segment.column, columns.start)
        bottom, right = min(segment.row + height, rows.stop), min(segment.column + width, columns.stop)
        samples = int(header.samplesperpixel)
        first = segment.plane * samples + (segment.sample or 0)
        target = found[
            top - rows.start : bottom - rows.start,
            left - columns.start : right - columns.start,
            first : first + (1 if segment.sample is not None else samples),
        ]
        if pixels is None:  # left out, as GDAL does with empty parts of maps
            target[...] = self.nodata or 0
        else:
            target[...] = pixels[
                0, top - segment.row : bottom - segment.row, left - segment.column : right - segment.column
            ]

    def _read_rows(self, found: np.ndarray, rows: slice, columns: slice) -> None:
        header = self._header
        separate = header.axes == "SYX"
        samples = int(header.samplesperpixel)
        dtype = header.dtype.newbyteorder(self._file.byteorder)
        width = self.size[1] * (1 if separate else samples)
        for part, (offsets, _) in enumerate(self._places):
            for sample in range(samples if separate else 1):
                row = sample * self.size[0] + rows.start
                count = (rows.stop - rows.start) * width
                data = self._bytes(offsets[0] + row * width * dtype.itemsize, count * dtype.itemsize)
                if len(data) < count * dtype.itemsize:
                    raise self._damaged(rows, columns, "the file ends before")
                pixels = np.frombuffer(data, dtype).reshape(rows.stop - rows.start, self.size[1], -1)[:, columns]
                first = part * samples + sample
                found[..., first : first + pixels.shape[2]] = pixels

    def _bytes(self, offset: int, length: int) -> bytes:
        with self._lock:
            handle = self._file.filehandle
            handle.seek(offset)
            data: bytes = handle.read(length)
        return data

    def _damaged(self, rows: slice, columns: slice, reason: str) -> DataError:
        return DataError(
            "a whole TIFF file",
            f"'{self._location}' is damaged near row {rows.start:,}, column {columns.start:,}: {reason}",
            "Copy or export it again, or remove it from the data.",
        )


def _has_alpha(header: Any) -> bool:
    extra = header.extrasamples
    return bool(extra) and int(extra[-1]) in _ALPHA
