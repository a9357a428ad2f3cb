"""`split`: which samples train, validate and test, or which fold each is in, decided once and written down.

Layer: workflow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limner.config import DataConfig
from limner.data.catalog import Catalog
from limner.data.checks import check_pairing
from limner.data.folds import FOLD, fold_count
from limner.data.grouping import apply_groups
from limner.data.layouts import find_samples
from limner.data.placement import How, plan_placement, unfinished
from limner.data.splits import assign_splits
from limner.errors import ConfigError, DataError, OutputError
from limner.types import SPLITS, Progress, no_progress
from limner.workflow.settings import prepare_data, previous_samples, read_settings, split_shares


@dataclass(frozen=True)
class SplitResult:
    """What `split` decided.

    Attributes:
        table: The CSV that `train` takes.
        counts: Samples by split.
        groups: Groups by split; a sample without a group is one of its own.
        notes: What is worth knowing, a sentence each.
        placed: Number of files that were moved or copied.
        folds: Samples by fold, where there are folds.
    """

    table: Path
    counts: dict[str, int]
    groups: dict[str, int]
    notes: tuple[str, ...]
    placed: int
    folds: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "table": str(self.table),
            "samples": self.counts,
            "groups": self.groups,
            "notes": list(self.notes),
            "files": self.placed,
            **({"folds": list(self.folds)} if self.folds else {}),
        }


def split(
    data: str | Path | None,
    *,
    out: str | Path = "samples.csv",
    overrides: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    group: str | None = None,
    ungrouped: bool = False,
    anew: bool = False,
    place: How | None = None,
    into: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> SplitResult:
    """Assign samples to train, val and test and write the table that `train` takes; groups stay whole.

    With `data.folds` the table has a column `fold`, drawn as a training in folds would: stratified, and copies of a
    picture stay together, too. Test samples are in none. With `data.keep_splits` samples of an earlier table stay.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks.
        out: The CSV.
        overrides: Settings of `data` as text, such as `data.layout=pairs`.
        settings: Settings of `data` by name, such as `{"data.val": 50}`.
        group: Column, or regular expression whose parentheses match the group in a sample's id (see
            `limner.data.grouping`).
        ungrouped: Draw single samples, whatever their groups.
        anew: Split again what came split.
        place: Also move or copy the files into `train_images`, `train_masks`, `val_images` …
        into: Folder of these. Default: `data`.
        overwrite: Replace `out`.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`. After an interruption, the same call completes the move.
    """
    given = {**(settings or {}), **({} if group is None else {"data.group": group})}
    chosen = read_settings(None, overrides, given, data=data)
    config = chosen.data
    folder = _folder(config, into, place)
    if folder is not None and place is not None and (left := unfinished(folder)) is not None:
        left.complete(lambda done, total: progress("place", done, total))
        return _result(left.table, Catalog.load(left.table), ["An interrupted run was completed."], len(left.files))
    if Path(out).exists() and not overwrite:
        raise OutputError(f"a new file at '{out}'", "there is one", "Choose another --out, or add --overwrite.")
    if config.folds is not None:
        _refuse_with_folds(ungrouped=ungrouped, anew=anew, place=place)
        prepared = prepare_data(chosen, progress)
        prepared.catalog.save(out)
        return _result(Path(out), prepared.catalog, prepared.notes, 0)
    catalog, notes = _find(config, anew, progress)
    if config.group is not None:
        apply_groups(catalog, config.group)
    notes += _assign(catalog, config, ungrouped=ungrouped)
    if place is None or folder is None:
        catalog.save(out)
        return _result(Path(out), catalog, notes, 0)
    placement, catalog = plan_placement(catalog, folder, place, Path(out))
    placement.check()
    catalog.save(out)
    placement.begin()
    placement.complete(lambda done, total: progress("place", done, total))
    return _result(Path(out), catalog, notes, len(placement.files))


def _refuse_with_folds(*, ungrouped: bool, anew: bool, place: How | None) -> None:
    options = {"--ungrouped": ungrouped, "--anew": anew, "--move or --copy": place}
    if given := [name for name, value in options.items() if value]:
        raise ConfigError(
            "folds alone, which keep groups whole and are a column of the table",
            f"{given[0]} besides",
            "Leave it out. Other folds than a table has: take its column 'fold' out.",
        )


def _folder(config: DataConfig, into: str | Path | None, place: How | None) -> Path | None:
    """Where the folders of the splits are, if anywhere."""
    if into is not None:
        if place is None:
            raise ConfigError("--move or --copy with --into", "neither", "Add one of them.")
        return Path(into)
    if config.path is not None and Path(config.path).expanduser().is_dir():
        return Path(config.path)
    if place is not None:
        raise ConfigError(
            "a folder to put files into", f"'{config.path or config.images}' is none", "Add --into FOLDER."
        )
    return None


def _find(config: DataConfig, anew: bool, progress: Progress) -> tuple[Catalog, list[str]]:
    found = find_samples(
        config.path,
        layout=config.layout,
        images=config.images,
        masks=config.masks,
        page=config.page,
        plane=config.plane,
        options=config.layout_options,
        progress=progress,
    )
    notes = [*found.notes, *check_pairing(found.pairing, config.unmatched)]
    catalog = found.catalog
    if any(catalog.splits):
        if not anew:
            counts = ", ".join(f"{count:,} {name}" for name, count in catalog.split_counts().items() if count)
            raise DataError(
                "samples that are not split yet",
                f"they came split: {counts}",
                "Train on them as they are, or add --anew to split them again.",
            )
        catalog = replace(catalog, splits=[])
    return catalog, notes


def _assign(catalog: Catalog, config: DataConfig, *, ungrouped: bool) -> list[str]:
    """Draw the splits, in place; notes on what came out other than asked."""
    groups = catalog.groups
    if ungrouped:
        catalog.groups = [""] * len(catalog)
    val, test = split_shares(config)
    previous = previous_samples(config.keep_splits)
    notes = assign_splits(catalog, val=val, test=test, seed=config.seed, previous=previous)
    catalog.groups = groups
    counts = catalog.split_counts()
    for name, asked in (("val", val), ("test", test)):
        if asked >= 1 and counts[name] != asked:
            notes.append(
                f"{name} has {counts[name]:,} samples, the nearest to {asked:g} that keeps groups whole; "
                "--ungrouped gives the exact number."
            )
    if ungrouped and (torn := _torn(catalog)):
        notes.append(f"Groups with samples in several splits: {torn:,}. Scores will be better than on new data.")
    return notes


def _torn(catalog: Catalog) -> int:
    splits: dict[str, set[str]] = {}
    for name, part in zip(catalog.groups, catalog.splits, strict=True):
        if name:
            splits.setdefault(name, set()).add(part)
    return sum(len(parts) > 1 for parts in splits.values())


def _result(table: Path, catalog: Catalog, notes: Sequence[str], placed: int) -> SplitResult:
    units: dict[str, set[str]] = {name: set() for name in SPLITS}
    for name, group, part in zip(catalog.ids, catalog.groups, catalog.splits, strict=True):
        units[part].add(f"group {group}" if group else f"sample {name}")
    groups = {name: len(members) for name, members in units.items()}
    folds = Counter(catalog.facts.get(FOLD, []))
    sizes = tuple(folds[str(fold)] for fold in range(fold_count(catalog)))
    return SplitResult(table, catalog.split_counts(), groups, tuple(notes), placed, sizes)
