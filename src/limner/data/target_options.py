"""What the user says about a target, beyond what its files show.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from limner.data.fixed_values import parse_ignored
from limner.data.labels import LabelMap
from limner.data.values import ValueTable, format_value
from limner.errors import ConfigError, DataError, did_you_mean


@dataclass(frozen=True)
class TargetOptions:
    """What is said about one target.

    Attributes:
        task: `regression` makes it numbers; None leaves the task to the label map or to inspection.
        unit: Unit of the numbers.
        factor: A stored number × `factor` is the value in the unit.
        class_names: Names by class id, background first.
        values: Stored mask values of each class id (see `inspect_masks`).
        ignore_values: Stored values of pixels that take no part.
    """

    task: Literal["regression"] | None = None
    unit: str | None = None
    factor: float | None = None
    class_names: Sequence[str] | None = None
    values: Sequence[Sequence[Any]] | None = None
    ignore_values: Sequence[Any] = ()


def with_first(
    options: Mapping[str, TargetOptions],
    targets: Collection[str],
    *,
    class_names: Sequence[str] | None,
    values: Sequence[Sequence[Any]] | None,
    ignore_values: Sequence[Any],
) -> dict[str, TargetOptions]:
    """The options, with what is said about the first target without naming it, unless it is named too."""
    first = TargetOptions(class_names=class_names, values=values, ignore_values=ignore_values)
    return {next(iter(targets)): first, **options}


def regression_targets(options: Mapping[str, TargetOptions], labels: Mapping[str, LabelMap]) -> frozenset[str]:
    """Names of the targets that hold numbers instead of classes, by what is said or known."""
    return frozenset(
        [name for name, option in options.items() if option.task == "regression"]
        + [name for name, label_map in labels.items() if label_map.task == "regression"]
    )


def check_options(options: Mapping[str, TargetOptions], targets: Collection[str]) -> None:
    """Refuse options of targets that the data do not have, and settings of classes for numbers.

    Raises:
        ConfigError: As said.
    """
    for name, option in options.items():
        if name not in targets:
            raise ConfigError(
                f"targets of the data in `data.targets`: {', '.join(targets)}",
                f"'{name}'",
                f"{did_you_mean(name, targets)}A CSV with columns image, mask and {name} would have it.",
            )
        if option.task == "regression" and (option.class_names or option.values):
            raise ConfigError(
                f"`data.targets.{name}` of task regression without classes",
                "class_names or values",
                "Leave them out, or leave the task out.",
            )
        if option.task is None and (option.unit is not None or option.factor is not None):
            raise ConfigError(
                f"`data.targets.{name}` with a unit or factor is of task regression",
                "no task",
                f"Type {options_line(name)}.",
            )


def number_map(
    tables: Sequence[ValueTable], options: TargetOptions, known: LabelMap | None, *, target: str
) -> LabelMap:
    """The label map of a regression target; its range is filled in when the training samples are measured.

    Args:
        tables: One per file.
        options: What the user says.
        known: What the layout says.
        target: Name of the target.

    Raises:
        DataError: There is no file.
        ConfigError: Ignored values that are no numbers.
    """
    if not tables:
        raise DataError(f"at least one file of '{target}'", "there is none", "Check the names of the files.")
    base = known or LabelMap("regression", (), ())
    ignore = parse_ignored(options.ignore_values) or base.ignore
    if any(isinstance(value, tuple) for value in ignore):
        raise ConfigError(f"numbers in ignore_values of '{target}'", "colours", "Name stored numbers.")
    factor = base.factor if options.factor is None else options.factor
    unit = base.unit if options.unit is None else options.unit
    dtypes = {table.dtype for table in tables}
    said = f"{len(tables):,} files hold numbers ({', '.join(sorted(dtypes))})"
    said += f", stored number × {factor:g} = {unit or 'value'}" if factor != 1 or unit else ""
    if ignore:
        said += f"; unknown: {', '.join(format_value(value) for value in ignore)}"
    palette = all(table.palette is not None for table in tables)
    return replace(
        base,
        ignore=ignore,
        because=base.because or said,
        unit=unit,
        factor=factor,
        reading="palette" if palette else base.reading,
        stored=_stored(dtypes),
    )


def options_line(target: str, options: str = "task: regression") -> str:
    """The setting of a target as it is typed, in the quotes that a shell needs.

    Example:
        >>> options_line("depth")
        "'data.targets={depth: {task: regression}}'"
    """
    return f"'data.targets={{{target}: {{{options}}}}}'"


def _stored(dtypes: Collection[str]) -> str:
    """The smallest of the dtypes that hold every number."""
    if set(dtypes) <= {"bool", "uint8"}:
        return "uint8"
    return "uint16" if set(dtypes) <= {"bool", "uint8", "uint16"} else "float32"
