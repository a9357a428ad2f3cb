"""The directory of a zip file held as columns: 400,000 members are a few arrays, not as many objects.

Layer: images. The format is that of APPNOTE.TXT 6.3 (sections 4.3 and 4.5), Zip64 included.
"""

from __future__ import annotations

import itertools
import os
import struct
import zipfile
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
from jaxtyping import Int64, Integer

_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCATOR_64 = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL_HEADER = 30  # bytes at least, before the content of each member
_MOST_COMMENT = 0xFFFF
_FULL_32 = 0xFFFFFFFF
_FULL_16 = 0xFFFF
_UTF_8 = 0x800


class UnusualZipError(Exception):
    """The directory has something that is left to `zipfile`."""


@dataclass(frozen=True)
class Member:
    """Where a member lies and what its directory entry says."""

    name: str
    offset: int
    compressed: int
    size: int
    crc: int
    method: int
    flags: int


@dataclass(frozen=True)
class ZipDirectory:
    """The entries of a zip file, one column for each thing they say.

    Attributes:
        text: All names in UTF-8, one after the other.
        ends: Where each name ends in `text`, after a leading 0.
        columns: Local header's offset, compressed size, size, CRC-32, method and flags of each, in the
            smallest types that hold them.
    """

    text: bytes
    ends: Integer[np.ndarray, " ends"]
    columns: tuple[Integer[np.ndarray, " members"], ...]

    def __len__(self) -> int:
        return len(self.ends) - 1

    def names(self) -> list[str]:
        """Names of all members, in the order of the directory; folders end in '/'."""
        ends = self.ends.tolist()
        return [str(self.text[start:end], "utf-8") for start, end in itertools.pairwise(ends)]

    def find(self, name: str) -> Member | None:
        """The entry of that name; the last one if there are several."""
        hashes, rows = self._by_hash
        code = hash(name.encode())
        place = int(hashes.searchsorted(code, side="right")) - 1
        while place >= 0 and hashes[place] == code:
            row = int(rows[place])
            if self.text[self.ends[row] : self.ends[row + 1]] == name.encode():
                return Member(name, *(int(column[row]) for column in self.columns))
            place -= 1
        return None

    def contents(self, names: Sequence[str]) -> Int64[np.ndarray, "names 2"]:
        """CRC-32 and size of many members at once.

        Raises:
            KeyError: There is no member of some name.
        """
        hashes, rows = self._by_hash
        codes = np.fromiter((hash(name.encode()) for name in names), np.int64, len(names))
        places = hashes.searchsorted(codes, side="right") - 1
        missing = np.flatnonzero((places < 0) | (hashes[places] != codes)) if len(self) else np.arange(len(names))
        if missing.size:
            raise KeyError(names[missing[0]])
        _, _, sizes, checksums, *_ = self.columns
        found = rows[places]
        return np.stack([checksums[found], sizes[found]], axis=1).astype(np.int64)

    def ambiguous(self) -> str | None:
        """A name that members of different content have; None where there is none."""
        rows: dict[bytes, int] = {}
        _, _, sizes, checksums, *_ = self.columns
        for row, (start, end) in enumerate(itertools.pairwise(self.ends.tolist())):
            first = rows.setdefault(self.text[start:end], row)
            if (sizes[first], checksums[first]) != (sizes[row], checksums[row]):
                return str(self.text[start:end], "utf-8")
        return None

    def overlaps(self) -> bool:
        """Whether members share bytes of the file."""
        offsets, lengths, *_ = (column.astype(np.int64) for column in self.columns)
        order = np.argsort(offsets)
        ends = offsets[order] + lengths[order] + _LOCAL_HEADER
        return bool((ends[:-1] > offsets[order][1:]).any())

    @cached_property
    def _by_hash(self) -> tuple[Int64[np.ndarray, " members"], Integer[np.ndarray, " members"]]:
        """Hashes of the names, ascending, and the member of each."""
        ends = self.ends.tolist()
        spans = itertools.pairwise(ends)
        codes = np.fromiter((hash(self.text[start:end]) for start, end in spans), np.int64, len(self))
        rows = np.argsort(codes, kind="stable")
        return codes[rows], _compact(rows)


def read_directory(file: BinaryIO) -> ZipDirectory:
    """Read the directory of an open file.

    Raises:
        UnusualZipError: It has several volumes, or names in a code page.
        zipfile.BadZipFile: It is no zip file, or its directory is damaged.
    """
    count, size, start, shift = _locate(file)
    file.seek(start)
    content = file.read(size)
    if len(content) != size:
        raise zipfile.BadZipFile("the directory is cut off")
    names: list[bytes] = []
    numbers = array("q")
    place = 0
    for _ in range(count):
        try:
            entry = _ENTRY.unpack_from(content, place)
        except struct.error as error:
            raise zipfile.BadZipFile("the directory is cut off") from error
        signature, _, _, flags, method, _, _, crc, compressed, whole, name, extra, comment, *_, offset = entry
        if signature != b"PK\x01\x02":
            raise zipfile.BadZipFile("the directory is damaged")
        first = place + _ENTRY.size
        text = content[first : first + name]
        place = first + name + extra + comment
        if not (text.isascii() or flags & _UTF_8) or b"\0" in text:
            raise UnusualZipError
        if _FULL_32 in (compressed, whole, offset):
            field = content[first + name : first + name + extra]
            whole, compressed, offset = _large(field, whole, compressed, offset)
        names.append(text)
        numbers.extend((offset + shift, compressed, whole, crc, method, flags))
    return _directory(names, numbers)


def convert_directory(entries: Iterable[zipfile.ZipInfo]) -> ZipDirectory:
    """The same from what `zipfile` read."""
    names: list[bytes] = []
    numbers = array("q")
    for entry in entries:
        names.append(entry.filename.encode(errors="surrogateescape"))
        numbers.extend(
            (
                entry.header_offset,
                entry.compress_size,
                entry.file_size,
                entry.CRC,
                entry.compress_type,
                entry.flag_bits,
            )
        )
    return _directory(names, numbers)


def _directory(names: list[bytes], numbers: array[int]) -> ZipDirectory:
    text = b"".join(names)
    text.decode()
    ends = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, names), np.int64, len(names)), out=ends[1:])
    columns = np.frombuffer(numbers, np.int64).reshape(-1, 6).T if names else np.zeros((6, 0), np.int64)
    return ZipDirectory(text, _compact(ends), tuple(_compact(column) for column in columns))


def _compact(column: Int64[np.ndarray, " members"]) -> Integer[np.ndarray, " members"]:
    highest, lowest = int(column.max(initial=0)), int(column.min(initial=0))
    return column.copy() if lowest < 0 else column.astype(np.min_scalar_type(highest))


def _locate(file: BinaryIO) -> tuple[int, int, int, int]:
    """Number of entries, bytes of the directory, where it starts, and what to add to offsets."""
    length = file.seek(0, os.SEEK_END)
    base = max(0, length - _END.size - _MOST_COMMENT - _LOCATOR_64.size)
    file.seek(base)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + _END.size:
        raise zipfile.BadZipFile("File is not a zip file")
    _, volume, first, here, count, size, start, _ = _END.unpack_from(tail, at)
    end = base + at
    locator = at - _LOCATOR_64.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        file.seek(_LOCATOR_64.unpack_from(tail, locator)[2])
        record = file.read(_END_64.size)
        if len(record) < _END_64.size or record[:4] != b"PK\x06\x06":
            raise UnusualZipError
        *_, volume, first, here, count, size, start = _END_64.unpack(record)
        end -= _LOCATOR_64.size + _END_64.size
    elif count == _FULL_16 or _FULL_32 in (size, start):
        raise UnusualZipError
    if volume or first or here != count:
        raise UnusualZipError
    # Something may stand in front of the archive, such as a program that unpacks it.
    shift = end - size - start
    if shift < 0:
        raise zipfile.BadZipFile("the directory is cut off")
    return count, size, start + shift, shift


def _large(field: bytes, size: int, compressed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset from the Zip64 part of an extra field, for those that did not fit."""
    values = [size, compressed, offset]
    while len(field) >= 4:
        kind, length = struct.unpack_from("<2H", field)
        if kind == 1:
            wide = [value[0] for value in struct.iter_unpack("<Q", field[4 : 4 + length // 8 * 8])]
            for number, value in enumerate(values):
                if value == _FULL_32:
                    if not wide or wide[0] >= 1 << 62:
                        raise zipfile.BadZipFile("a Zip64 entry is damaged")
                    values[number] = wide.pop(0)
            break
        field = field[4 + length :]
    return values[0], values[1], values[2]
