"""From a place on disk to samples that can be trained on: found, paired, checked, understood, split.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from limner.data.catalog import Catalog
from limner.data.checks import (
    Policy,
    check_channels,
    check_classes,
    check_dtypes,
    check_duplicates,
    check_enough,
    check_pairing,
    check_readable,
    check_sizes,
)
from limner.data.fingerprint import Fingerprint, measure
from limner.data.grouping import apply_groups, keep_together
from limner.data.inspect_labels import inspect_masks
from limner.data.labels import LabelMap
from limner.data.layouts import find_samples
from limner.data.pairing import Pairing
from limner.data.scan import Progress, Scanned, scan, target_tables
from limner.data.splits import assign_splits
from limner.data.stored_masks import is_folder
from limner.data.strata import find_strata
from limner.data.values import ValueTable
from limner.errors import ConfigError, DataError, shorten

CopyFinder: TypeAlias = Callable[[Catalog, Mapping[str, LabelMap]], list[list[int]]]
"""Finds samples whose pictures are the same one: clusters of their positions."""


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
    unmatched: Policy = "stop",
    unreadable: Policy = "stop",
    previous: Catalog | None = None,
    group: str | None = None,
    find_copies: CopyFinder | None = None,
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
        unmatched: `skip` leaves files without a partner out instead of stopping.
        unreadable: `skip` leaves samples with damaged files out; every image is then decoded once to find them.
        previous: Samples that it has keep their split.
        group: Column or regular expression that says which samples belong together (see `grouping`).
        find_copies: Finds samples whose pictures are the same one beyond equal files, to keep them together.
        progress: Called with a stage (`scan`, `measure`), how many are done, and how many there are.

    Raises:
        DataError: Whatever `checks` finds, or masks that cannot be understood without being told more.
        ConfigError: Settings that contradict one another.
    """
    found = find_samples(place, layout=layout, images=images, masks=masks, page=page, options=layout_options)
    notes = [*found.notes, *check_pairing(found.pairing, unmatched)]
    check_enough(found.catalog)
    scans = scan(found.catalog, decode=unreadable == "skip", progress=progress)
    notes += check_readable(found.catalog, scans, unreadable)
    catalog, scans = keep_readable(found.catalog, scans)
    check_enough(catalog)
    check_sizes(catalog, scans)
    channels, channel_notes = check_channels(catalog, scans)
    dtype = check_dtypes(catalog, scans)
    label_maps = find_label_maps(catalog, scans, {**found.labels, **(labels or {})}, class_names, values, ignore_values)
    add_facts(catalog, scans)
    set_groups(catalog, label_maps, group, find_copies)
    strata = find_strata(scans, label_maps)
    notes += assign_splits(catalog, val=float(val), test=float(test), seed=seed, previous=previous, strata=strata)
    notes += [*channel_notes, *check_classes(catalog, scans, label_maps), *check_duplicates(catalog)]
    fingerprint = measure(catalog, scans, label_maps, channels=channels, dtype=dtype, seed=seed, progress=progress)
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
    found = find_samples(place, images=images, masks=masks)
    check_pairing(found.pairing, unmatched)
    scans = scan(found.catalog, decode=unreadable == "skip", progress=progress)
    check_readable(found.catalog, scans, unreadable)
    catalog, scans = keep_readable(found.catalog, scans)
    check_sizes(catalog, scans)
    find_label_maps(catalog, scans, labels, None, None, ())
    add_facts(catalog, scans)
    return catalog


def keep_readable(catalog: Catalog, scans: Sequence[Scanned]) -> tuple[Catalog, list[Scanned]]:
    """The samples whose files could be read, and their scans."""
    kept = [index for index, scanned in enumerate(scans) if not scanned.problems]
    return catalog.subset(kept), [scans[index] for index in kept]


def find_label_maps(
    catalog: Catalog,
    scans: Sequence[Scanned],
    labels: Mapping[str, LabelMap],
    class_names: Sequence[str] | None,
    values: Sequence[Sequence[Any]] | None,
    ignore_values: Sequence[Any],
) -> dict[str, LabelMap]:
    """The label map of every target: given, or found by inspection."""
    maps = {}
    for number, name in enumerate(catalog.targets):
        tables = target_tables(scans, name)
        if name in labels:
            maps[name] = labels[name]
            if class_names:
                maps[name] = _renamed(labels[name], class_names)
            _check_known(maps[name], tables)
        elif number == 0:
            maps[name] = inspect_masks(tables, class_names=class_names, values=values, ignore_values=ignore_values)
        else:
            maps[name] = inspect_masks(tables)
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


def add_facts(catalog: Catalog, scans: Sequence[Scanned]) -> None:
    """Add the facts that `Prepared` lists to a catalog, in place."""
    sizes = [next(iter(scanned.infos.values())).size for scanned in scans]
    catalog.facts["hash"] = [scanned.input_digest for scanned in scans]
    catalog.facts["target_hash"] = [scanned.target_digest for scanned in scans]
    catalog.facts["height"] = [str(height) for height, _ in sizes]
    catalog.facts["width"] = [str(width) for _, width in sizes]


def set_groups(
    catalog: Catalog, label_maps: Mapping[str, LabelMap], group: str | None, find_copies: CopyFinder | None = None
) -> None:
    """Say which samples a split must not part, in place: those of a group, and copies of one image.

    Where the data came split, copies stay where they are; the checks say so.
    """
    if group is not None:
        apply_groups(catalog, group)
    if any(catalog.splits):
        return
    copies = defaultdict(list)
    for index, content in enumerate(catalog.facts["hash"]):
        copies[content].append(index)
    keep_together(catalog, [indices for indices in copies.values() if len(indices) > 1])
    if find_copies is not None:
        keep_together(catalog, find_copies(catalog, label_maps))
