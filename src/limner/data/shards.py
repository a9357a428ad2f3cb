"""Samples as shards: the files they are made of, as they are, in large chunks, with what was found out about them.

Layer: data. Imports no torch.

    chunk-0-K.bin        files, one after the other; LitData's format
    index.json           LitData's index of the chunks
    samples.csv          the samples; locations say the number of each file
    data.json            label maps, fingerprint, pairing, notes
    limner-shards.json   written last: shards that have it are whole

Files are kept as they are, not as decoded pictures: nothing is lost, a JPEG stays a tenth of its pixels on the way
from a store, and every working size, tile and evaluation is still possible.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limner.data.catalog import Catalog
from limner.data.digests import digest_text
from limner.data.stored_masks import join_planes, split_planes
from limner.errors import DataError, OutputError
from limner.files import output_error, write_bytes, write_text
from limner.images import (
    exists_url,
    is_url,
    make_chunk,
    names_below,
    parse_location,
    read_bytes,
    remove_url,
    send_file,
    shard_location,
    shards_at,
)

MARK = "limner-shards.json"
_JOURNAL = "limner-shards.part.json"
_INDEX = "index.json"
_CHUNK_BYTES = 64 * 2**20
_MOST_BYTES = 2**32 - 2**20  # LitData counts the bytes of a chunk in 32 bits
_FORMAT = 1


@dataclass(frozen=True)
class Shards:
    """What `write_shards` made.

    Attributes:
        place: Folder or URL.
        files: Number of files in it.
        chunks: Number of chunks.
        size: Bytes of all chunks.
        kept: Chunks that an earlier, interrupted call had made.
    """

    place: str
    files: int
    chunks: int
    size: int
    kept: int


def is_shards(place: str | Path | None) -> bool:
    """Whether there are shards at a place.

    Raises:
        DataError: A store cannot be reached.
    """
    if place is None:
        return False
    if is_url(str(place)) and not str(place).startswith("file://"):
        return exists_url(f"{str(place).rstrip('/')}/{MARK}")
    return (Path(str(place).removeprefix("file://")) / MARK).is_file()


def read_part(place: str, name: str) -> bytes:
    """A file beside the chunks.

    Raises:
        DataError: It cannot be read.
    """
    return read_bytes(f"{place.rstrip('/')}/{name}")


def located(catalog: Catalog, place: str) -> Catalog:
    """The samples of shards at the place where these are now."""
    place = place if is_url(place) else str(Path(place).absolute())
    return _relocated(catalog, lambda location: shards_at(location, place.rstrip("/")))


def write_shards(
    catalog: Catalog, describe: Callable[[Catalog, Path], None], place: str, progress: Callable[[int, int], None]
) -> Shards:
    """Put the files of samples into shards; what an interrupted call left there is completed.

    Args:
        catalog: The samples.
        describe: Writes `samples.csv` and `data.json` of samples into a folder.
        place: Folder or URL.
        progress: Told the number of files done and of all.

    Raises:
        DataError: A file cannot be read, or is none that can be in shards.
        OutputError: The place cannot be written, or holds something else.
        MissingExtra: LitData is not installed.
    """
    files = _files_of(catalog)
    numbers = {file: shard_location(number, file.rpartition("/")[2]) for number, file in enumerate(files)}
    moved = _relocated(catalog, lambda location: _moved(location, numbers))
    key = digest_text(json.dumps([_FORMAT, files, catalog.facts.get("hash"), catalog.facts.get("target_hash")]))
    target = _Target(place)
    done = target.journal(key)
    kept = len(done["chunks"])
    first = sum(chunk["chunk_size"] for chunk in done["chunks"])
    progress(first, len(files))
    for data in _chunks(files[first:]):
        with tempfile.TemporaryDirectory(prefix="limner-shard-") as folder:
            try:
                path, chunk, done["config"] = make_chunk(Path(folder), len(done["chunks"]), data)
            except OSError as error:
                raise output_error(Path(folder), error) from error
            target.put(path, path.name)
        done["chunks"].append(chunk)
        target.write(_JOURNAL, json.dumps(done))
        first += len(data)
        progress(first, len(files))
    with tempfile.TemporaryDirectory(prefix="limner-shard-") as folder:
        describe(moved, Path(folder))
        for path in sorted(Path(folder).iterdir()):
            target.put(path, path.name)
    index = {"chunks": done["chunks"], "config": done["config"], "updated_at": key}
    target.write(_INDEX, json.dumps(index, sort_keys=True))
    size = sum(int(chunk["chunk_bytes"]) for chunk in done["chunks"])
    target.write(MARK, json.dumps({"format": _FORMAT, "key": key, "files": len(files), "bytes": size}))
    target.remove(_JOURNAL)
    return Shards(place, len(files), len(done["chunks"]), size, kept)


def _files_of(catalog: Catalog) -> list[str]:
    """Every file of the samples once, in the order in which samples first have them: what is read together is near."""
    inputs = [[[location] for location in column] for column in catalog.inputs.values()]
    targets = [[split_planes(location) for location in column] for column in catalog.targets.values()]
    files: dict[str, None] = {}
    for row in zip(*inputs, *targets, strict=True):
        for parts in row:
            for part in filter(None, parts):
                place = parse_location(part)
                whole = place.row is None and not part.endswith("/")
                on_disk = place.archive is None and not is_url(place.path)
                if not whole or (on_disk and Path(place.path).is_dir()):
                    raise DataError(
                        "samples whose pictures and masks are files, to put into shards",
                        f"'{part}'",
                        "Make files of them first: limner convert.",
                    )
                files.setdefault(place.file)
    return list(files)


def _moved(location: str, numbers: dict[str, str]) -> str:
    """A location, its file being one in shards; the page or key stays."""
    if not location:
        return location
    file = parse_location(location).file
    return numbers[file] + location.removeprefix("file://")[len(file) :]


def _relocated(catalog: Catalog, move: Callable[[str], str]) -> Catalog:
    return replace(
        catalog,
        inputs={name: [move(location) for location in column] for name, column in catalog.inputs.items()},
        targets={
            name: [join_planes([move(plane) for plane in split_planes(location)]) for location in column]
            for name, column in catalog.targets.items()
        },
    )


def _chunks(files: Sequence[str]) -> Iterator[list[bytes]]:
    """The bytes of files, as many at a time as make a chunk."""
    taken: list[bytes] = []
    size = 0
    for file in files:
        data = read_bytes(file)
        if len(data) > _MOST_BYTES:
            raise DataError("files below 4 GiB, to put into shards", f"'{file}'", "Cut it into several.")
        if taken and size + len(data) > _CHUNK_BYTES:
            yield taken
            taken, size = [], 0
        taken.append(data)
        size += len(data)
    if taken:
        yield taken


class _Target:
    """Where shards are written: each file whole or not at all."""

    def __init__(self, place: str) -> None:
        self._url = place.rstrip("/") if is_url(place) else None
        self._folder = Path(place)

    def journal(self, key: str) -> dict[str, Any]:
        """What an interrupted call has done.

        Raises:
            OutputError: The place holds something else, or shards that are whole.
        """
        names = set(names_below(self._url)) if self._url else _names(self._folder)
        if not names:
            return {"key": key, "chunks": [], "config": {}}
        place = self._url or str(self._folder)
        if MARK in names:
            raise OutputError(f"a new place for shards at '{place}'", "whole shards", "Choose another --out.")
        if _JOURNAL not in names:
            found = "no shards that were begun, but other files"
            # A call that ended before its first chunk was written down.
            if not all(name.startswith("chunk-0-") for name in names):
                raise OutputError(f"an empty place for shards at '{place}'", found, "Choose another --out.")
            return {"key": key, "chunks": [], "config": {}}
        done: dict[str, Any] = json.loads(read_part(place, _JOURNAL))
        if done["key"] != key:
            raise OutputError(
                f"shards of the same files at '{place}'",
                "some that were begun from others, or with another order of the samples",
                "Choose another --out, or take them away.",
            )
        missing = [chunk["filename"] for chunk in done["chunks"] if chunk["filename"] not in names]
        if missing:
            raise OutputError(
                f"all chunks that were begun at '{place}'", f"no {missing[0]}", "Take the rest away and begin anew."
            )
        return done

    def put(self, path: Path, name: str) -> None:
        """Bring a file to its place."""
        if self._url:
            send_file(path, f"{self._url}/{name}")
        else:
            write_bytes(self._folder / name, path.read_bytes())

    def write(self, name: str, text: str) -> None:
        """Write a text."""
        if not self._url:
            write_text(self._folder / name, text)
            return
        with tempfile.TemporaryDirectory(prefix="limner-shard-") as folder:
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8")
            self.put(path, name)

    def remove(self, name: str) -> None:
        """Take a file away."""
        if self._url:
            remove_url(f"{self._url}/{name}")
        else:
            (self._folder / name).unlink(missing_ok=True)


def _names(folder: Path) -> set[str]:
    try:
        # Hidden ones are what a kill left of a file that was being written.
        return {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else set()
    except OSError as error:
        raise output_error(folder, error) from error
