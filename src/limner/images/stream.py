"""Bytes of a location, wherever it lies.

Layer: images. A local file is opened, not read: decoders take from it what they need. Inside `reading_once`
it is read whole instead, once for all that is done with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Iterator

from limner.errors import DataError
from limner.images.archives import read_member
from limner.images.local_files import open_file
from limner.images.locations import Location, is_url, parse_location
from limner.images.remote import fetch

_MOST_KEPT = 2**26  # bytes of the files that a thread keeps at a time
_HASH_BYTES = 16


class _Kept(threading.local):
    """Bytes of the files that this thread reads once, by archive and path; None while it keeps none."""

    files: dict[tuple[str | None, str], bytes] | None = None


_KEPT = _Kept()


@contextlib.contextmanager
def reading_once() -> Iterator[None]:
    """Inside, this thread reads each file once: its bytes are kept until the end, unless it is very large."""
    outer = _KEPT.files
    _KEPT.files = {}
    try:
        yield
    finally:
        _KEPT.files = outer


def open_location(location: str) -> io.BufferedIOBase:
    """A seekable stream of the file that holds `location`; page and key are not looked at.

    Raises:
        DataError: It is missing or cannot be read.
    """
    place = parse_location(location)
    kept = _KEPT.files
    if kept is None:
        return _open(place)
    key = (place.archive, place.path)
    if key not in kept:
        stream = _open(place)
        if _length(stream) + sum(map(len, kept.values())) > _MOST_KEPT:
            return stream
        with stream:
            kept[key] = stream.read()
    return io.BytesIO(kept[key])


def _length(stream: io.BufferedIOBase) -> int:
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return length


def _open(place: Location) -> io.BufferedIOBase:
    if place.archive is not None:
        return io.BytesIO(read_member(place.archive, place.path))
    if is_url(place.path):
        return io.BytesIO(fetch(place.path))
    return open_file(place.path)


def read_bytes(location: str) -> bytes:
    """All bytes of the file that holds `location`, undecoded: what a hash is made of.

    Raises:
        DataError: It is missing or cannot be read.
    """
    with open_location(location) as stream:
        return stream.read()


def hash_file(location: str) -> bytes:
    """BLAKE2b (128 bits) of the bytes of the file that holds `location`; a large file is read in parts.

    Raises:
        DataError: It is missing or cannot be read.
    """
    with open_location(location) as stream:
        try:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=_HASH_BYTES)).digest()
        except OSError as error:
            raise DataError(
                f"'{location}' can be read", str(error), "Check its permissions, or copy it somewhere readable."
            ) from error
