"""Hashes of files that need not be read again, because the file system says that nothing has changed.

Layer: data. Imports no torch.

A hash is kept under everything the file system states of a file: its path, device, number, size, and the times
of change of its content and of its entry. A file that changed has another key, so that what is kept is never
stale. A file that changed a moment ago might change again within the same tick of the file system's clock, and
state the same; of such a file nothing is kept.
"""

from __future__ import annotations

import os
import time

from limner.data.store import Store
from limner.images import Location, hash_file, parse_location

_TICK = 2_000_000_000  # nanoseconds; the coarsest clock of a file system still in use (FAT)


class FileHashes:
    """Hashes of what files hold, without their pages, keys and rows.

    Args:
        store: Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, location: str) -> bytes:
        """Hash of the file or member of an archive at a location.

        Raises:
            DataError: It cannot be read.
        """
        stated = _stated(parse_location(location))
        known = self._store.get_text(stated) if stated else None
        if known is not None:
            return bytes.fromhex(known)
        found = hash_file(location)
        if stated and stated == _stated(parse_location(location)):
            self._store.put_text(stated, found.hex())
        return found


def _stated(place: Location) -> str:
    """What the file system states of a file; empty where that is not known, or may not be relied on."""
    try:
        status = os.stat(place.archive or place.path)  # noqa: PTH116 - twice for every file of a large data set
    except (OSError, ValueError):
        return ""
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _TICK:
        return ""
    path = os.path.abspath(place.archive or place.path)  # noqa: PTH100 - likewise
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "\0".join(["file", path, place.path if place.archive else "", *map(str, numbers)])
