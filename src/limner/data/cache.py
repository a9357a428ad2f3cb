"""The cache: every picture decoded once to its working size, in a memory map.

Layer: data. Imports no torch.

An entry is known by what it was made from: the contents of the files, the label maps, size, channels
and dtype. So it is never stale, and it serves every run that asks for the same. A file that many
samples share, such as a background, is decoded and stored once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal, TypeAlias

import numpy as np
from jaxtyping import Int64, Shaped

from limner.data.cache_folder import MANIFEST, EntryLock, building_path, make_room, read_manifest, remove
from limner.data.cached_samples import SIZES, CachedSamples
from limner.data.catalog import Catalog
from limner.data.digests import digest, digest_text
from limner.data.inputs import check_same_size
from limner.data.labels import LabelMap
from limner.data.samples import (
    Decoding,
    DirectSamples,
    Samples,
    Taken,
    image_locations,
    picture_size,
    working_sizes,
)
from limner.errors import ConfigError, DataError, shorten
from limner.images import read_info
from limner.threads import ordered_map
from limner.types import Progress, Size

__all__ = ["CachedSamples", "DirectSamples", "Samples", "Taken", "default_cache_dir", "open_samples"]

_log = logging.getLogger(__name__)

_FORMAT = 2  # raise it whenever decoding, resizing or the layout of the files changes
_ATTEMPTS = 3
_Key: TypeAlias = tuple[str, str]  # kind, `input` or `target`, and name of an array
# Of a label map; they change no pixel.
_WORDS = dict.fromkeys(("names", "colors", "because", "unit", "low", "high"))


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
    parts: Mapping[str, int] | None = None,
    cache_dir: str | Path | None = None,
    limit_bytes: int = 20_000_000_000,
    progress: Progress | None = None,
) -> Samples:
    """Decoded samples, from the cache if there is room for it.

    Several processes may call this at once: one builds, the others wait and share.

    Args:
        catalog: The samples; `facts["hash"]` and `facts["target_hash"]`, if there, save reading the files.
        label_maps: Label map per target to read.
        channels: Channels of the images, those of all inputs together.
        dtype: `uint8`, `uint16` or `float32`.
        fit: `resize` to `size`, or `native`, where every picture keeps its size.
        size: Working size of `resize`.
        parts: Channels by input, where a sample has several.
        cache_dir: Folder of the cache; None decodes whenever a sample is asked for.
        limit_bytes: Most bytes that the folder may hold; least recently used entries go first.
        progress: Told about every sample while an entry is built, as stage `cache`.

    Raises:
        DataError: Files that cannot be decoded, all of them in one error.
        ConfigError: `resize` without a size.
    """
    if fit == "resize" and size is None:
        raise ConfigError("a working size for `data.fit=resize`", "none", "Set `data.size=[height,width]`.")
    decoding = Decoding(channels, dtype, size if fit == "resize" else None, dict(parts or {}))
    if cache_dir is not None and len(catalog):
        try:
            samples = _Builder(catalog, label_maps, decoding, Path(cache_dir), limit_bytes, progress).open()
        except OSError as error:
            _log.warning("No cache in '%s': %s. Pictures are decoded anew whenever they are used.", cache_dir, error)
        else:
            if samples is not None:
                return samples
    return DirectSamples(catalog, label_maps, decoding)


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
        self._shared = {name: _Shared(column) for name, column in catalog.inputs.items()}
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
        return CachedSamples(self._entry, manifest, tuple(self._catalog.ids), self._label_maps, lock)

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
        pixels = working_sizes(self._catalog, self._decoding.size).prod(axis=1)
        bytes_each = np.dtype(self._decoding.dtype).itemsize
        images = sum(
            int(pixels[shared.first].sum()) * self._channels(name) * bytes_each for name, shared in self._shared.items()
        )
        targets = sum(
            np.dtype(self._dtype(name)).itemsize * (_planes(self._label_maps[name]) or 1) for name in self._label_maps
        )
        return images + int(pixels.sum()) * targets

    def _write(self, temporary: Path) -> None:
        # An input and a target may have one name, so arrays go by kind and name.
        inputs = {name: f"input_{number}.bin" for number, name in enumerate(self._shared)}
        targets = {name: f"target_{number}.bin" for number, name in enumerate(self._label_maps)}
        # Written, not mapped: a full disk is then an error to catch and not a signal that kills.
        with contextlib.ExitStack() as files:
            opened = {
                (kind, name): files.enter_context((temporary / file).open("wb"))
                for kind, names in (("input", inputs), ("target", targets))
                for name, file in names.items()
            }
            sizes = self._write_samples(opened)
            for handle in opened.values():
                handle.flush()
                os.fsync(handle.fileno())
        for name, shared in self._shared.items():
            stem = inputs[name].removesuffix(".bin")
            np.save(temporary / f"{stem}_{SIZES}", sizes[shared.first])
            np.save(temporary / f"{stem}_rows.npy", shared.rows)
        np.save(temporary / SIZES, sizes)
        manifest = {
            "format": _FORMAT,
            "dtype": self._decoding.dtype,
            "inputs": [(file.removesuffix(".bin"), self._channels(name)) for name, file in inputs.items()],
            "targets": {
                name: (file, self._dtype(name), [planes] if (planes := _planes(self._label_maps[name])) else [])
                for name, file in targets.items()
            },
            "files": {path.name: path.stat().st_size for path in temporary.iterdir()},
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")

    def _write_samples(self, files: Mapping[_Key, IO[bytes]]) -> Int64[np.ndarray, "samples 2"]:
        """Write every sample, a shared file with the first that has it; returns their sizes."""
        sizes: list[Size] = []
        problems: list[DataError] = []
        for done, decoded in enumerate(ordered_map(self._decode, range(len(self._catalog))), 1):
            if isinstance(decoded, DataError):
                problems.append(decoded)
            else:
                size, arrays = decoded
                sizes.append(size)
                for key, array in arrays.items():
                    files[key].write(np.ascontiguousarray(array).data)
            if self._progress is not None:
                self._progress("cache", done, len(self._catalog))
        if problems:
            raise _together(problems)
        return np.array(sizes, np.int64).reshape(-1, 2)

    def _decode(self, index: int) -> tuple[Size, dict[_Key, Shaped[np.ndarray, "_ _ *_"]]] | DataError:
        """A sample's size, and its arrays by input and target; inputs that an earlier sample has are left out."""
        try:
            locations = image_locations(self._catalog, index)
            arrays: dict[_Key, np.ndarray] = {
                ("input", name): self._decoding.image(location, name)
                for name, location in locations.items()
                if self._shared[name].is_first(index)
            }
            size = self._size_of(
                locations, {locations[name]: picture_size(array) for (_, name), array in arrays.items()}
            )
            for name, label_map in self._label_maps.items():
                location = self._catalog.targets[name][index]
                read = self._decoding.numbers if self._is_coded(name) else self._decoding.target
                arrays["target", name] = read(location, label_map, size)
        except DataError as error:
            return error
        return size, arrays

    def _size_of(self, locations: Mapping[str, str], decoded: Mapping[str, Size]) -> Size:
        """The size that all inputs of a sample have; of those that were not decoded again from their headers."""
        if self._decoding.size is not None:
            return self._decoding.size
        sizes = {location: decoded.get(location) or read_info(location).size for location in locations.values()}
        check_same_size(sizes)
        return next(iter(sizes.values()))

    def _channels(self, name: str) -> int:
        return self._decoding.parts.get(name, self._decoding.channels)

    def _is_coded(self, name: str) -> bool:
        """Whether a target's stored numbers are kept, which are smaller than what they stand for."""
        label_map = self._label_maps[name]
        return label_map.task == "regression" and label_map.stored != "float32" and all(self._catalog.targets[name])

    def _dtype(self, name: str) -> str:
        if self._label_maps[name].task != "regression":
            return "uint8"
        return self._label_maps[name].stored if self._is_coded(name) else "float32"


class _Shared:
    """Which of an input's files each sample has, files being numbered in the order in which samples first have them."""

    def __init__(self, column: list[str]) -> None:
        numbers: dict[str, int] = {}
        self.rows = np.array([numbers.setdefault(location, len(numbers)) for location in column], np.int64)
        self.first: Int64[np.ndarray, " files"] = np.unique(self.rows, return_index=True)[1]
        """The first sample that has each file."""
        self._firsts = frozenset(self.first.tolist())

    def is_first(self, index: int) -> bool:
        """Whether no earlier sample has this sample's file."""
        return index in self._firsts


def _key(catalog: Catalog, label_maps: Mapping[str, LabelMap], decoding: Decoding) -> str:
    """What the entry is made from, as a hash."""
    images = catalog.facts.get("hash") or [
        digest(image_locations(catalog, index).values()) for index in range(len(catalog))
    ]
    masks = catalog.facts.get("target_hash") or [
        digest([locations[index] for locations in catalog.targets.values()]) for index in range(len(catalog))
    ]
    maps = {name: {**label_map.to_dict(), **_WORDS} for name, label_map in label_maps.items()}
    made_of = [decoding.channels, decoding.dtype, decoding.size, list(decoding.parts.items())]
    return digest_text(json.dumps([_FORMAT, images, masks, maps, *made_of]))


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
