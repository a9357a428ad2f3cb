"""How large a picture may be, checked on its header before any pixel is decoded.

Layer: images. Guards against files of a few bytes that unpack to more than the memory.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import resource
from pathlib import Path

from limner.errors import DataError
from limner.types import Size

PIXEL_LIMIT = 2**30
"""Most pixels a picture may have (of up to four channels each). Set it before reading to change it."""

MEMBER_LIMIT = 2**33
"""Most bytes one member of an archive may unpack to, if that is less than `MEMORY_SHARE` allows."""

MEMORY_SHARE = 4
"""A picture may take up to one part of the memory in this many: what is done with it needs the rest."""

_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # cgroups 2 and 1


def check_pixels(size: Size, channels: int, location: str) -> None:
    """Refuse a picture that its header says is larger than `PIXEL_LIMIT`, or holds nothing.

    Raises:
        DataError: Naming the picture and both numbers.
    """
    height, width = size
    if height < 1 or width < 1 or channels < 1:
        raise DataError(
            "a picture has pixels",
            f"'{location}' says it is {height:,}×{width:,} with {channels:,} channels",
            "Export it again, or remove it from the data.",
        )
    pixels = height * width * math.ceil(channels / 4)
    if pixels > PIXEL_LIMIT:
        raise DataError(
            f"a picture has at most {PIXEL_LIMIT:,} pixels",
            f"'{location}' says it is {height:,}×{width:,} with {channels:,} channels",
            "If the file is sound, save it as a TIFF in tiles, which limner predict reads by window, cut it into "
            "smaller pictures or raise limner.images.limits.PIXEL_LIMIT; if it is not, remove it.",
        )


def check_memory(needed: int, location: str) -> None:
    """Refuse to unpack what its header says takes more than its share of the memory.

    Args:
        needed: Bytes once it is unpacked.
        location: What to call it in the message.

    Raises:
        DataError: Naming it and both numbers.
    """
    if needed > memory() // MEMORY_SHARE:
        raise DataError(
            f"a file unpacks to at most 1/{MEMORY_SHARE} of the memory, which is {memory() / 2**30:.1f} GB here",
            f"'{location}' says it unpacks to {needed / 2**30:.1f} GB",
            "If the file is sound, cut it into smaller pictures or use a machine with more memory; "
            "if it is not, remove it.",
        )


@functools.cache
def memory() -> int:
    """Bytes of memory this process may use: the machine's, or less where a container or `ulimit` allows less."""
    bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in _CONTAINER:
        with contextlib.suppress(OSError, ValueError):  # not there, or the word "max"
            bounds.append(int(Path(file).read_text()))
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        bounds.append(address_space)
    return min(bounds)
