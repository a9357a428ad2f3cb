"""Zip files read in place: nothing is unpacked to disk.

Layer: images. All threads share one directory per archive and read by position, so that many threads
read one archive without waiting for one another and many archives cost little memory. Archives behind
URLs, and rare compressions, are read through `zipfile`, of which every thread keeps its own few.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO, TypeAlias, cast

import numpy as np
from jaxtyping import Int64

from limner.errors import DataError
from limner.images import limits
from limner.images.local_files import open_file
from limner.images.locations import is_url, member_location
from limner.images.remote import open_url
from limner.images.zip_directory import Member, UnusualZipError, ZipDirectory, convert_directory, read_directory

_MOST_OPEN = 64
_MOST_OPEN_PER_THREAD = 8

_LOCAL = struct.Struct("<4s5H3L2H")
_ROOM = 512  # bytes read beyond a member's own, for its local header

_Key: TypeAlias = tuple[str, int, int]


class _Descriptor:
    """An open file that closes when nobody holds it any more, however many threads read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self.number = os.dup(file.fileno())

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.number)


@dataclass(frozen=True)
class _Archive:
    """An archive that is open; `file` is None where it is read through `zipfile`."""

    place: str
    directory: ZipDirectory
    file: _Descriptor | None

    def member(self, name: str) -> Member:
        found = self.directory.find(name)
        if found is None:
            raise DataError(
                f"archive '{self.place}' has a member '{name}'",
                "it has none of that name",
                "Check the name; upper and lower case differ.",
            )
        return found


class _Handles(threading.local):
    """The archives this thread has open through `zipfile`, least recently used first."""

    def __init__(self) -> None:
        self.archives: OrderedDict[tuple[int, _Key], zipfile.ZipFile] = OrderedDict()


_HANDLES = _Handles()
_ARCHIVES: OrderedDict[_Key, _Archive] = OrderedDict()
_LOCK = threading.Lock()
# A child that is forked while another thread holds the lock would wait for ever.
os.register_at_fork(after_in_child=lambda: globals().update(_LOCK=threading.Lock()))


def archive_names(archive: str) -> list[str]:
    """Names of the files in a zip file, in its own order; folders left out, a file that is listed twice once.

    Raises:
        DataError: The archive is missing or broken, or has different files of one name.
    """
    directory = _opened(archive).directory
    found = directory.names()
    names = list(dict.fromkeys(found))
    if len(names) < len(found) and (name := directory.ambiguous()) is not None:
        raise DataError(
            "files of different names in an archive",
            f"'{archive}' holds different files that are all called '{name}'",
            "Unpack it, give each file a name of its own, and use the folder.",
        )
    return [name for name in names if not name.endswith("/")]


def archive_contents(archive: str, members: Sequence[str]) -> Int64[np.ndarray, "members 2"]:
    """CRC-32 and size in bytes of members, as the archive's directory states them; nothing is unpacked.

    Raises:
        DataError: The archive is missing or broken, or has no such member.
    """
    opened = _opened(archive)
    try:
        return opened.directory.contents(members)
    except KeyError as error:
        opened.member(error.args[0])
        raise


def read_member(archive: str, member: str) -> bytes:
    """The bytes of one member; its checksum is verified on the way.

    Raises:
        DataError: The archive is missing or broken, or the member is missing, encrypted or damaged.
            Names both.
    """
    opened = _opened(archive)
    entry = opened.member(member)
    _check_entry(entry, archive)
    try:
        if opened.file is None or entry.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return _zip_file(archive).read(member)
        return _read(opened.file.number, entry)
    except Exception as error:  # every compression raises errors of its own
        raise DataError(
            "members of an archive are whole",
            f"member '{member}' of archive '{archive}' is damaged ({error})",
            "Make or download the archive again.",
        ) from error


def _read(file: int, entry: Member) -> bytes:
    # By position: the file's own position is shared between threads and with forked children.
    if entry.compressed > os.fstat(file).st_size:
        raise zipfile.BadZipFile("it is longer than the archive")
    content = os.pread(file, _LOCAL.size + _ROOM + entry.compressed, entry.offset)
    signature, *_, name, extra = _LOCAL.unpack_from(content)
    if signature != b"PK\x03\x04" or content[_LOCAL.size : _LOCAL.size + name] != entry.name.encode():
        raise zipfile.BadZipFile("its header differs from the directory")
    first = _LOCAL.size + name + extra
    packed = content[first : first + entry.compressed]
    if len(packed) < entry.compressed:
        packed = os.pread(file, entry.compressed, entry.offset + first)
    data = packed
    if entry.method == zipfile.ZIP_DEFLATED:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, entry.size + 1)
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise zipfile.BadZipFile("its checksum differs")
    return data


def _check_entry(entry: Member, archive: str) -> None:
    # Bit 0 of the general purpose flags marks encryption (APPNOTE 4.4.4).
    if entry.flags & 0x1:
        raise DataError(
            "archives without a password",
            f"member '{entry.name}' of archive '{archive}' is encrypted",
            "Unpack the archive with its password and use the folder.",
        )
    if entry.size > limits.MEMBER_LIMIT:
        raise DataError(
            f"a member of an archive unpacks to at most {limits.MEMBER_LIMIT:,} bytes",
            f"member '{entry.name}' of archive '{archive}' says {entry.size:,}",
            "Unpack the archive and use the folder, if the file is sound.",
        )
    limits.check_memory(entry.size, member_location(archive, entry.name))


def _opened(archive: str) -> _Archive:
    key = _identity(archive)
    with _LOCK:
        if key not in _ARCHIVES:
            # Under the lock: threads that ask for the same archive wait and share, not open it each.
            for outdated in [other for other in _ARCHIVES if other[0] == archive]:
                del _ARCHIVES[outdated]
            _ARCHIVES[key] = _open(archive)
            if len(_ARCHIVES) > _MOST_OPEN:
                _ARCHIVES.popitem(last=False)
        _ARCHIVES.move_to_end(key)
        return _ARCHIVES[key]


def _identity(archive: str) -> _Key:
    if is_url(archive):
        return (archive, 0, 0)
    try:
        status = os.stat(archive)  # noqa: PTH116 - on the path of every read
    except OSError as error:
        raise _broken(archive, error.strerror or str(error)) from error
    return (archive, status.st_mtime_ns, status.st_size)


def _open(archive: str) -> _Archive:
    try:
        if not is_url(archive):
            with open_file(archive) as file, contextlib.suppress(UnusualZipError):
                return _Archive(archive, _apart(read_directory(file)), _Descriptor(file))
        return _Archive(archive, _apart(convert_directory(_zip_file(archive).infolist())), None)
    except DataError:
        raise
    except Exception as error:  # a damaged directory raises more than BadZipFile
        raise _broken(archive, str(error) or type(error).__name__) from error


def _apart(directory: ZipDirectory) -> ZipDirectory:
    # A few bytes that are listed as the content of many members are how small archives unpack to terabytes.
    if directory.overlaps():
        raise zipfile.BadZipFile("its members lie on top of one another")
    return directory


def _zip_file(archive: str) -> zipfile.ZipFile:
    # The process is part of the key: a forked child shares its parent's file position, and must not read by it.
    key = (os.getpid(), _identity(archive))
    archives = _HANDLES.archives
    if key not in archives:
        archives[key] = zipfile.ZipFile(cast("IO[bytes]", open_url(archive)) if is_url(archive) else archive)
        if len(archives) > _MOST_OPEN_PER_THREAD:
            archives.popitem(last=False)[1].close()
    archives.move_to_end(key)
    return archives[key]


def _broken(archive: str, reason: str) -> DataError:
    return DataError(
        "an archive is a whole zip file",
        f"'{archive}' cannot be opened: {reason}",
        "Make or download it again, or unpack it and use the folder.",
    )
