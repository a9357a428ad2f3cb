"""The whole check of a data set: what would stop a training, then one look at every picture.

Layer: data. Imports no torch.

    stops       names, headers, mask values: what `prepare` would refuse      stops
    verdicts    what the masks mean, and how sure that is                     verdicts
    gather      one pass over decoded pictures, kept by content               gather, features, store
    detectors   form, content, duplicates, groups, shuffled pairs             geometry, content, …
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from limner.data.catalog import Catalog, spread
from limner.data.check.content import Working, check_content
from limner.data.check.duplicates import check_duplicates, near_copies
from limner.data.check.findings import Finding, worst_first
from limner.data.check.gather import Gathered, gather
from limner.data.check.geometry import check_geometry
from limner.data.check.groups import check_groups
from limner.data.check.matching import check_matching
from limner.data.check.store import Store
from limner.data.labels import LabelMap
from limner.errors import DataError, shorten
from limner.types import Progress

QUICK = 2000
"""Samples whose pictures a quick look decodes."""


def examine(
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    working: Working | None = None,
    quick: bool = False,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """Look at every picture and mask once.

    Args:
        catalog: Samples whose names, headers and mask values are in order; split if splits are to be looked at.
        label_maps: Label map per target; targets without one are not looked at.
        working: The scale at which a training would see the pictures.
        quick: Look at `QUICK` samples at most, evenly spread.
        cache_dir: Folder in which what is found in files is kept by their contents; None keeps nothing.
        progress: Told about every sample, as stage `check`.

    Returns:
        Findings, the worst first.
    """
    if quick and len(catalog) > QUICK:
        catalog = catalog.subset(spread(np.arange(len(catalog)), QUICK))
    with Store(cache_dir) as store:
        gathered = gather(catalog, label_maps, store, progress)
    if not isinstance(gathered, Gathered):
        return [_undecodable(gathered, len(catalog))]
    findings = [_undecodable(gathered.problems, len(catalog))] if gathered.problems else []
    return worst_first([*findings, *detect(gathered, label_maps, working)])


def find_copies(
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    quick: bool = False,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> list[list[int]]:
    """Clusters of samples whose pictures are the same one, whatever was done to the files; for `prepare`.

    Args:
        catalog: The samples, with their facts.
        label_maps: Label map per target.
        quick: Look at `QUICK` samples at most, evenly spread.
        cache_dir: As for `examine`, which then finds every picture looked at already.
        progress: Told about every sample, as stage `check`.
    """
    chosen = spread(np.arange(len(catalog)), QUICK if quick else len(catalog))
    with Store(cache_dir) as store:
        gathered = gather(catalog.subset(chosen), label_maps, store, progress)
    if not isinstance(gathered, Gathered):
        return []
    place = {name: index for index, name in enumerate(catalog.ids)}
    clusters = near_copies(gathered.catalog, gathered.features)
    return [[place[gathered.catalog.ids[index]] for index in cluster] for cluster in clusters]


def detect(gathered: Gathered, label_maps: Mapping[str, LabelMap], working: Working | None) -> list[Finding]:
    """Everything that can be said about decoded samples."""
    catalog, features = gathered.catalog, gathered.features
    return [
        *check_matching(catalog, features),
        *check_duplicates(catalog, features),
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
