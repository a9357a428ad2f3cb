"""The table of all samples, held as columns.

Layer: data. A million samples are a few lists of strings, not a million objects.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from limner.data.stored_masks import join_planes, split_planes
from limner.errors import DataError
from limner.files import atomic_path
from limner.types import SPLITS

_INPUT = "input."
_TARGET = "target."

# Encoding that carries file names which are not valid UTF-8 through unchanged.
_ERRORS = "surrogateescape"


@dataclass
class Catalog:
    """All samples of a data set; the n-th entry of every column belongs to the n-th sample.

    Attributes:
        ids: Unique names, made of the picture's name without folder of its kind and without suffix.
        inputs: Per input name, the location of each sample's picture (see `limner.types`).
        targets: Per target name, the location of each sample's mask; `""` where there is none.
        groups: Patient, slide or video each sample belongs to; `""` where unknown.
        splits: `"train"`, `"val"`, `"test"`, or `""` where not decided.
        facts: Further columns, such as `hash`, `height`, `width`.

    Raises:
        ValueError: The columns differ in length.

    Example:
        >>> catalog = Catalog(["a", "b"], {"image": ["a.png", "b.png"]}, {"mask": ["m/a.png", ""]})
        >>> len(catalog), catalog.splits
        (2, ['', ''])
    """

    ids: list[str]
    inputs: dict[str, list[str]]
    targets: dict[str, list[str]]
    groups: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    facts: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = self.groups or [""] * len(self.ids)
        self.splits = self.splits or [""] * len(self.ids)
        for name, column in self._columns():
            if len(column) != len(self.ids):
                raise ValueError(f"column '{name}' has {len(column)} entries for {len(self.ids)} samples")

    def __len__(self) -> int:
        return len(self.ids)

    def indices(self, split: str) -> npt.NDArray[np.int64]:
        """Positions, ascending, of the samples of a split; `""` gives the undecided ones."""
        return np.flatnonzero([name == split for name in self.splits]).astype(np.int64)

    def split_counts(self) -> dict[str, int]:
        """Number of samples per split, in the order train, val, test."""
        return {split: self.splits.count(split) for split in SPLITS}

    def subset(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Catalog:
        """A new catalog of the samples at `indices`, in that order."""
        chosen = [int(index) for index in indices]
        return Catalog(
            ids=_take(self.ids, chosen),
            inputs={name: _take(column, chosen) for name, column in self.inputs.items()},
            targets={name: _take(column, chosen) for name, column in self.targets.items()},
            groups=_take(self.groups, chosen),
            splits=_take(self.splits, chosen),
            facts={name: _take(column, chosen) for name, column in self.facts.items()},
        )

    def save(self, path: str | Path) -> None:
        """Write the catalog as CSV: id, split, group, input.NAME, target.NAME, then the facts.

        Locations of local files are written absolute, so that the file can be moved.

        Raises:
            OutputError: The file cannot be written.
        """
        names, columns = zip(*self._columns(), strict=True)
        written = [_portable(name, column) for name, column in zip(names, columns, strict=True)]
        with (
            atomic_path(path) as temporary,
            temporary.open("w", encoding="utf-8", errors=_ERRORS, newline="") as file,
        ):
            # Before Python 3.13 the writer leaves a lone carriage return bare, and the reader ends the row there.
            odd = any("\r" in value for column in written for value in column)
            writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL)
            writer.writerow(names)
            writer.writerows(zip(*written, strict=True))

    @classmethod
    def load(cls, path: str | Path) -> Catalog:
        """Read a catalog that `save` wrote.

        Raises:
            DataError: The file is missing, is not such a CSV, or names a sample twice.
        """
        header, rows = _read_rows(Path(path))
        _require_columns(header, path)
        columns: dict[str, list[str]] = {name: [row[at] for row in rows] for at, name in enumerate(header)}
        _require_unique(columns["id"], path)
        _require_splits(columns["split"], path)
        return cls(
            ids=columns.pop("id"),
            splits=columns.pop("split"),
            groups=columns.pop("group"),
            inputs=_pop_kind(columns, _INPUT),
            targets=_pop_kind(columns, _TARGET),
            facts=columns,
        )

    def _columns(self) -> Iterable[tuple[str, list[str]]]:
        yield "id", self.ids
        yield "split", self.splits
        yield "group", self.groups
        yield from ((_INPUT + name, column) for name, column in self.inputs.items())
        yield from ((_TARGET + name, column) for name, column in self.targets.items())
        yield from self.facts.items()


def spread(indices: npt.NDArray[np.int64], count: int) -> list[int]:
    """At most `count` of the indices, evenly spread, ascending.

    Example:
        >>> spread(np.arange(10), 3)
        [0, 4, 9]
    """
    places = np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(int)
    return [int(indices[place]) for place in places]


def repeated(values: Sequence[str]) -> list[list[int]]:
    """Positions of each value that occurs more than once, in the order of first occurrence.

    Example:
        >>> repeated(["a", "b", "a", "c"])
        [[0, 2]]
    """
    seen: set[str] = set()
    twice = {value for value in values if value in seen or seen.add(value)}  # type: ignore[func-returns-value]
    places: dict[str, list[int]] = {}
    if twice:
        for place, value in enumerate(values):
            if value in twice:
                places.setdefault(value, []).append(place)
    return list(places.values())


def _take(column: list[str], indices: list[int]) -> list[str]:
    return [column[index] for index in indices]


def _pop_kind(columns: dict[str, list[str]], prefix: str) -> dict[str, list[str]]:
    names = [name for name in columns if name.startswith(prefix)]
    return {name.removeprefix(prefix): columns.pop(name) for name in names}


def _portable(name: str, column: list[str]) -> list[str]:
    if name.startswith(_INPUT):  # a picture has no planes, whatever its name holds
        return [_absolute(location) for location in column]
    if name.startswith(_TARGET):
        return [join_planes([_absolute(plane) for plane in split_planes(location)]) for location in column]
    return column


def _absolute(location: str) -> str:
    if not location or "://" in location or location.startswith("/"):
        return location
    # `abspath` drops the trailing slash that means "every picture of this folder together".
    return os.path.abspath(location) + ("/" if location.endswith("/") else "")  # noqa: PTH100 - Path would not fold '..'


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        # utf-8-sig: spreadsheet programs put a byte-order mark in front.
        with path.open(encoding="utf-8-sig", errors=_ERRORS, newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"a table of samples at '{path}'", reason, "Check the path.") from None
    if not rows:
        raise DataError(f"a table of samples at '{path}'", "the file is empty", "Train again, or check the path.")
    header = rows[0]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(
                f"{len(header)} columns in every row of '{path}'",
                f"row {number} has {len(row)}",
                "Restore the file as it was written.",
            )
    return header, rows[1:]


def _require_columns(header: list[str], path: str | Path) -> None:
    missing = [name for name in ("id", "split", "group") if name not in header]
    if not any(name.startswith(_INPUT) for name in header):
        missing.append(_INPUT + "image")
    if missing:
        raise DataError(
            f"a table of samples with a column '{missing[0]}'",
            f"'{path}' has the columns {', '.join(header)}",
            "Give the samples.csv of a run; a table of your own goes in as DATA, with columns image and mask.",
        )


def _require_unique(ids: list[str], path: str | Path) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    repeated = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    raise DataError("every sample once", f"'{path}' has the id '{repeated}' twice", "Remove one of the two rows.")


def _require_splits(splits: list[str], path: str | Path) -> None:
    unknown = set(splits) - {*SPLITS, ""}
    if unknown:
        raise DataError(
            "train, val, test or nothing in the column 'split'",
            f"'{min(unknown)}' in '{path}'",
            "Correct the column.",
        )
