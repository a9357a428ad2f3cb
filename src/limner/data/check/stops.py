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
from limner.data.label_maps import find_label_maps
from limner.data.labels import LabelMap
from limner.data.layouts import Found, find_samples
from limner.data.memory import Memory
from limner.data.prepare import CopyFinder, set_groups, split_samples
from limner.data.samples import image_location
from limner.data.scan import Scanned
from limner.data.survey import Extent, Survey, look
from limner.data.target_options import TargetOptions, check_options, regression_targets, with_first
from limner.data.volumes import AskedPlane
from limner.errors import DataError
from limner.types import Progress, Size, no_progress

_SHOWN = 6


@dataclass
class Understood:
    """What a look at names, headers and mask values gave.

    Attributes:
        findings: Stops, and notes on what was understood.
        surveyed: The samples that can be looked at further, split if they could be, and their files.
        label_maps: Label map per target; empty where the masks were not understood.
        told: Targets whose meaning the layout or the settings say.
        kind: Channels by input, and dtype, of the images; None where they are mixed.
    """

    findings: list[Finding] = field(default_factory=list)
    surveyed: Survey = field(default_factory=lambda: Survey(Catalog([], {"image": []}, {}), [], [], []))
    label_maps: dict[str, LabelMap] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    kind: tuple[dict[str, int], str] | None = None

    @property
    def part(self) -> Catalog:
        """The samples whose files were looked at."""
        return self.surveyed.part

    @property
    def scans(self) -> list[Scanned]:
        """What is known of their files."""
        return self.surveyed.scans


def understand(
    place: str | Path | None,
    *,
    layout: str = "auto",
    layout_options: Mapping[str, Any] | None = None,
    images: str | None = None,
    masks: str | None = None,
    page: int | Literal["all"] | None = None,
    plane: AskedPlane = "auto",
    val: int | float = 0.15,
    test: int | float = 0.15,
    seed: int = 0,
    labels: Mapping[str, LabelMap] | None = None,
    class_names: Sequence[str] | None = None,
    values: Sequence[Sequence[Any]] | None = None,
    ignore_values: Sequence[Any] = (),
    targets: Mapping[str, TargetOptions] | None = None,
    unmatched: Policy = "stop",
    unreadable: Policy = "stop",
    extent: Extent = "auto",
    previous: Catalog | None = None,
    group: str | None = None,
    find_copies: CopyFinder | None = None,
    memory: Memory | None = None,
    progress: Progress | None = None,
) -> Understood:
    """Find samples and understand their masks as `prepare` does, with every problem as a finding.

    Args: As for `prepare`.

    Raises:
        ConfigError: Settings that contradict one another.
    """
    options = targets or {}
    result = Understood()
    found: Found | None = None
    with _stops(result, "no-samples"):
        found = find_samples(
            place,
            layout=layout,
            images=images,
            masks=masks,
            page=page,
            plane=plane,
            options=layout_options,
            targets=tuple(options),
            progress=progress or no_progress,
        )
    if found is None:
        return result
    check_options(options, found.catalog.targets)
    _pairs(result, found, unmatched)
    if not len(found.catalog) and any(finding.level == "stop" for finding in result.findings):
        return result
    with _stops(result, "too-few"):
        check_enough(found.catalog)
    if not len(found.catalog):
        return result
    known = {**found.labels, **(labels or {})}
    numbers = regression_targets(options, known)
    with _stops(result, "unreadable-files"):
        surveyed = look(
            found.catalog, known, extent=extent, numbers=numbers, seed=seed, memory=memory, progress=progress
        )
        _keep_readable(result, surveyed, unreadable)
    if result.scans:
        _same_size(result)
    if not result.scans:
        return result
    _same_kind(result)
    with _stops(result, "mask-values"):
        options = with_first(
            options, found.catalog.targets, class_names=class_names, values=values, ignore_values=ignore_values
        )
        result.told = frozenset({name for name, option in options.items() if option.values} | set(known))
        result.label_maps = find_label_maps(result.part, result.scans, known, options)
    with _stops(result, "groups"):
        set_groups(result.surveyed, result.label_maps, found.apart, group, find_copies)
    _split(result, found.apart, val=float(val), test=float(test), seed=seed, previous=previous)
    return result


def _pairs(result: Understood, found: Found, unmatched: Policy) -> None:
    pairing = found.pairing
    notes: list[str] = []
    with _stops(result, "ambiguous-pairs" if pairing.ambiguous else "unmatched-files"):
        notes = check_pairing(pairing, unmatched)
    claimed = {mask for _, masks in pairing.ambiguous for mask in masks}
    most = len(pairing.pairs) + min(
        len(pairing.unmatched_images) + len(pairing.ambiguous), len(pairing.unmatched_masks) + len(claimed)
    )
    tried = [f"tried: {rule}, which pairs {count:,} of {most:,}" for rule, count in pairing.tried]
    result.findings.append(
        Finding(
            kind="pairs",
            level="note",
            title=f"{len(found.catalog):,} samples, layout '{found.layout}', {pairing.rule}.",
            evidence=(*tried, *found.notes, *notes),
        )
    )


def _keep_readable(result: Understood, surveyed: Survey, unreadable: Policy) -> None:
    damaged = [name for name, scanned in zip(surveyed.part.ids, surveyed.scans, strict=True) if scanned.problems]
    notes: list[str] = []
    with _stops(result, "unreadable-files", samples=damaged):
        notes = check_readable(surveyed.part, surveyed.scans, unreadable)
    result.findings += [Finding("unreadable-files", "note", note, samples=tuple(damaged)) for note in notes]
    result.findings += [Finding("sampled", "note", note) for note in surveyed.notes]
    result.surveyed = surveyed.readable()


def _same_size(result: Understood) -> None:
    part, scans = result.part, result.scans
    odd = [place for place, scanned in enumerate(scans) if len(_sizes(scanned)) > 1]
    try:
        check_sizes(part, scans)
    except DataError as error:
        result.findings.append(
            from_error(
                "sizes-differ",
                error,
                evidence=scale_evidence([scans[place] for place in odd]),
                samples=[part.ids[place] for place in odd],
                pictures=[_example(part, place) for place in odd[:_SHOWN]],
            )
        )
        result.surveyed = result.surveyed.without(odd)


def _sizes(scanned: Scanned) -> set[Size]:
    return {info.size for info in scanned.infos.values()} | {table.size for table in scanned.tables.values()}


def _example(catalog: Catalog, index: int) -> Example:
    masks = [locations[index] for locations in catalog.targets.values() if locations[index]]
    return Example(catalog.ids[index], (image_location(catalog, index), *masks[:1]))


def _same_kind(result: Understood) -> None:
    notes: list[str] = []
    parts: dict[str, int] = {}
    dtype = ""
    with _stops(result, "channels-differ"):
        parts, notes = check_channels(result.part, result.scans)
    with _stops(result, "bit-depths-differ"):
        dtype = check_dtypes(result.part, result.scans)
    result.findings += [Finding("channels", "note", note) for note in notes]
    result.kind = (parts, dtype) if parts and dtype else None


def _split(
    result: Understood, apart: Sequence[str], *, val: float, test: float, seed: int, previous: Catalog | None
) -> None:
    notes: list[str] = []
    with _stops(result, "splits"):
        result.surveyed, notes = split_samples(
            result.surveyed, result.label_maps, apart, val=val, test=test, seed=seed, previous=previous
        )
    result.findings += [Finding("splits", "note", note) for note in notes]
    if any(result.surveyed.catalog.splits):
        with _stops(result, "no-foreground"):
            check_classes(result.part, result.scans, result.label_maps)


@contextlib.contextmanager
def _stops(result: Understood, kind: str, samples: Sequence[str] = ()) -> Iterator[None]:
    """What is raised inside becomes a finding."""
    try:
        yield
    except DataError as error:
        result.findings.append(from_error(kind, error, samples=samples))
