"""From a place on disk to samples that can be trained on: found, paired, checked, understood, split.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

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
from limner.data.decisions import dropped, read_decisions
from limner.data.fingerprint import Fingerprint, measure
from limner.data.folds import FOLD, divide
from limner.data.grouping import apply_groups, keep_together
from limner.data.label_maps import find_label_maps
from limner.data.labels import LabelMap
from limner.data.layouts import find_samples
from limner.data.memory import Memory
from limner.data.pairing import Pairing
from limner.data.splits import assign_splits, split_remarks
from limner.data.strata import find_strata
from limner.data.survey import Extent, Survey, survey
from limner.data.target_options import TargetOptions, check_options, regression_targets, with_first
from limner.data.volumes import AskedPlane
from limner.errors import ConfigError, DataError
from limner.types import Progress, no_progress

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
        dropped: Ids of samples that a review left out.
    """

    catalog: Catalog
    label_maps: dict[str, LabelMap]
    fingerprint: Fingerprint
    pairing: Pairing
    layout: str
    notes: tuple[str, ...]
    dropped: tuple[str, ...] = ()


def prepare(
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
    folds: int | None = None,
    review: str | Path | None = None,
    group: str | None = None,
    find_copies: CopyFinder | None = None,
    window: tuple[float, float] | None = None,
    memory: Memory | None = None,
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
        plane: How volumes are cut into samples.
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
        previous: Samples that it has keep their split, or their fold.
        folds: Divide the samples into so many folds instead of train and val (see `folds`).
        review: Table whose samples marked `drop` are left out, once the others have their splits (see `decisions`).
        group: Column or regular expression that says which samples belong together (see `grouping`).
        find_copies: Finds samples whose pictures are the same one beyond equal files, to keep them together.
        window: Centre and width of the values that count as 0 to 1 (see `fingerprint`).
        memory: What earlier looks at the files found (see `scan`).
        progress: Called with a stage (`trace`, `scan`, `measure`), how many are done, and how many there are.

    Raises:
        DataError: Whatever `checks` finds, or masks that cannot be understood without being told more.
        ConfigError: Settings that contradict one another.
    """
    options = targets or {}
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
    check_options(options, found.catalog.targets)
    known = {**found.labels, **(labels or {})}
    notes = [*found.notes, *check_pairing(found.pairing, unmatched)]
    check_enough(found.catalog)
    numbers = regression_targets(options, known)
    surveyed = survey(
        found.catalog,
        known,
        extent=extent,
        numbers=numbers,
        unreadable=unreadable,
        seed=seed,
        memory=memory,
        progress=progress,
    )
    notes += surveyed.notes
    check_enough(surveyed.catalog)
    check_sizes(surveyed.part, surveyed.scans)
    parts, channel_notes = check_channels(surveyed.part, surveyed.scans)
    dtype = check_dtypes(surveyed.part, surveyed.scans)
    options = with_first(
        options, surveyed.catalog.targets, class_names=class_names, values=values, ignore_values=ignore_values
    )
    label_maps = find_label_maps(surveyed.part, surveyed.scans, known, options)
    set_groups(surveyed, label_maps, found.apart, group, find_copies)
    surveyed, split_notes = split_samples(
        surveyed, label_maps, found.apart, val=float(val), test=float(test), seed=seed, previous=previous, folds=folds
    )
    surveyed, dropped_ids, review_notes = leave_out(surveyed, review)
    notes += [*split_notes, *review_notes, *channel_notes, *check_classes(surveyed.part, surveyed.scans, label_maps)]
    notes += check_duplicates(surveyed.catalog)
    fingerprint, label_maps = measure_samples(
        surveyed, label_maps, parts, dtype, window=window, seed=seed, progress=progress
    )
    return Prepared(surveyed.catalog, label_maps, fingerprint, found.pairing, found.layout, tuple(notes), dropped_ids)


def prepare_to_score(
    place: str | Path | None,
    labels: Mapping[str, LabelMap],
    *,
    images: str | None = None,
    masks: str | None = None,
    plane: AskedPlane = "auto",
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
        plane: How volumes are cut into samples.
        unmatched: `skip` leaves files without a partner out instead of stopping.
        unreadable: `skip` leaves samples with damaged files out.
        progress: As in `prepare`.

    Returns:
        The samples, with the splits they came with.

    Raises:
        DataError: Whatever `checks` finds, or a mask value that the label maps do not know.
    """
    found = find_samples(
        place, images=images, masks=masks, plane=plane, targets=tuple(labels), progress=progress or no_progress
    )
    check_pairing(found.pairing, unmatched)
    numbers = regression_targets({}, labels)
    surveyed = survey(found.catalog, labels, numbers=numbers, unreadable=unreadable, progress=progress)
    check_sizes(surveyed.part, surveyed.scans)
    find_label_maps(surveyed.part, surveyed.scans, labels, {})
    return surveyed.catalog


def set_groups(
    surveyed: Survey,
    label_maps: Mapping[str, LabelMap],
    apart: Sequence[str] = (),
    group: str | None = None,
    find_copies: CopyFinder | None = None,
) -> None:
    """Say which samples a split must not part, in place: those of a group, and copies of one image.

    Where the data came split, copies stay where they are; the checks say so. Among samples of which a part
    was looked at, equal files alone are kept together.

    Args:
        surveyed: The samples.
        label_maps: Label map per target.
        apart: Facts of which splits share no value, which settles more than groups could.
        group: As for `prepare`.
        find_copies: As for `prepare`.

    Raises:
        ConfigError: A group that is neither a column nor a regular expression.
        DataError: The expression does not fit all samples.
    """
    catalog = surveyed.catalog
    if group is not None:
        apply_groups(catalog, group)
        keep_together(catalog, repeated([name or f"\0{index}" for index, name in enumerate(_volumes(catalog))]))
    if apart or any(catalog.splits):
        return
    keep_together(catalog, repeated(catalog.facts["hash"]))
    if find_copies is not None and surveyed.whole:
        keep_together(catalog, find_copies(catalog, label_maps))


def _volumes(catalog: Catalog) -> list[str]:
    """The volume that each sample is a slice of; empty where it is none."""
    return catalog.facts.get("volume", [""] * len(catalog))


def split_samples(
    surveyed: Survey,
    label_maps: Mapping[str, LabelMap],
    apart: Sequence[str] = (),
    *,
    val: float,
    test: float,
    seed: int,
    previous: Catalog | None = None,
    folds: int | None = None,
) -> tuple[Survey, list[str]]:
    """Assign splits; where several things must be kept apart, samples that mix the sides go.

    Args:
        surveyed: The samples, their groups set.
        label_maps: Label map per target, which tell the kinds of samples that every split gets its share of.
        apart: Facts of which splits share no value.
        val: As for `prepare`.
        test: As for `prepare`.
        seed: Seed of the draw.
        previous: As for `prepare`.
        folds: As for `prepare`.

    Returns:
        The samples that have a split, and notes.

    Raises:
        DataError: They cannot be divided.
        ConfigError: Shares that leave nothing for one of the splits.
    """
    catalog = surveyed.catalog
    if folds is not None and apart:
        raise ConfigError(
            "samples that one grouping keeps apart, to divide them into folds",
            f"splits that share no {' and no '.join(apart)}",
            "Train without folds.",
        )
    if apart and not any(catalog.splits):
        kept, notes = assign_apart(catalog, apart, val=val, test=test, seed=seed, previous=previous)
        surveyed = surveyed.subset(kept)
        return surveyed, [*notes, *split_remarks(surveyed.catalog)]
    strata = find_strata(surveyed.scans, label_maps) if surveyed.whole else None
    if folds is not None:
        return surveyed, divide(catalog, folds, test=test, seed=seed, previous=previous, strata=strata)
    notes = assign_splits(catalog, val=val, test=test, seed=seed, previous=previous, strata=strata)
    return surveyed, notes


def leave_out(surveyed: Survey, review: str | Path | None) -> tuple[Survey, tuple[str, ...], list[str]]:
    """The samples without those that a review drops, whose ids come second; the others keep their splits.

    Args:
        surveyed: The samples, split.
        review: The review; None leaves none out.

    Returns:
        The samples that are left, the ids of the others, and notes.

    Raises:
        DataError: The review cannot be used on these samples, or leaves a split or a fold empty.
    """
    if review is None:
        return surveyed, (), []
    catalog = surveyed.catalog
    gone, notes = dropped(catalog, read_decisions(review), review)
    kept = surveyed.subset(np.setdiff1d(np.arange(len(catalog)), gone))
    for what, before, after in (
        ("split", catalog.splits, kept.catalog.splits),
        ("fold", catalog.facts.get(FOLD, []), kept.catalog.facts.get(FOLD, [])),
    ):
        if empty := set(before) - set(after):
            raise DataError(
                f"samples left in every {what}", f"'{review}' drops all of {what} {min(empty)}", "Drop fewer of them."
            )
    return kept, tuple(catalog.ids[index] for index in gone), notes


def measure_samples(
    surveyed: Survey,
    label_maps: Mapping[str, LabelMap],
    parts: Mapping[str, int],
    dtype: str,
    *,
    window: tuple[float, float] | None = None,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Fingerprint, dict[str, LabelMap]]:
    """The fingerprint of samples that are split, and the label maps with the ranges of numbers filled in.

    Args:
        surveyed: The samples.
        label_maps: Label map per target.
        parts: Channels by input.
        dtype: Of the images.
        window: As for `prepare`.
        seed: Chooses the pictures that are measured.
        progress: As for `prepare`.

    Raises:
        DataError: As `measure`.
    """
    fingerprint = measure(
        surveyed.part,
        surveyed.scans,
        label_maps,
        channels=sum(parts.values()),
        dtype=dtype,
        parts=parts if len(parts) > 1 else {},
        window=window,
        seed=seed,
        progress=progress,
    )
    ranged = {name: replace(label_maps[name], low=low, high=high) for name, (low, high) in fingerprint.ranges.items()}
    return replace(fingerprint, count=len(surveyed.catalog)), {**label_maps, **ranged}
