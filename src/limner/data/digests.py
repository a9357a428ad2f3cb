"""Fingerprints of file contents, by which caches and duplicates are known.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from limner.data.catalog import Catalog
from limner.data.stored_masks import mask_files
from limner.images import parse_location, read_bytes, read_row

_BYTES = 16


def digest(locations: Iterable[str]) -> str:
    """Hexadecimal BLAKE2b (128 bits) of the contents of files, in order.

    A folder of masks counts with all its files, a page of a file as that page, a row of a table as
    that row: names do not count, so that a copied data set is known again. Empty locations are skipped.

    Raises:
        DataError: A file cannot be read.
    """
    total = hashlib.blake2b(digest_size=_BYTES)
    for location in locations:
        for file in mask_files(location) if location else ():
            place = parse_location(file)
            content = read_bytes(file) if place.row is None else read_row(file)
            total.update(hashlib.blake2b(content, digest_size=_BYTES).digest())
            total.update(f"{place.page} {place.key}".encode())
    return total.hexdigest()


def catalog_digest(catalog: Catalog) -> str:
    """Hexadecimal BLAKE2b (128 bits) of a data set: of its files' contents, whatever their names and order."""
    facts = [catalog.facts.get(name, [""] * len(catalog)) for name in ("hash", "target_hash")]
    return digest_text("\n".join(sorted(map(" ".join, zip(*facts, strict=True)))))


def digest_text(text: str) -> str:
    """Hexadecimal BLAKE2b (128 bits) of a text."""
    return hashlib.blake2b(text.encode(), digest_size=_BYTES).hexdigest()
