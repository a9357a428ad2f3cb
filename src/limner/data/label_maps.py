"""The label map of every target: given, or found by inspection, and checked against every mask.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from limner.data.catalog import Catalog
from limner.data.inspect_labels import inspect_masks
from limner.data.labels import LabelMap
from limner.data.scan import Scanned, target_tables
from limner.data.stored_masks import is_folder
from limner.data.target_options import TargetOptions, number_map, regression_targets
from limner.data.values import ValueTable
from limner.errors import ConfigError, DataError, shorten


def find_label_maps(
    catalog: Catalog,
    scans: Sequence[Scanned],
    labels: Mapping[str, LabelMap],
    options: Mapping[str, TargetOptions],
) -> dict[str, LabelMap]:
    """The label map of every target.

    Args:
        catalog: The samples.
        scans: What is known of their masks.
        labels: Label maps that are known.
        options: What is said about single targets.

    Raises:
        DataError: Masks cannot be understood, or hold values that the known map has not.
        ConfigError: Settings that contradict a known map.
    """
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
