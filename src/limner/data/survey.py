"""A look at the files: at all of them, or of very many that are known in kind at a sample.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Int64

from limner.data.catalog import Catalog
from limner.data.checks import Policy, check_readable
from limner.data.digests import stated_digests
from limner.data.labels import LabelMap
from limner.data.memory import Memory
from limner.data.scan import Scanned, scan
from limner.types import Progress

Extent: TypeAlias = Literal["auto", "all"]
"""Which files are looked at: `auto` a sample of very many whose masks are known in kind."""

LARGE = 20_000
"""Samples beyond which `auto` looks at a sample."""

SAMPLED = 2_000
"""Samples that it looks at."""


@dataclass(frozen=True)
class Survey:
    """What a look at the files gave.

    Attributes:
        catalog: The samples; once those that cannot be read are left out, with the facts `hash`,
            `target_hash`, `height` and `width`.
        looked: Positions in the catalog of the samples that were looked at.
        scans: What was found at each of these.
        notes: What is worth knowing.
    """

    catalog: Catalog
    looked: list[int]
    scans: list[Scanned]
    notes: list[str]

    @property
    def whole(self) -> bool:
        """Whether every sample was looked at."""
        return len(self.looked) == len(self.catalog)

    @property
    def part(self) -> Catalog:
        """The samples that were looked at, as the catalog now has them."""
        return self.catalog if self.whole else self.catalog.subset(self.looked)

    def subset(self, kept: Int64[np.ndarray, " kept"]) -> Survey:
        """The same with these samples alone."""
        if len(kept) == len(self.catalog):
            return self
        moved = {index: place for place, index in enumerate(kept.tolist())}
        still = [place for place, index in enumerate(self.looked) if index in moved]
        return Survey(
            self.catalog.subset(kept),
            [moved[self.looked[place]] for place in still],
            [self.scans[place] for place in still],
            self.notes,
        )

    def without(self, dropped: Collection[int]) -> Survey:
        """The same without some of the samples that were looked at, by their places among these."""
        gone = {self.looked[place] for place in dropped}
        return self.subset(np.array([index for index in range(len(self.catalog)) if index not in gone], np.int64))

    def readable(self) -> Survey:
        """The same without samples whose files cannot be read, and with the facts of the others."""
        found = self.without([place for place, scanned in enumerate(self.scans) if scanned.problems])
        if "hash" not in found.catalog.facts:
            sizes = [next(iter(scanned.infos.values())).size for scanned in found.scans]
            found.catalog.facts["hash"] = [scanned.input_digest for scanned in found.scans]
            found.catalog.facts["target_hash"] = [scanned.target_digest for scanned in found.scans]
            found.catalog.facts["height"] = [str(height) for height, _ in sizes]
            found.catalog.facts["width"] = [str(width) for _, width in sizes]
        return found


def survey(
    catalog: Catalog,
    labels: Mapping[str, LabelMap],
    *,
    extent: Extent = "auto",
    numbers: Collection[str] = (),
    unreadable: Policy = "stop",
    seed: int = 0,
    memory: Memory | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Look at the files of a catalog, as `look` does, and refuse or leave out what cannot be read.

    Args:
        catalog: The samples.
        labels: Label maps that are known.
        extent: `all` looks at every file.
        numbers: Targets of measured numbers.
        unreadable: `skip` looks at every file, and leaves samples with damaged ones out.
        seed: Seed of the sample.
        memory: As in `scan`.
        progress: As in `scan`.

    Raises:
        DataError: Files cannot be read.
    """
    skip = unreadable == "skip"
    found = look(
        catalog,
        labels,
        extent="all" if skip else extent,
        numbers=numbers,
        decode=skip,
        seed=seed,
        memory=memory,
        progress=progress,
    )
    notes = check_readable(found.part, found.scans, unreadable)
    return replace(found.readable(), notes=[*found.notes, *notes])


def look(
    catalog: Catalog,
    labels: Mapping[str, LabelMap],
    *,
    extent: Extent = "auto",
    numbers: Collection[str] = (),
    decode: bool = False,
    seed: int = 0,
    memory: Memory | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Look at the files of a catalog; what cannot be read stays among the samples.

    Of more than `LARGE` samples `SAMPLED` are looked at if every target's label map is known and these
    samples have one size; contents are then told by what the archive or the file system states.

    Args:
        catalog: The samples.
        labels: Label maps that are known.
        extent: `all` looks at every file.
        numbers: Targets of measured numbers.
        decode: Decode the images too (see `scan`).
        seed: Seed of the sample.
        memory: As in `scan`.
        progress: As in `scan`.

    Raises:
        DataError: A file of very many is missing.
    """
    known = set(catalog.targets) <= set(labels)
    if extent == "auto" and known and len(catalog) > LARGE:
        found = _look_at_some(catalog, numbers, seed, progress)
        if found is not None:
            return found
    scans = scan(catalog, numbers=numbers, decode=decode, memory=memory, progress=progress)
    return Survey(catalog, list(range(len(catalog))), scans, [])


def _look_at_some(catalog: Catalog, numbers: Collection[str], seed: int, progress: Progress | None) -> Survey | None:
    """A look at a sample; None if its sizes differ, so that every file must be asked for its own."""
    looked = np.sort(np.random.default_rng(seed).choice(len(catalog), SAMPLED, replace=False)).tolist()
    part = catalog.subset(looked)
    scans = scan(part, numbers=numbers, digests=False, progress=progress)
    sizes = {info.size for scanned in scans for info in scanned.infos.values()}
    if len(sizes) != 1:
        return None
    height, width = (str(length) for length in sizes.pop())
    catalog.facts["hash"] = stated_digests(list(catalog.inputs.values()))
    catalog.facts["target_hash"] = stated_digests(list(catalog.targets.values()))
    catalog.facts["height"] = [height] * len(catalog)
    catalog.facts["width"] = [width] * len(catalog)
    note = (
        f"Of {len(catalog):,} samples {SAMPLED:,} were looked at, drawn at random: all are {height}×{width} and "
        "their masks hold known values. To look at every one, type data.scan=all."
    )
    return Survey(catalog, looked, scans, [note])
