"""Fingerprints of file contents, by which caches and duplicates are known.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int64

from limner.data.catalog import Catalog
from limner.data.file_hashes import FileHashes
from limner.data.stored_masks import mask_files
from limner.images import Location, archive_contents, hash_file, parse_location, read_row

_BYTES = 16
_STATED = "~"


def digest(locations: Iterable[str], known: FileHashes | None = None) -> str:
    """Hexadecimal BLAKE2b (128 bits) of the contents of files, in order.

    A folder of masks counts with all its files, a page of a file as that page, a row of a table as
    that row: names do not count, so that a copied data set is known again. Empty locations are skipped.

    Args:
        locations: The files.
        known: Hashes of files that have not changed; without, every file is read.

    Raises:
        DataError: A file cannot be read.
    """
    total = hashlib.blake2b(digest_size=_BYTES)
    for location in locations:
        for file in mask_files(location) if location else ():
            place = parse_location(file)
            if place.row is not None:
                total.update(hashlib.blake2b(read_row(file), digest_size=_BYTES).digest())
            else:
                total.update(_content(place) if known is None else known.of(file))
            total.update(f"{place.page} {place.key}{place.plane or ''}".encode())
    return total.hexdigest()


def _content(place: Location) -> bytes:
    """Digest of a file; of many pages one after the other it is read once."""
    on_disk = place.archive or place.path
    if place.page is None or not os.path.exists(on_disk):  # noqa: PTH110 - as `_stated_file`
        return hash_file(place.file)
    status = os.stat(on_disk)  # noqa: PTH116
    return _remembered(place.file, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _remembered(file: str, changed: int, size: int) -> bytes:
    del changed, size  # part of the key: a file that was written again is read again
    return hash_file(file)


def stated_digests(columns: Sequence[Sequence[str]]) -> list[str]:
    """A digest per sample from what archives and the file system state, without reading a file.

    Of a member of an archive that is its CRC-32 and size, of a local file its size and time of change, of
    anything else its location. A thousand times quicker than `digest`, and of another form (see `is_stated`).

    Args:
        columns: Locations, a column for each file of a sample; empty ones are skipped.

    Raises:
        DataError: A file or member is missing.
    """
    stated = np.concatenate([_stated(column) for column in columns], axis=1)
    text = np.ascontiguousarray(stated.astype(">u4")).tobytes().hex()
    width = 8 * stated.shape[1]
    return [_STATED + text[start : start + width] for start in range(0, len(text), width)]


def is_stated(found: str) -> bool:
    """Whether a digest is one of `stated_digests`, which contents that differ may share."""
    return found.startswith(_STATED)


def _stated(column: Sequence[str]) -> Int64[np.ndarray, "samples 2"]:
    """Two numbers of 32 bits per location."""
    numbers: dict[str, int] = {}
    rows = np.fromiter((numbers.setdefault(location, len(numbers)) for location in column), np.int64, len(column))
    found = np.zeros((len(numbers), 2), np.int64)
    members: dict[str, tuple[list[int], list[str]]] = {}
    for location, number in numbers.items():
        archive, member = _member(location)
        if archive:
            places, names = members.setdefault(archive, ([], []))
            places.append(number)
            names.append(member)
        elif location:
            found[number] = _stated_file(location)
    for archive, (places, names) in members.items():
        found[places] = archive_contents(archive, names)
    return found[rows] & 0xFFFFFFFF


def _member(location: str) -> tuple[str, str]:
    """Archive and member of a plain location in an archive, else two empty texts."""
    if not location.startswith("zip://") or "#" in location:
        return "", ""
    member, _, archive = location.removeprefix("zip://").rpartition("::")
    return archive, member


def _stated_file(location: str) -> tuple[int, int]:
    try:
        status = os.stat(location)  # noqa: PTH116 - once for every file of a large data set
    except (OSError, ValueError):
        code = hashlib.blake2b(location.encode(errors="surrogateescape"), digest_size=8).digest()
        return int.from_bytes(code[:4]), int.from_bytes(code[4:])
    return status.st_size, status.st_mtime_ns // 1000


def catalog_digest(catalog: Catalog) -> str:
    """Hexadecimal BLAKE2b (128 bits) of a data set: of its files' contents, whatever their names and order."""
    facts = [catalog.facts.get(name, [""] * len(catalog)) for name in ("hash", "target_hash")]
    return digest_text("\n".join(sorted(map(" ".join, zip(*facts, strict=True)))))


def digest_text(text: str) -> str:
    """Hexadecimal BLAKE2b (128 bits) of a text."""
    return hashlib.blake2b(text.encode(), digest_size=_BYTES).hexdigest()
