"""Write a TIFF of any size by parts: tiled, compressed, with reduced copies, and whole or absent.

Layer: images. Numbers are written here and not with tifffile, which takes the tiles of one page in order and from one
caller: parts of a large prediction belong to several files at once, and a page's reduced copies are made of tiles that
are on the disk already. The form is BigTIFF, little-endian, as tifffile, GDAL, QuPath and OpenSlide read it: a page
(TIFF 6.0, section 15), then its reduced copies as pages of their own, each half as large as the one before.
"""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from limner._version import __version__
from limner.files import atomic_path
from limner.images.geo import LONG, LONG8, NODATA, SHORT, Tag, text_tag
from limner.images.write import IGNORE_COLOR
from limner.types import IGNORE, Color, Size

TILE = 512
"""Side of a tile in pixels."""

_SMALLEST = 1024
_DEFLATE, _LEVEL = 8, 6
_GREY, _PALETTE = 1, 3
_KINDS = {"u": 1, "f": 3}


@dataclass(eq=False)
class _Level:
    """One page's tiles: where they are in the file, row by row."""

    size: Size
    offsets: list[int] = field(init=False)
    lengths: list[int] = field(init=False)

    def __post_init__(self) -> None:
        count = math.prod(self.grid)
        self.offsets, self.lengths = [0] * count, [0] * count

    @property
    def grid(self) -> Size:
        """Rows and columns of tiles."""
        return -(-self.size[0] // TILE), -(-self.size[1] // TILE)

    def place(self, row: int, column: int) -> int:
        """Number of a tile."""
        return row * self.grid[1] + column


class TiledTiff:
    """A file that is written by parts. Make one with `TiledTiff.create`.

    Parts come as strips of columns from left to right, each from top to bottom; strips begin at multiples of `TILE`.
    """

    def __init__(
        self,
        stream: BinaryIO,
        size: Size,
        dtype: np.dtype[np.generic],
        *,
        pages: int,
        reduced: bool,
        extra: Sequence[Tag],
    ) -> None:
        self._stream = stream
        self._dtype = dtype
        self._extra = extra
        self._pages = [_Level(size) for _ in range(pages)]
        self._reduced = reduced
        # Rows of a page that do not fill a tile yet, by page: the first row, and the parts.
        self._waiting: list[tuple[int, list[np.ndarray]]] = [(0, []) for _ in range(pages)]
        # Tiles of one value are stored once: of most masks these are most tiles.
        self._uniform: dict[float, tuple[int, int]] = {}
        stream.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))

    @classmethod
    @contextlib.contextmanager
    def create(
        cls,
        path: str | Path,
        size: Size,
        dtype: type[np.generic],
        *,
        pages: int = 1,
        colors: Sequence[Color] = (),
        nodata: float | None = None,
        reduced: bool = True,
        tags: Sequence[Tag] = (),
    ) -> Iterator[TiledTiff]:
        """A file that takes its place when the block ends without error, and of which nothing is left else.

        Args:
            path: Where.
            size: Of the picture.
            dtype: Of its numbers: uint8 or float32.
            pages: Pictures in the file.
            colors: Of class ids, for people; programs read the ids.
            nodata: Value that stands for nothing.
            reduced: Whether there are reduced copies, for viewers; of one page only.
            tags: Further ones, such as the place on the earth.

        Raises:
            OutputError: The disk is full, or the place cannot be written.
        """
        extra = [*tags, text_tag(305, f"limner {__version__}")]
        if colors:
            table = np.zeros((3, 256), np.uint16)
            table[:, : len(colors)] = np.array(colors, np.uint16).reshape(-1, 3).T * 257
            table[:, IGNORE] = np.array(IGNORE_COLOR, np.uint16) * 257
            extra.append(Tag(320, SHORT, tuple(table.ravel().tolist())))
        if nodata is not None:
            extra.append(text_tag(NODATA, f"{nodata:g}"))
        with atomic_path(path) as temporary, temporary.open("w+b") as stream:
            file = cls(stream, size, np.dtype(dtype), pages=pages, reduced=reduced and pages == 1, extra=extra)
            yield file
            file._finish()
            stream.flush()

    def write(self, page: int, row: int, column: int, part: Shaped[np.ndarray, "rows columns"]) -> None:
        """Add a part of a page, below what its strip has got already.

        Args:
            page: From 0.
            row: Its first row in the picture.
            column: Its first column.
            part: Its numbers.
        """
        level = self._pages[page]
        first, parts = self._waiting[page]
        first = first if parts else row
        parts = [*parts, part]
        end = row + len(part)
        last = end == level.size[0]
        if last or end - first >= TILE:
            rows = np.concatenate(parts)
            whole = len(rows) if last else len(rows) // TILE * TILE
            for start in range(0, whole, TILE):
                for left in range(0, rows.shape[1], TILE):
                    piece = rows[start : start + TILE, left : left + TILE]
                    self._write_tile(level, (first + start) // TILE, (column + left) // TILE, piece)
            # A copy, so that the rows that are written are let go.
            first, parts = first + whole, [rows[whole:].copy()] if whole < len(rows) else []
        self._waiting[page] = (first, parts)

    def _write_tile(self, level: _Level, row: int, column: int, piece: np.ndarray) -> None:
        import imagecodecs

        number = level.place(row, column)
        value = piece.flat[0].item()
        uniform = bool((piece == piece.flat[0]).all())
        if uniform and value in self._uniform:
            level.offsets[number], level.lengths[number] = self._uniform[value]
            return
        if piece.shape != (TILE, TILE):
            # What is beyond the picture's edge is not shown; the edge's own numbers keep a tile of one value so.
            piece = np.pad(piece, ((0, TILE - piece.shape[0]), (0, TILE - piece.shape[1])), mode="edge")
        data = bytes(imagecodecs.deflate_encode(np.ascontiguousarray(piece, self._dtype).tobytes(), level=_LEVEL))
        level.offsets[number], level.lengths[number] = self._append(data), len(data)
        if uniform:
            self._uniform[value] = level.offsets[number], level.lengths[number]

    def _append(self, data: bytes) -> int:
        # Directories must begin at even places.
        offset = self._stream.seek(0, 2)
        if offset % 2:
            self._stream.write(b"\0")
            offset += 1
        self._stream.write(data)
        return offset

    def _finish(self) -> None:
        levels = list(self._pages)
        if self._reduced:
            while max(levels[-1].size) > _SMALLEST:
                levels.append(self._reduce(levels[-1]))
        reduced = len(levels) if len(self._pages) > 1 else 1
        starts = [self._write_directory(level, reduced=number >= reduced) for number, level in enumerate(levels)]
        self._stream.seek(8)
        self._stream.write(struct.pack("<Q", starts[0][0]))
        for (_, link), (following, _) in pairwise(starts):
            self._stream.seek(link)
            self._stream.write(struct.pack("<Q", following))

    def _reduce(self, above: _Level) -> _Level:
        """Every second pixel of every second row: class ids have no mean."""
        level = _Level((-(-above.size[0] // 2), -(-above.size[1] // 2)))
        for row in range(level.grid[0]):
            for column in range(level.grid[1]):
                self._write_tile(level, row, column, self._reduced_tile(above, row, column, level))
        return level

    def _reduced_tile(self, above: _Level, row: int, column: int, level: _Level) -> np.ndarray:
        half = TILE // 2
        piece = np.zeros((TILE, TILE), self._dtype)
        for down in range(2):
            for right in range(2):
                source = 2 * row + down, 2 * column + right
                if source[0] < above.grid[0] and source[1] < above.grid[1]:
                    found = self._read_tile(above, *source)
                    piece[down * half : (down + 1) * half, right * half : (right + 1) * half] = found[::2, ::2]
        height, width = (
            min(TILE, length - TILE * place) for length, place in zip(level.size, (row, column), strict=True)
        )
        return piece[:height, :width]

    def _read_tile(self, level: _Level, row: int, column: int) -> np.ndarray:
        import imagecodecs

        number = level.place(row, column)
        self._stream.seek(level.offsets[number])
        data = imagecodecs.deflate_decode(
            self._stream.read(level.lengths[number]), out=TILE * TILE * self._dtype.itemsize
        )
        return np.frombuffer(data, self._dtype).reshape(TILE, TILE)

    def _write_directory(self, level: _Level, *, reduced: bool) -> tuple[int, int]:
        """Write a page's directory; gives where it begins, and where it names the next."""
        photometric = _PALETTE if any(tag.code == 320 for tag in self._extra) else _GREY
        tags = [
            Tag(254, LONG, (int(reduced),)),
            Tag(256, LONG, (level.size[1],)),
            Tag(257, LONG, (level.size[0],)),
            Tag(258, SHORT, (8 * self._dtype.itemsize,)),
            Tag(259, SHORT, (_DEFLATE,)),
            Tag(262, SHORT, (photometric,)),
            Tag(277, SHORT, (1,)),
            Tag(322, LONG, (TILE,)),
            Tag(323, LONG, (TILE,)),
            Tag(324, LONG8, tuple(level.offsets)),
            Tag(325, LONG8, tuple(level.lengths)),
            Tag(339, SHORT, (_KINDS[self._dtype.kind],)),
        ]
        # The place on the earth is that of the full page; readers take it for the reduced ones too.
        tags += [tag for tag in self._extra if not reduced or tag.code in (305, 320, NODATA)]
        entries = []
        for tag in sorted(tags, key=lambda tag: tag.code):
            data = tag.packed()
            value = data.ljust(8, b"\0") if len(data) <= 8 else struct.pack("<Q", self._append(data))
            entries.append(struct.pack("<HHQ", tag.code, tag.kind, tag.count) + value)
        start = self._append(struct.pack("<Q", len(entries)) + b"".join(entries) + bytes(8))
        return start, start + 8 + 20 * len(entries)
