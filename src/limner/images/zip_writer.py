"""Write pictures straight into a zip archive that is whole or absent.

Layer: images.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from limner.files import atomic_path

# The earliest date a zip can state: the same pictures give the same bytes on any day.
_DATE = (1980, 1, 1, 0, 0, 0)


class ZipWriter:
    """Takes the members of an archive that is being written. Made by `write_zip`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, name: str, content: bytes) -> None:
        """Add a member; pictures are compressed already, so it is stored as it is."""
        entry = zipfile.ZipInfo(name, _DATE)
        entry.external_attr = 0o644 << 16
        self._archive.writestr(entry, content)


@contextlib.contextmanager
def write_zip(path: str | Path) -> Iterator[ZipWriter]:
    """An archive that takes its place when the block ends without error.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
        yield ZipWriter(archive)
