"""What would stop a training, all of it at once: the steps of `prepare`, going on after each problem.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from limner.data.catalog import Catalog
from limner.data.check.findings import Example, Finding, from_error
from limner.data.check.geometry import scale_evidence
from limner.data.checks import (
    Policy,
    check_channels,
    check_classes,
    check_dtypes,
    check_enough,
    check_pairing,
    check_readable,
    check_sizes,
)
from limner.data.labels import LabelMap
from limner.data.layouts import Found, find_samples
from limner.data.prepare import CopyFinder, add_facts, find_label_maps, keep_readable, set_groups
from limner.data.samples import image_location
from limner.data.scan import Progress, Scanned, scan
from limner.data.splits import assign_splits
from limner.data.strata import find_strata
from limner.errors import DataError

_SHOWN = 6


@dataclass
class Survey:
    """What a look at names, headers and mask values gave.

    Attributes:
        findings: Stops, and notes on what was understood.
        catalog: The samples that can be looked at further, split if they could be.
        scans: What is known of their files, in the same order.
        label_maps: Label map per target; empty where the masks were not understood.
        found: The samples as they were found; None where there are none.
        kind: Channels and dtype of the images; None where they are mixed.
    """

    findings: list[Finding] = field(default_factory=list)
    catalog: Catalog = field(default_factory=lambda: Catalog([], {"image": []}, {}))
    scans: list[Scanned] = field(default_factory=list)
    label_maps: dict[str, LabelMap] = field(default_factory=dict)
    found: Found | None = None
    kind: tuple[int, str] | None = None


def survey(
    place: str | Path | None,
    *,
    layout: str = "auto",
    layout_options: Mapping[str, Any] | None = None,
    images: str | None = None,
    masks: str | None = None,
    page: int | Literal["all"] | None = None,
    val: int | float = 0.15,
    test: int | float = 0.15,
    seed: int = 0,
    labels: Mapping[str, LabelMap] | None = None,
    class_names: Sequence[str] | None = None,
    values: Sequence[Sequence[Any]] | None = None,
    ignore_values: Sequence[Any] = (),
    unmatched: Policy = "stop",
    unreadable: Policy = "stop",
    previous: Catalog | None = None,
    group: str | None = None,
    find_copies: CopyFinder | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Find samples and understand their masks as `prepare` does, with every problem as a finding.

    Args: As for `prepare`.

    Raises:
        ConfigError: Settings that contradict one another.
    """
    result = Survey()
    with _stops(result, "no-samples"):
        result.found = find_samples(place, layout=layout, images=images, masks=masks, page=page, options=layout_options)
    if result.found is None:
        return result
    _pairs(result, result.found, unmatched)
    with _stops(result, "too-few"):
        check_enough(result.found.catalog)
    if not len(result.found.catalog):
        return result
    _read(result, result.found.catalog, unreadable, progress)
    if not len(result.catalog):
        return result
    _same_size(result)
    if not len(result.catalog):
        return result
    _same_kind(result)
    with _stops(result, "mask-values"):
        known = {**result.found.labels, **(labels or {})}
        result.label_maps = find_label_maps(result.catalog, result.scans, known, class_names, values, ignore_values)
    with _stops(result, "groups"):
        add_facts(result.catalog, result.scans)
        set_groups(result.catalog, result.label_maps, group, find_copies)
    _split(result, val=float(val), test=float(test), seed=seed, previous=previous)
    return result


def _pairs(result: Survey, found: Found, unmatched: Policy) -> None:
    pairing = found.pairing
    notes: list[str] = []
    with _stops(result, "ambiguous-pairs" if pairing.ambiguous else "unmatched-files"):
        notes = check_pairing(pairing, unmatched)
    most = min(len(pairing.pairs) + len(pairing.unmatched_images), len(pairing.pairs) + len(pairing.unmatched_masks))
    tried = [f"tried: {rule}, which pairs {count:,} of {most:,}" for rule, count in pairing.tried]
    result.findings.append(
        Finding(
            kind="pairs",
            level="note",
            title=f"{len(found.catalog):,} samples, layout '{found.layout}', {pairing.rule}.",
            evidence=(*tried, *found.notes, *notes),
        )
    )


def _read(result: Survey, catalog: Catalog, unreadable: Policy, progress: Progress | None) -> None:
    scans = scan(catalog, progress=progress)
    damaged = [name for name, scanned in zip(catalog.ids, scans, strict=True) if scanned.problems]
    notes: list[str] = []
    with _stops(result, "unreadable-files", samples=damaged):
        notes = check_readable(catalog, scans, unreadable)
    result.findings += [Finding("unreadable-files", "note", note, samples=tuple(damaged)) for note in notes]
    result.catalog, result.scans = keep_readable(catalog, scans)


def _same_size(result: Survey) -> None:
    catalog, scans = result.catalog, result.scans
    odd = [
        index
        for index, scanned in enumerate(scans)
        if any(table.size != next(iter(scanned.infos.values())).size for table in scanned.tables.values())
    ]
    try:
        check_sizes(catalog, scans)
    except DataError as error:
        result.findings.append(
            from_error(
                "sizes-differ",
                error,
                evidence=scale_evidence([scans[index] for index in odd]),
                samples=[catalog.ids[index] for index in odd],
                pictures=[_example(catalog, index) for index in odd[:_SHOWN]],
            )
        )
        kept = sorted(set(range(len(catalog))) - set(odd))
        result.catalog, result.scans = catalog.subset(kept), [scans[index] for index in kept]


def _example(catalog: Catalog, index: int) -> Example:
    masks = [locations[index] for locations in catalog.targets.values() if locations[index]]
    return Example(catalog.ids[index], (image_location(catalog, index), *masks[:1]))


def _same_kind(result: Survey) -> None:
    notes: list[str] = []
    channels, dtype = 0, ""
    with _stops(result, "channels-differ"):
        channels, notes = check_channels(result.catalog, result.scans)
    with _stops(result, "bit-depths-differ"):
        dtype = check_dtypes(result.catalog, result.scans)
    result.findings += [Finding("channels", "note", note) for note in notes]
    result.kind = (channels, dtype) if channels and dtype else None


def _split(result: Survey, *, val: float, test: float, seed: int, previous: Catalog | None) -> None:
    catalog = result.catalog
    notes: list[str] = []
    with _stops(result, "splits"):
        strata = find_strata(result.scans, result.label_maps)
        notes = assign_splits(catalog, val=val, test=test, seed=seed, previous=previous, strata=strata)
    result.findings += [Finding("splits", "note", note) for note in notes]
    if any(catalog.splits):
        with _stops(result, "no-foreground"):
            check_classes(catalog, result.scans, result.label_maps)


@contextlib.contextmanager
def _stops(result: Survey, kind: str, samples: Sequence[str] = ()) -> Iterator[None]:
    """What is raised inside becomes a finding."""
    try:
        yield
    except DataError as error:
        result.findings.append(from_error(kind, error, samples=samples))
