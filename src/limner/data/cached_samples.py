"""Samples in a finished entry of the cache.

Layer: data. Imports no torch. `cache` builds the entries and opens them.

    sizes.npy                   height and width of every sample
    input_K.bin                 pixels of each file of an input, one after the other
    input_K_sizes.npy           their heights and widths
    input_K_rows.npy            which of them each sample has
    target_K.bin                ids, planes or numbers of every sample
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Integer, Shaped

from limner.data.cache_folder import EntryLock
from limner.data.inputs import join_pictures
from limner.data.labels import LabelMap
from limner.data.samples import Taken
from limner.types import Size

SIZES = "sizes.npy"


class CachedSamples:
    """Samples in a memory map; `take` gives views of it, and copies only to join inputs and to measure numbers.

    Args:
        entry: Folder of the entry.
        manifest: Its manifest.
        ids: Sample ids; not part of the entry, which copies of a data set share.
        label_maps: Label map per target.
        lock: Held shared as long as this object lives, so that nobody removes the entry.
    """

    def __init__(
        self,
        entry: Path,
        manifest: Mapping[str, Any],
        ids: tuple[str, ...],
        label_maps: Mapping[str, LabelMap],
        lock: EntryLock,
    ) -> None:
        self._ids = ids
        self._lock = lock
        self._sizes = np.load(entry / SIZES)
        self._inputs = [
            _Column(entry / f"{file}.bin", manifest["dtype"], np.load(entry / f"{file}_{SIZES}"), (channels,))
            for file, channels in manifest["inputs"]
        ]
        self._rows = [np.load(entry / f"{file}_rows.npy") for file, _ in manifest["inputs"]]
        self._targets = {
            name: _Column(entry / file, dtype, self._sizes, tuple(planes))
            for name, (file, dtype, planes) in manifest["targets"].items()
        }
        self._tables = {
            name: _number_table(label_maps[name], dtype)
            for name, (_, dtype, _) in manifest["targets"].items()
            if label_maps[name].task == "regression" and dtype != "float32"
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
        """The samples with these numbers, in this order; where possible as read-only views."""
        numbers = indices.tolist()
        return Taken(
            images=[
                join_pictures(
                    [column[int(rows[number])] for column, rows in zip(self._inputs, self._rows, strict=True)]
                )
                for number in numbers
            ],
            targets={name: self._take_target(name, numbers) for name in self._targets},
        )

    def _take_target(self, name: str, numbers: list[int]) -> list[Shaped[np.ndarray, "_ _ *classes"]]:
        arrays = [self._targets[name][number] for number in numbers]
        table = self._tables.get(name)
        return arrays if table is None else [table[array] for array in arrays]


class _Column:
    """The arrays of one file, one after the other."""

    def __init__(self, path: Path, dtype: str, sizes: Integer[np.ndarray, "samples 2"], last: tuple[int, ...]) -> None:
        # As a plain array: slices of np.memmap are several times slower to make.
        self._data = np.asarray(np.memmap(path, dtype=dtype, mode="r"))
        # Sizes and places stay arrays: a list of them would be an object for every sample.
        self._sizes = sizes
        self._last = last
        self._ends = np.concatenate([[0], np.cumsum(sizes.prod(axis=1) * int(np.prod(last, dtype=np.int64)))])

    def __getitem__(self, number: int) -> Shaped[np.ndarray, "height width *last"]:
        number %= len(self._sizes)
        shape = (*self._sizes[number].tolist(), *self._last)
        return self._data[self._ends[number] : self._ends[number + 1]].reshape(shape)


def _number_table(label_map: LabelMap, dtype: str) -> Float32[np.ndarray, " numbers"]:
    """What each stored number stands for, by the number."""
    return label_map.measured(np.arange(np.iinfo(dtype).max + 1, dtype=dtype))
