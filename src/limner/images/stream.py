"""Bytes of a location, wherever it lies.

Layer: images. A local file is opened, not read: decoders take from it what they need.
"""

from __future__ import annotations

import io

from limner.images.archives import read_member
from limner.images.local_files import open_file
from limner.images.locations import is_url, parse_location
from limner.images.remote import fetch


def open_location(location: str) -> io.BufferedIOBase:
    """A seekable stream of the file that holds `location`; page and key are not looked at.

    Raises:
        DataError: It is missing or cannot be read.
    """
    place = parse_location(location)
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
