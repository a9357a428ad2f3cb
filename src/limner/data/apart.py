"""Splits that share neither of several things, such as the background and the foreground of a composite.

Layer: data. Every value of every such column is given to one split; a sample belongs to a split if all of
its values do. Samples whose values lie on two sides would leak, and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int64

from limner.data.catalog import Catalog
from limner.data.splits import check_shares
from limner.errors import DataError
from limner.types import SPLITS


def assign_apart(
    catalog: Catalog,
    columns: Sequence[str],
    *,
    val: float | int,
    test: float | int,
    seed: int,
    previous: Catalog | None = None,
) -> tuple[Int64[np.ndarray, " kept"], list[str]]:
    """Give samples splits that share no value of the columns, in place.

    A share is one of the values of each column: 0.15 gives val 15 % of the backgrounds and 15 % of the
    foregrounds, and so about 2 % of the samples, which is why samples are left out at all.

    Args:
        catalog: The samples, without splits; the columns are among its `facts`.
        columns: Names of facts of which no value may be in two splits.
        val: Validation: a share of the values below 1, or about so many samples.
        test: Test: likewise, or 0 for none.
        seed: Seed of the draw, which depends on the values alone.
        previous: An earlier run's samples; values that it has keep their split.

    Returns:
        Positions of the samples that have a split, ascending, and notes.

    Raises:
        ConfigError: Shares that leave nothing to train on, or no validation.
        DataError: A column has too few values, or a split has no sample.
    """
    check_shares(val, test, len(catalog))
    shares = {"val": _share(val, len(catalog), len(columns)), "test": _share(test, len(catalog), len(columns))}
    sides = []
    counts: list[dict[str, int]] = []
    for place, column in enumerate(columns):
        values = catalog.facts[column]
        split_of = _divide(values, shares, (seed, place), _earlier(previous, column), column)
        sides.append([split_of[value] for value in values])
        counts.append({split: sum(found == split for found in split_of.values()) for split in SPLITS})
    catalog.splits = [found[0] if len(set(found)) == 1 else "" for found in zip(*sides, strict=True)]
    kept = np.flatnonzero([bool(split) for split in catalog.splits])
    _require_all(catalog, columns, shares)
    return kept, [_note(catalog, columns, counts)]


def _share(wanted: float | int, count: int, columns: int) -> float:
    """The share of each column's values that gives about so many samples."""
    return float(wanted) if wanted < 1 else min(0.5, (wanted / count) ** (1 / columns))


def _divide(
    values: Sequence[str],
    shares: Mapping[str, float],
    seed: tuple[int, int],
    earlier: Mapping[str, str],
    column: str,
) -> dict[str, str]:
    """Split of each value."""
    names = sorted(set(values))
    wanted = {split: max(1, math.floor(share * len(names) + 0.5)) for split, share in shares.items() if share}
    if len(names) <= len(wanted):
        raise DataError(
            f"at least {len(wanted) + 1} values of '{column}' for splits that share none",
            f"{len(names)}: {', '.join(names)}",
            "Add more, or share them knowingly: 'data.layout_options={split: background}' keeps backgrounds apart "
            "alone, '{split: random}' neither.",
        )
    while sum(wanted.values()) >= len(names):
        wanted[max(wanted, key=lambda split: wanted[split])] -= 1
    split_of = {name: earlier[name] for name in names if earlier.get(name) in ("train", *wanted)}
    order = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    fresh = [name for name in order if name not in split_of]
    for split, number in wanted.items():
        missing = max(0, number - sum(found == split for found in split_of.values()))
        taken, fresh = fresh[:missing], fresh[missing:]
        split_of |= dict.fromkeys(taken, split)
    return split_of | dict.fromkeys(fresh, "train")


def _earlier(previous: Catalog | None, column: str) -> dict[str, str]:
    """The split that each value had, where an earlier run kept them apart."""
    if previous is None or column not in previous.facts:
        return {}
    splits: dict[str, set[str]] = {}
    for value, split in zip(previous.facts[column], previous.splits, strict=True):
        splits.setdefault(value, set()).add(split)
    return {value: found.pop() for value, found in splits.items() if len(found) == 1}


def _require_all(catalog: Catalog, columns: Sequence[str], shares: Mapping[str, float]) -> None:
    wanted = ["train", *(split for split, share in shares.items() if share)]
    empty = [split for split in wanted if split not in catalog.splits]
    if empty:
        raise DataError(
            f"samples for {' and '.join(empty)} that share no {' and no '.join(columns)} with the others",
            "none, as only some combinations occur",
            "Choose another `data.seed`, raise `data.val` and `data.test`, or share them knowingly: "
            "'data.layout_options={split: random}'.",
        )


def _note(catalog: Catalog, columns: Sequence[str], counts: Sequence[Mapping[str, int]]) -> str:
    left = catalog.splits.count("")
    parts = [
        f"{column}s " + " / ".join(f"{number[split]:,}" for split in SPLITS)
        for column, number in zip(columns, counts, strict=True)
    ]
    samples = " / ".join(f"{count:,}" for count in catalog.split_counts().values())
    return (
        f"Splits (train / val / test) share no {' and no '.join(columns)}: {', '.join(parts)}, samples {samples}; "
        f"{left:,} samples that mix the sides were left out."
    )
