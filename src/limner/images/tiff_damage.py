"""Damage to TIFF files that tifffile reads over: what is missing would come as zeros, or not at all.

Layer: images. Raises ValueError, which `read` words with the name of the file.
"""

from __future__ import annotations

import math
from typing import Any

_UNCOMPRESSED = 1


def check_chain(file: Any) -> None:
    """Every page names the next, or says that it is the last; a file cut short names one beyond its end.

    Raises:
        ValueError: The chain is broken; tifffile would give the pages before the break.
    """
    handle, form = file.filehandle, file.tiff
    position = handle.tell()
    offset, seen = file.pages.first.offset, set()
    while offset:
        if offset in seen or offset + form.tagnosize > handle.size:
            raise ValueError(
                "its list of pages leads in a circle" if offset in seen else "its list of pages is cut off"
            )
        seen.add(offset)
        handle.seek(offset)
        tags = int.from_bytes(handle.read(form.tagnosize), _order(form))
        handle.seek(offset + form.tagnosize + tags * form.tagsize)
        following = handle.read(form.offsetsize)
        if len(following) < form.offsetsize:
            raise ValueError("its list of pages is cut off")
        offset = int.from_bytes(following, _order(form))
    handle.seek(position)


def check_segments(plane: Any) -> None:
    """All strips or tiles of a page are listed and lie within the file.

    A strip of no bytes is one that was left out on purpose, as GDAL does with empty parts of maps.

    Raises:
        ValueError: Some are not.
    """
    header, size = plane.keyframe, plane.parent.filehandle.size
    offsets, lengths = plane.dataoffsets, plane.databytecounts
    expected = 1 if header.is_contiguous else math.prod(header.chunked)
    if len(offsets) < expected or len(lengths) < expected:
        raise ValueError(f"{min(len(offsets), len(lengths)):,} of {expected:,} strips or tiles are listed")
    if header.compression == _UNCOMPRESSED:
        return  # whose length is known otherwise, and is stated wrongly at times
    for offset, length in zip(offsets, lengths, strict=False):
        if offset + length > size:
            raise ValueError("a strip or tile lies beyond the end of the file")


def _order(form: Any) -> Any:
    return "little" if form.byteorder == "<" else "big"
