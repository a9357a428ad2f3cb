"""Masks as rows of a CSV: the picture's name and its mask as run lengths.

Layer: images, above `rle` and `stream`. The file is read and indexed once; a row is decoded when it
is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from limner.errors import DataError
from limner.images.limits import check_memory, check_pixels
from limner.images.locations import Location, is_url, member_location, parse_location
from limner.images.rle import decode_rle
from limner.images.stream import open_location

HEADER = "img,rle_mask"
"""First line of such a file, in Kaggle's Carvana challenge and in a submission to it."""

_HEAD = 64


@dataclass(frozen=True)
class _Row:
    line: int
    start: int
    end: int


@dataclass(frozen=True)
class _Table:
    data: bytes
    rows: dict[str, _Row]


def is_rle_table(location: str) -> bool:
    """Whether a CSV begins as `HEADER` does; only its beginning is looked at."""
    with open_location(location) as stream:
        first = stream.read(_HEAD).decode("utf-8-sig", errors="replace").partition("\n")[0]
    return _cells(first) == HEADER


def rle_names(location: str) -> list[str]:
    """Names of the pictures whose masks a CSV holds, in its order.

    Raises:
        DataError: It cannot be read, is no such table, or names a picture twice.
    """
    return list(_open(parse_location(location)).rows)


def read_row(location: str) -> bytes:
    """The run lengths of one row as they stand in the file.

    Args:
        location: As `row_location` makes it.

    Raises:
        DataError: The file cannot be read, or has no such row.
    """
    table, row, _ = _find(location)
    return table.data[row.start : row.end].strip(b' "\r')


def decode_row(location: str) -> Bool[np.ndarray, "height width"]:
    """The mask of one row.

    Raises:
        DataError: As `read_row`; or the runs are no mask of the size that the location names.
    """
    table, row, place = _find(location)
    assert place.size is not None
    check_pixels(place.size, 1, location)
    check_memory(place.size[0] * place.size[1], location)
    where = f"row '{place.row}' (line {row.line}) of '{place.path}'"
    return decode_rle(_text(table.data, row.start, row.end), place.size, where)


def _find(location: str) -> tuple[_Table, _Row, Location]:
    place = parse_location(location)
    table = _open(place)
    row = table.rows.get(place.row or "")
    if row is None:
        raise DataError(
            f"a row for '{place.row}' in '{place.path}'", "there is none", "Complete the table, or leave it out."
        )
    return table, row, place


def _open(place: Location) -> _Table:
    file = place.archive or place.path
    state = None if is_url(file) or not Path(file).exists() else Path(file).stat()
    changed = (state.st_mtime_ns, state.st_size) if state else (0, 0)
    return _read(place.path if place.archive is None else member_location(place.archive, place.path), changed)


@functools.lru_cache(maxsize=2)
def _read(file: str, changed: tuple[int, int]) -> _Table:
    del changed  # part of the key: a file that was written again is read again
    with open_location(file) as stream:
        data = stream.read()
    rows: dict[str, _Row] = {}
    for line, start, end in _lines(data):
        if line == 1 and _cells(_text(data, start, end)) == HEADER:
            continue
        comma = data.find(b",", start, end)
        if line == 1 or comma < 0:
            raise DataError(
                f"a table with the first line '{HEADER}', and a name and runs in each row, at '{file}'",
                f"line {line}: '{_text(data, start, end)[:40]}'",
                "Restore the file, or remove it if there are masks as pictures.",
            )
        name = _text(data, start, comma)
        if name in rows:
            raise DataError(
                f"one row for each picture in '{file}'",
                f"'{name}' in line {rows[name].line} and in line {line}",
                "Remove one of the two rows.",
            )
        rows[name] = _Row(line, comma + 1, end)
    return _Table(data, rows)


def _lines(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Number from 1, start and end of each line that is not empty."""
    start, line = 0, 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line += 1
        if data[start:end].strip():
            yield line, start, end
        start = end + 1


def _text(data: bytes, start: int, end: int) -> str:
    return data[start:end].decode("utf-8-sig", errors="replace").strip(' "\r')


def _cells(line: str) -> str:
    return ",".join(cell.strip(' "\r\n').lower() for cell in line.split(","))
