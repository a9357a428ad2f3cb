"""From a place on disk to samples that can be trained on: found, paired, checked, understood, split.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from limner.data.apart import assign_apart
from limner.data.catalog import Catalog, repeated
from limner.data.checks import (
    Policy,
    check_channels,
    check_classes,
    check_dtypes,
    check_duplicates,
    check_enough,
    check_pairing,
    check_sizes,
)
from limner.data.fingerprint import Fingerprint, measure
from limner.data.inspect_labels import inspect_masks
from limner.data.labels import LabelMap
from limner.data.layouts import find_samples
from limner.data.pairing import Pairing
from limner.data.scan import Scanned, target_tables
from limner.data.splits import assign_splits, split_remarks
from limner.data.stored_masks import is_folder
from limner.data.survey import Extent, Survey, survey
from limner.data.target_options import TargetOptions, check_options, number_map, regression_targets
from limner.data.values import ValueTable
from limner.errors import ConfigError, DataError, shorten
from limner.types import Progress, no_progress


@dataclass(frozen=True)
class Prepared:
    """Samples that can be trained on, and what was found out about them.

    Attributes:
        catalog: The samples, split; facts `hash` and `target_hash` (contents of the input files and of
            the mask files), `height` and `width` of the image.
        label_maps: Label map per target.
        fingerprint: The data in numbers.
        pairing: Which files were paired, by which rule.
        layout: Name of the layout that was recognised.
        notes: What is worth knowing, a sentence each.
    """

    catalog: Catalog
    label_maps: dict[str, LabelMap]
    fingerprint: Fingerprint
    pairing: Pairing
    layout: str
    notes: tuple[str, ...]


def prepare(
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
    targets: Mapping[str, TargetOptions] | None = None,
    unmatched: Policy = "stop",
    unreadable: Policy = "stop",
    extent: Extent = "auto",
    previous: Catalog | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Find samples, check them, understand their masks, split them and measure them.

    Args:
        place: Folder, CSV or zip that holds images and masks; None if `images` and `masks` are given.
        layout: How samples lie on disk, or `auto`.
        layout_options: Options of the layout, where it has any.
        images: Folder of images, when it is not inside `place`.
        masks: Folder of masks, when it is not inside `place`.
        page: Which page of multi-page files.
        val: Validation samples: a share below 1, or a count.
        test: Test samples: a share below 1, or a count.
        seed: Seed of the split and of the pictures that are measured.
        labels: Label maps to apply instead of inspecting the masks, such as a trained model's.
        class_names: Names by class id, background first, of the first target.
        values: Stored mask values of each class id (see `inspect_masks`), of the first target.
        ignore_values: Stored mask values that take no part, of the first target.
        targets: What is said about single targets; it wins over the settings of the first target.
        unmatched: `skip` leaves files without a partner out instead of stopping.
        unreadable: `skip` leaves samples with damaged files out; every image is then decoded once to find them.
        extent: `all` looks at every file even of very large data sets (see `survey`).
        previous: Samples that it has keep their split.
        progress: Called with a stage (`trace`, `scan`, `measure`), how many are done, and how many there are.

    Raises:
        DataError: Whatever `checks` finds, or masks that cannot be understood without being told more.
        ConfigError: Settings that contradict one another.
    """
    options = dict(targets or {})
    found = find_samples(
        place,
        layout=layout,
        images=images,
        masks=masks,
        page=page,
        options=layout_options,
        targets=tuple(options),
        progress=progress or no_progress,
    )
    check_options(options, found.catalog.targets)
    known = {**found.labels, **(labels or {})}
    notes = [*found.notes, *check_pairing(found.pairing, unmatched)]
    check_enough(found.catalog)
    numbers = regression_targets(options, known)
    surveyed = survey(
        found.catalog, known, extent=extent, numbers=numbers, unreadable=unreadable, seed=seed, progress=progress
    )
    catalog, part, scans = surveyed.catalog, surveyed.part, surveyed.scans
    notes += surveyed.notes
    check_enough(catalog)
    check_sizes(part, scans)
    parts, channel_notes = check_channels(part, scans)
    dtype = check_dtypes(part, scans)
    first = next(iter(catalog.targets))
    options.setdefault(first, TargetOptions(class_names=class_names, values=values, ignore_values=ignore_values))
    label_maps = _label_maps(part, scans, known, options)
    surveyed, split_notes = _split(surveyed, found.apart, float(val), float(test), seed, previous)
    catalog, part, scans = surveyed.catalog, surveyed.part, surveyed.scans
    notes += split_notes
    notes += [*channel_notes, *check_classes(part, scans, label_maps), *check_duplicates(catalog)]
    fingerprint = measure(
        part,
        scans,
        label_maps,
        channels=sum(parts.values()),
        dtype=dtype,
        parts=parts if len(parts) > 1 else {},
        seed=seed,
        progress=progress,
    )
    fingerprint = replace(fingerprint, count=len(catalog))
    label_maps |= {
        name: replace(label_maps[name], low=low, high=high) for name, (low, high) in fingerprint.ranges.items()
    }
    return Prepared(catalog, label_maps, fingerprint, found.pairing, found.layout, tuple(notes))


def prepare_to_score(
    place: str | Path | None,
    labels: Mapping[str, LabelMap],
    *,
    images: str | None = None,
    masks: str | None = None,
    unmatched: Policy = "stop",
    unreadable: Policy = "stop",
    progress: Progress | None = None,
) -> Catalog:
    """Find and check samples whose masks are known, to score a trained model on; one sample will do.

    Args:
        place: Folder, CSV or zip that holds images and masks; None if `images` and `masks` are given.
        labels: Label maps of the model.
        images: Folder of images, when it is not inside `place`.
        masks: Folder of masks, when it is not inside `place`.
        unmatched: `skip` leaves files without a partner out instead of stopping.
        unreadable: `skip` leaves samples with damaged files out.
        progress: As in `prepare`.

    Returns:
        The samples, with the splits they came with.

    Raises:
        DataError: Whatever `checks` finds, or a mask value that the label maps do not know.
    """
    found = find_samples(place, images=images, masks=masks, targets=tuple(labels), progress=progress or no_progress)
    check_pairing(found.pairing, unmatched)
    numbers = regression_targets({}, labels)
    surveyed = survey(found.catalog, labels, numbers=numbers, unreadable=unreadable, progress=progress)
    check_sizes(surveyed.part, surveyed.scans)
    _label_maps(surveyed.part, surveyed.scans, labels, {})
    return surveyed.catalog


def _split(
    surveyed: Survey, apart: Sequence[str], val: float, test: float, seed: int, previous: Catalog | None
) -> tuple[Survey, list[str]]:
    """Assign splits; where several things must be kept apart, samples that mix the sides go."""
    catalog = surveyed.catalog
    if apart and not any(catalog.splits):
        kept, notes = assign_apart(catalog, apart, val=val, test=test, seed=seed, previous=previous)
        surveyed = surveyed.subset(kept)
        return surveyed, [*notes, *split_remarks(surveyed.catalog)]
    if not any(catalog.splits):
        _group_copies(catalog)
    return surveyed, assign_splits(catalog, val=val, test=test, seed=seed, previous=previous)


def _label_maps(
    catalog: Catalog,
    scans: Sequence[Scanned],
    labels: Mapping[str, LabelMap],
    options: Mapping[str, TargetOptions],
) -> dict[str, LabelMap]:
    """The label map of every target: given, or found by inspection."""
    maps = {}
    for name in catalog.targets:
        tables, option, known = target_tables(scans, name), options.get(name, TargetOptions()), labels.get(name)
        if name in regression_targets(options, labels):
            maps[name] = number_map(tables, option, known, target=name)
        elif known is not None:
            maps[name] = _renamed(known, option.class_names) if option.class_names else known
            _check_known(maps[name], tables)
        else:
            maps[name] = inspect_masks(
                tables,
                class_names=option.class_names,
                values=option.values,
                ignore_values=option.ignore_values,
                target=name,
            )
        _check_folders(maps[name], tables)
    return maps


def _renamed(label_map: LabelMap, class_names: Sequence[str]) -> LabelMap:
    if len(class_names) != label_map.num_classes:
        raise ConfigError(
            f"{label_map.num_classes} names in `data.class_names`: {', '.join(label_map.names)}",
            f"{len(class_names)}: {', '.join(class_names)}",
            "Correct the names.",
        )
    return replace(label_map, names=tuple(class_names))


def _check_known(label_map: LabelMap, tables: Sequence[ValueTable]) -> None:
    problems = []
    for table in tables:
        try:
            label_map.count(table)
        except DataError as error:
            problems.append(error)
    if problems:
        lines = [" ".join([problem.found, *problem.details]) for problem in problems]
        first = problems[0]
        raise DataError(
            first.expected,
            f"{len(problems):,} of {len(tables):,} masks hold others",
            first.remedy,
            details=shorten(lines),
        )


def _check_folders(label_map: LabelMap, tables: Sequence[ValueTable]) -> None:
    folder = next((table.where for table in tables if is_folder(table.where)), None)
    if folder is not None and label_map.task != "binary":
        raise DataError(
            "folders of masks with one object per file, on background",
            f"'{folder}' and the others: {label_map.because}",
            'Type `data.values=[[0],["other"]]` to make all objects one class, or give one mask file per picture.',
        )


def _group_copies(catalog: Catalog) -> None:
    """Keep samples of one and the same image together, so that no split holds a copy of another's."""
    for indices in repeated(catalog.facts["hash"]):
        if not any(catalog.groups[index] for index in indices):
            for index in indices:
                catalog.groups[index] = f"copies of {catalog.ids[indices[0]]}"
