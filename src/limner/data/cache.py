"""The cache: every picture decoded once to its working size, in a memory map.

Layer: data. Imports no torch.

An entry is known by what it was made from: the contents of the files, the label maps, size, channels
and dtype. So it is never stale, and it serves every run that asks for the same.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from jaxtyping import Integer, Shaped, UInt8

from limner.data.cache_folder import MANIFEST, EntryLock, building_path, make_room, read_manifest, remove
from limner.data.catalog import Catalog
from limner.data.digests import digest, digest_text
from limner.data.labels import LabelMap
from limner.data.samples import Decoding, DirectSamples, Samples, Taken, image_location, working_sizes
from limner.data.scan import Progress
from limner.errors import ConfigError, DataError, shorten
from limner.threads import ordered_map
from limner.types import Size

__all__ = ["CachedSamples", "DirectSamples", "Samples", "Taken", "default_cache_dir", "open_samples"]

_log = logging.getLogger(__name__)

_FORMAT = 1  # raise it whenever decoding, resizing or the layout of the files changes
_IMAGES = "images.bin"
_SIZES = "sizes.npy"
_ATTEMPTS = 3
_WORDS = dict.fromkeys(("names", "colors", "because"))  # of a label map; they change no pixel


def default_cache_dir() -> Path:
    """`$LIMNER_CACHE`, else `limner` in `$XDG_CACHE_HOME` or `~/.cache`."""
    chosen = os.environ.get("LIMNER_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "limner"


def open_samples(
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    channels: int,
    dtype: str,
    fit: Literal["resize", "native"],
    size: Size | None = None,
    cache_dir: str | Path | None = None,
    limit_bytes: int = 20_000_000_000,
    progress: Progress | None = None,
) -> Samples:
    """Decoded samples, from the cache if there is room for it.

    Several processes may call this at once: one builds, the others wait and share.

    Args:
        catalog: The samples; `facts["hash"]` and `facts["target_hash"]`, if there, save reading the files.
        label_maps: Label map per target to read.
        channels: Channels of the images.
        dtype: `uint8`, `uint16` or `float32`.
        fit: `resize` to `size`, or `native`, where every picture keeps its size.
        size: Working size of `resize`.
        cache_dir: Folder of the cache; None decodes whenever a sample is asked for.
        limit_bytes: Most bytes that the folder may hold; least recently used entries go first.
        progress: Told about every sample while an entry is built, as stage `cache`.

    Raises:
        DataError: Files that cannot be decoded, all of them in one error.
        ConfigError: `resize` without a size.
    """
    if fit == "resize" and size is None:
        raise ConfigError("a working size for `data.fit=resize`", "none", "Set `data.size=[height,width]`.")
    decoding = Decoding(channels, dtype, size if fit == "resize" else None)
    if cache_dir is not None and len(catalog):
        try:
            samples = _Builder(catalog, label_maps, decoding, Path(cache_dir), limit_bytes, progress).open()
        except OSError as error:
            _log.warning("No cache in '%s': %s. Pictures are decoded anew whenever they are used.", cache_dir, error)
        else:
            if samples is not None:
                return samples
    return DirectSamples(catalog, label_maps, decoding)


class CachedSamples:
    """Samples in a memory map; `take` gives views of it and copies nothing.

    Args:
        entry: Folder of the entry.
        manifest: Its manifest.
        ids: Sample ids; not part of the entry, which copies of a data set share.
        lock: Held shared as long as this object lives, so that nobody removes the entry.
    """

    def __init__(self, entry: Path, manifest: Mapping[str, Any], ids: tuple[str, ...], lock: EntryLock) -> None:
        self._ids = ids
        self._lock = lock
        self._sizes = np.load(entry / _SIZES)
        self._images = _Column(entry / _IMAGES, manifest["dtype"], self._sizes, (manifest["channels"],))
        self._targets = {
            name: _Column(entry / file, "uint8", self._sizes, tuple(planes))
            for name, (file, planes) in manifest["targets"].items()
        }

    @property
    def ids(self) -> tuple[str, ...]:
        """Sample ids."""
        return self._ids

    @property
    def uniform(self) -> bool:
        """Whether all samples have one size."""
        return bool((self._sizes == self._sizes[:1]).all())

    def __len__(self) -> int:
        return len(self._ids)

    def size(self, index: int) -> Size:
        """Height and width of a sample."""
        return int(self._sizes[index, 0]), int(self._sizes[index, 1])

    def take(self, indices: Integer[np.ndarray, " batch"]) -> Taken:
        """Read-only views of the samples with these numbers, in this order."""
        numbers = indices.tolist()
        return Taken(
            images=[self._images[number] for number in numbers],
            targets={name: [column[number] for number in numbers] for name, column in self._targets.items()},
        )


class _Column:
    """The arrays of one file, one after the other."""

    def __init__(self, path: Path, dtype: str, sizes: Integer[np.ndarray, "samples 2"], last: tuple[int, ...]) -> None:
        # As a plain array: slices of np.memmap are several times slower to make.
        self._data = np.asarray(np.memmap(path, dtype=dtype, mode="r"))
        self._shapes = [(*row, *last) for row in sizes.tolist()]
        lengths = sizes.prod(axis=1) * int(np.prod(last, dtype=np.int64))
        self._ends = [0, *np.cumsum(lengths).tolist()]

    def __getitem__(self, number: int) -> Shaped[np.ndarray, "height width *last"]:
        number %= len(self._shapes)
        return self._data[self._ends[number] : self._ends[number + 1]].reshape(self._shapes[number])


class _Builder:
    """Finds an entry or builds it."""

    def __init__(
        self,
        catalog: Catalog,
        label_maps: Mapping[str, LabelMap],
        decoding: Decoding,
        folder: Path,
        limit: int,
        progress: Progress | None,
    ) -> None:
        self._catalog = catalog
        self._label_maps = dict(label_maps)
        self._decoding = decoding
        self._folder = folder
        self._limit = limit
        self._progress = progress
        self._key = _key(catalog, label_maps, decoding)
        self._entry = folder / self._key

    def open(self) -> CachedSamples | None:
        """The entry, built if need be; None if there is no room for it."""
        lock = EntryLock(self._folder, self._key)
        try:
            for _ in range(_ATTEMPTS):
                lock.share()
                if (samples := self._load(lock)) is not None:
                    return samples
                lock.own()
                # While this process waited, another may have built the entry.
                if read_manifest(self._entry) is None and not self._build():
                    lock.discard()
                    return None
        except BaseException:
            lock.close()
            raise
        lock.close()
        return None

    def _load(self, lock: EntryLock) -> CachedSamples | None:
        manifest = read_manifest(self._entry)
        if manifest is None:
            return None
        with contextlib.suppress(OSError):  # a shared cache may be read-only
            os.utime(self._entry / MANIFEST)
        return CachedSamples(self._entry, manifest, tuple(self._catalog.ids), lock)

    def _build(self) -> bool:
        needed = self._needed()
        if not make_room(self._folder, self._key, needed, self._limit):
            _log.warning(
                "No room for %.1f GB of decoded pictures in '%s'. They are decoded anew whenever they are used.",
                needed / 1e9,
                self._folder,
            )
            return False
        temporary = building_path(self._folder, self._key)
        try:
            temporary.mkdir()
            self._write(temporary)
            temporary.rename(self._entry)
        finally:
            remove(temporary)
        return True

    def _needed(self) -> int:
        pixels = int(working_sizes(self._catalog, self._decoding.size).prod(axis=1).sum())
        planes = sum(_planes(label_map) or 1 for label_map in self._label_maps.values())
        return pixels * (self._decoding.channels * np.dtype(self._decoding.dtype).itemsize + planes)

    def _write(self, temporary: Path) -> None:
        files = {name: f"target_{number}.bin" for number, name in enumerate(self._label_maps)}
        # Written, not mapped: a full disk is then an error to catch and not a signal that kills.
        images = (temporary / _IMAGES).open("wb")
        targets = {name: (temporary / file).open("wb") for name, file in files.items()}
        try:
            sizes = self._write_samples(images, targets)
            for handle in (images, *targets.values()):
                handle.flush()
                os.fsync(handle.fileno())
        finally:
            for handle in (images, *targets.values()):
                handle.close()
        np.save(temporary / _SIZES, np.array(sizes, np.int64))
        manifest = {
            "format": _FORMAT,
            "dtype": self._decoding.dtype,
            "channels": self._decoding.channels,
            "targets": {
                name: (file, [planes] if (planes := _planes(self._label_maps[name])) else [])
                for name, file in files.items()
            },
            "files": {path.name: path.stat().st_size for path in temporary.iterdir()},
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")

    def _write_samples(self, images: IO[bytes], targets: Mapping[str, IO[bytes]]) -> list[Size]:
        sizes: list[Size] = []
        problems: list[DataError] = []
        for done, decoded in enumerate(ordered_map(self._decode, range(len(self._catalog))), 1):
            if isinstance(decoded, DataError):
                problems.append(decoded)
            else:
                image, masks = decoded
                sizes.append((image.shape[0], image.shape[1]))
                images.write(np.ascontiguousarray(image).data)
                for name, handle in targets.items():
                    handle.write(np.ascontiguousarray(masks[name]).data)
            if self._progress is not None:
                self._progress("cache", done, len(self._catalog))
        if problems:
            raise _together(problems)
        return sizes

    def _decode(
        self, index: int
    ) -> tuple[Shaped[np.ndarray, "height width _"], dict[str, UInt8[np.ndarray, "height width *_"]]] | DataError:
        try:
            return self._decoding.sample(self._catalog, self._label_maps, index)
        except DataError as error:
            return error


def _key(catalog: Catalog, label_maps: Mapping[str, LabelMap], decoding: Decoding) -> str:
    """What the entry is made from, as a hash."""
    images = catalog.facts.get("hash") or [digest([image_location(catalog, index)]) for index in range(len(catalog))]
    masks = catalog.facts.get("target_hash") or [
        digest([locations[index] for locations in catalog.targets.values()]) for index in range(len(catalog))
    ]
    maps = {name: {**label_map.to_dict(), **_WORDS} for name, label_map in label_maps.items()}
    return digest_text(json.dumps([_FORMAT, images, masks, maps, decoding.channels, decoding.dtype, decoding.size]))


def _planes(label_map: LabelMap) -> int:
    """Planes of a target's arrays; 0 if they hold ids."""
    return label_map.num_classes if label_map.task == "multilabel" else 0


def _together(problems: list[DataError]) -> DataError:
    if len(problems) == 1:
        return problems[0]
    return DataError(
        "files that can be decoded",
        f"{len(problems):,} that cannot",
        "Replace or remove them, or set `data.unreadable=skip`.",
        details=shorten([f"{problem.found} ({problem.expected})" for problem in problems]),
    )
