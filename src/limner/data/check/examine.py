"""The whole check of a data set: what would stop a training, then one look at every picture.

Layer: data. Imports no torch.

    stops       names, headers, mask values: what `prepare` would refuse      stops
    verdicts    what the masks mean, and how sure that is                     verdicts
    gather      one pass over decoded pictures, kept by content               gather, features
    detectors   form, content, duplicates, groups, shuffled pairs             geometry, content, …
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from limner.data.catalog import Catalog, spread
from limner.data.check.closer import looker
from limner.data.check.content import Working, check_content
from limner.data.check.copies import Copies, find_copies
from limner.data.check.duplicates import check_duplicates, near_copies
from limner.data.check.findings import Finding, worst_first
from limner.data.check.gather import Gathered, gather, picture_of
from limner.data.check.geometry import check_geometry
from limner.data.check.groups import check_groups
from limner.data.check.matching import check_matching
from limner.data.labels import LabelMap
from limner.data.memory import Memory
from limner.data.store import Store
from limner.errors import DataError, shorten
from limner.types import Progress, no_progress

QUICK = 2000
"""Samples whose pictures a quick look decodes."""


class Examination:
    """One check of a data set: what its steps share, so that no file is read and no pair compared twice.

    Args:
        cache_dir: Folder in which what is found in files is kept by their contents; None keeps nothing
            beyond the examination.
        most: Samples whose pictures are looked at, evenly spread; None looks at all.
        progress: Told about every sample and every pair of pictures.
    """

    def __init__(self, cache_dir: Path | None, *, most: int | None = None, progress: Progress = no_progress) -> None:
        self._store = Store(cache_dir)
        self._most = most
        self._progress = progress
        self._gathered: tuple[Any, Gathered] | None = None
        self._copies: tuple[Gathered, Copies] | None = None
        self.memory = Memory(self._store, self._see)

    def __enter__(self) -> Examination:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    def find_copies(self, catalog: Catalog, label_maps: Mapping[str, LabelMap]) -> list[list[int]]:
        """Clusters of samples whose pictures are the same one, whatever was done to the files; for `prepare`.

        Args:
            catalog: The samples, with their facts.
            label_maps: Label map per target.
        """
        gathered = self._gather(catalog.subset(self._chosen(catalog)), label_maps)
        if not isinstance(gathered, Gathered):
            return []
        place = {name: index for index, name in enumerate(catalog.ids)}
        clusters = near_copies(gathered.catalog, self._find(gathered))
        return [[place[gathered.catalog.ids[index]] for index in cluster] for cluster in clusters]

    def examine(
        self, catalog: Catalog, label_maps: Mapping[str, LabelMap], working: Working | None = None
    ) -> list[Finding]:
        """Look at every picture and mask, unless that was done.

        Args:
            catalog: Samples whose names, headers and mask values are in order; split if splits are to be looked at.
            label_maps: Label map per target; targets without one are not looked at.
            working: The scale at which a training would see the pictures.

        Returns:
            Findings, the worst first.
        """
        chosen = self._chosen(catalog)
        gathered = self._gather(catalog if len(chosen) == len(catalog) else catalog.subset(chosen), label_maps)
        if not isinstance(gathered, Gathered):
            return [_undecodable(gathered, len(chosen))]
        findings = [_undecodable(gathered.problems, len(chosen))] if gathered.problems else []
        copies = self._find(gathered)
        return worst_first([*findings, *detect(gathered, label_maps, working, copies, self._progress)])

    def _see(self, catalog: Catalog, index: int, content: str) -> bool:
        """Describe a picture while its file is open, if every picture is looked at; says whether it was."""
        wanted = self._most is None or len(catalog) <= self._most
        if wanted:
            picture_of(catalog, index, content, self._store)
        return wanted

    def _chosen(self, catalog: Catalog) -> list[int]:
        return spread(np.arange(len(catalog)), len(catalog) if self._most is None else self._most)

    def _gather(self, catalog: Catalog, label_maps: Mapping[str, LabelMap]) -> Gathered | list[tuple[str, DataError]]:
        """What was gathered of the same samples before, with their splits and groups as they are now."""
        key = (catalog.ids, catalog.facts.get("hash"), catalog.facts.get("target_hash"), dict(label_maps))
        if self._gathered is not None and self._gathered[0] == key:
            known = self._gathered[1]
            failed = {name for name, _ in known.problems}
            kept = [index for index, name in enumerate(catalog.ids) if name not in failed]
            return replace(known, catalog=catalog.subset(kept))
        gathered = gather(catalog, label_maps, self._store, self._progress)
        if isinstance(gathered, Gathered):
            self._gathered = (key, gathered)
        return gathered

    def _find(self, gathered: Gathered) -> Copies:
        if self._copies is None or self._copies[0].features is not gathered.features:
            hashes = gathered.catalog.facts.get("hash")
            self._copies = (gathered, find_copies(gathered.features, looker(gathered.catalog), hashes, self._progress))
        return self._copies[1]


def examine(
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    working: Working | None = None,
    quick: bool = False,
    cache_dir: Path | None = None,
    progress: Progress = no_progress,
) -> list[Finding]:
    """An `Examination` of samples that are prepared; arguments as there."""
    with Examination(cache_dir, most=QUICK if quick else None, progress=progress) as examination:
        return examination.examine(catalog, label_maps, working)


def detect(
    gathered: Gathered,
    label_maps: Mapping[str, LabelMap],
    working: Working | None,
    copies: Copies,
    progress: Progress,
) -> list[Finding]:
    """Everything that can be said about decoded samples."""
    catalog, features = gathered.catalog, gathered.features
    return [
        *check_matching(catalog, features, progress=progress),
        *check_duplicates(catalog, features, copies),
        *check_groups(catalog, features),
        *check_geometry(gathered),
        *check_content(gathered, label_maps, working),
    ]


def _undecodable(problems: list[tuple[str, DataError]] | tuple[tuple[str, DataError], ...], count: int) -> Finding:
    remedies = {error.remedy for _, error in problems}
    return Finding(
        kind="unreadable-files",
        level="stop",
        title=f"{len(problems):,} of {count:,} samples cannot be decoded.",
        evidence=tuple(shorten([f"{name}: {error.found} (expected {error.expected})" for name, error in problems])),
        samples=tuple(name for name, _ in problems),
        remedy=f"{remedies.pop() if len(remedies) == 1 else 'Replace these files.'} "
        "Or leave their samples out with `--skip-unreadable` (as a setting, `data.unreadable=skip`).",
    )
