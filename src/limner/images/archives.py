"""Zip files read in place: nothing is unpacked to disk.

Layer: images. Every thread keeps its own few open archives, so that many threads read one archive
without waiting for one another.
"""

from __future__ import annotations

import os
import threading
import zipfile
from collections import OrderedDict
from typing import IO, TypeAlias, cast

from limner.errors import DataError
from limner.images import limits
from limner.images.locations import is_url
from limner.images.remote import open_url

_MOST_OPEN = 8

_Key: TypeAlias = tuple[int, str, int, int]


class _Handles(threading.local):
    """The archives this thread has open, least recently used first."""

    def __init__(self) -> None:
        self.archives: OrderedDict[_Key, zipfile.ZipFile] = OrderedDict()


_HANDLES = _Handles()


def archive_names(archive: str) -> list[str]:
    """Names of the files in a zip file, in its own order; folders left out.

    Raises:
        DataError: The archive is missing or broken.
    """
    return [name for name in _opened(archive).NameToInfo if not name.endswith("/")]


def read_member(archive: str, member: str) -> bytes:
    """The bytes of one member; its checksum is verified on the way.

    Raises:
        DataError: The archive is missing or broken, or the member is missing, encrypted or damaged.
            Names both.
    """
    opened = _opened(archive)
    try:
        entry = opened.getinfo(member)
    except KeyError:
        raise DataError(
            f"archive '{archive}' has a member '{member}'",
            "it has none of that name",
            "Check the name; upper and lower case differ.",
        ) from None
    _check_entry(entry, archive)
    try:
        return opened.read(entry)
    except Exception as error:  # every compression raises errors of its own
        raise DataError(
            "members of an archive are whole",
            f"member '{member}' of archive '{archive}' is damaged ({error})",
            "Make or download the archive again.",
        ) from error


def _check_entry(entry: zipfile.ZipInfo, archive: str) -> None:
    # Bit 0 of the general purpose flags marks encryption (APPNOTE 4.4.4).
    if entry.flag_bits & 0x1:
        raise DataError(
            "archives without a password",
            f"member '{entry.filename}' of archive '{archive}' is encrypted",
            "Unpack the archive with its password and use the folder.",
        )
    if entry.file_size > limits.MEMBER_LIMIT:
        raise DataError(
            f"a member of an archive unpacks to at most {limits.MEMBER_LIMIT:,} bytes",
            f"member '{entry.filename}' of archive '{archive}' says {entry.file_size:,}",
            "Unpack the archive and use the folder, if the file is sound.",
        )


def _opened(archive: str) -> zipfile.ZipFile:
    key = _identity(archive)
    archives = _HANDLES.archives
    if key in archives:
        archives.move_to_end(key)
        return archives[key]
    archives[key] = _open(archive)
    if len(archives) > _MOST_OPEN:
        archives.popitem(last=False)[1].close()
    return archives[key]


def _identity(archive: str) -> _Key:
    # The process is part of it: a forked child shares its parent's file position, and must not read by it.
    if is_url(archive):
        return (os.getpid(), archive, 0, 0)
    try:
        status = os.stat(archive)  # noqa: PTH116 - on the path of every read
    except OSError as error:
        raise _broken(archive, error.strerror or str(error)) from error
    return (os.getpid(), archive, status.st_mtime_ns, status.st_size)


def _open(archive: str) -> zipfile.ZipFile:
    place = cast("IO[bytes]", open_url(archive)) if is_url(archive) else archive
    try:
        return zipfile.ZipFile(place)
    except Exception as error:  # a damaged directory raises more than BadZipFile
        raise _broken(archive, str(error) or type(error).__name__) from error


def _broken(archive: str, reason: str) -> DataError:
    return DataError(
        "an archive is a whole zip file",
        f"'{archive}' cannot be opened: {reason}",
        "Make or download it again, or unpack it and use the folder.",
    )
