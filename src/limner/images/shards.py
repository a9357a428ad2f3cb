"""Files in the chunks of LitData: many small files as few large ones, on a disk or in an object store.

Layer: images. The only importer of LitData, and only when shards are met.

A file is named `shards://PLACE!/NUMBER/NAME`, PLACE being a folder or the URL of a store. On a disk its bytes are read
from a memory map of its chunk; from a store they are fetched by themselves, in two requests for a range of the chunk.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import threading
from pathlib import Path
from typing import Any

from limner.errors import DataError, MissingExtra, install_line

SCHEME = "shards://"
_FORM = re.compile(r"shards://(?P<place>.*)!/(?P<number>[0-9]+)/[^/]*", re.DOTALL)


def shard_location(number: int, name: str, place: str = "") -> str:
    """The location of a file in shards; without a place it is one in shards that are still to be found.

    Example:
        >>> shard_location(7, "a.png", "s3://bucket/cells")
        'shards://s3://bucket/cells!/7/a.png'
    """
    # A name says what a person reads, and its ending; what has a meaning in locations is taken out of it.
    return f"{SCHEME}{place}!/{number}/{re.sub('[/#|:!]', '_', name)}"


def shards_at(location: str, place: str) -> str:
    """A location without a place, in the shards at `place`; any other as it is."""
    return location.replace(f"{SCHEME}!/", f"{SCHEME}{place}!/")


def read_shard(location: str) -> bytes:
    """The bytes of a file in shards.

    Raises:
        DataError: No such shards, or no such file in them.
        MissingExtra: LitData is not installed.
    """
    match = _FORM.fullmatch(location)
    if match is None:
        raise DataError("a file in shards, shards://PLACE!/NUMBER/NAME", f"'{location}'", "Correct the address.")
    place, number = match["place"], int(match["number"])
    try:
        # Of a memory map that the next file may close.
        return bytes(_opened(place)[number])
    except (DataError, MissingExtra):
        raise
    except Exception as error:  # every store raises errors of its own
        raise DataError(
            f"file {number} of the shards at '{place}'",
            str(error) or type(error).__name__,
            "Check the place, the network and your access rights; limner shard completes shards that are not whole.",
        ) from error


def make_chunk(folder: Path, number: int, files: list[bytes]) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Write a chunk of files.

    Args:
        folder: An empty folder.
        number: Of the chunk, from 0.
        files: Their bytes.

    Returns:
        The chunk, and what LitData's index says of it and of all chunks.

    Raises:
        OSError: It cannot be written.
        MissingExtra: LitData is not installed.
    """
    _litdata()
    writer = importlib.import_module("litdata.streaming.writer").BinaryWriter(
        str(folder), chunk_size=len(files) + 1, chunk_index=number
    )
    for place, data in enumerate(files):
        writer.add_item(place, data)
    (chunk,) = writer.done()
    (index,) = folder.glob("*index.json")
    found = json.loads(index.read_text(encoding="utf-8"))
    # How many files a chunk has is the chunk's own; the index has one answer for all.
    config: dict[str, Any] = {**found["config"], "chunk_size": None}
    return Path(chunk), found["chunks"][0], config


def _litdata() -> Any:
    """LitData.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return importlib.import_module("litdata")
    except ImportError as error:
        raise MissingExtra(
            "the package that reads and writes shards, litdata, is installed",
            str(error),
            install_line("scale"),
        ) from error


class _Readers(threading.local):
    """A reader of each place for every thread: LitData's are made for one."""

    process = 0
    by_place: dict[str, Any] = {}  # noqa: RUF012 - replaced before it is used


_READERS = _Readers()


def _opened(place: str) -> Any:
    if _READERS.process != os.getpid():
        # A forked process must not share connections.
        _READERS.process, _READERS.by_place = os.getpid(), {}
    if place not in _READERS.by_place:
        _READERS.by_place[place] = _litdata().StreamingDataset(place, shuffle=False)
    return _READERS.by_place[place]
