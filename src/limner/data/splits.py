"""Which samples train, which validate and which test.

Layer: data. Samples of one group (a patient, a slide, a video) never part, samples keep the split
they had in an earlier run, and a split that the data came with is honoured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from limner.data.catalog import Catalog
from limner.errors import ConfigError, DataError
from limner.types import SPLITS

_FEW = 6  # samples below which scores say little


def parse_split(text: str) -> tuple[float, float, float]:
    """Shares of train, val and test, which add up to 1, from text such as `70:15:15`.

    Three numbers are `train:val:test`; two are `train:val`, without a test split.

    Raises:
        ConfigError: Not two or three numbers with `:` between, or no share for train or val.

    Example:
        >>> parse_split("70:20:10"), parse_split("3:1")
        ((0.7, 0.2, 0.1), (0.75, 0.25, 0.0))
    """
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    valid = len(numbers) in (2, 3) and all(math.isfinite(number) and number >= 0 for number in numbers)
    if not valid or numbers[0] == 0 or numbers[1] == 0:
        raise ConfigError(
            "a split 'train:val:test' or 'train:val' such as 70:15:15 or 80:20, with something for train and val",
            f"'{text}'",
            "Write it like 70:15:15.",
        )
    train, val, test = (number / sum(numbers) for number in (*numbers, 0.0)[:3])
    return train, val, test


def assign_splits(
    catalog: Catalog, *, val: float, test: float, seed: int, previous: Catalog | None = None
) -> list[str]:
    """Give every sample a split, in place.

    The draw depends on the samples' ids, their groups and the seed, not on their order. Where the
    samples come with splits these stay: without a val split one is drawn from train, without a test
    split there is none. A sample without a split beside samples that have one joins its group, or train.

    Args:
        catalog: The samples; `splits` may be filled already, in part or in full.
        val: Validation samples: a share below 1, or a count.
        test: Test samples: a share below 1, a count, or 0 for none.
        seed: Seed of the draw.
        previous: An earlier run's samples; those of the same id keep their split, and new ones are
            drawn so that the shares come as near as they can.

    Returns:
        Notes in words on whatever the user may not expect.

    Raises:
        ConfigError: The shares leave no training samples, or there is no validation.
        DataError: Too few samples or groups to split, or given splits without training samples.
    """
    _check_shares(val, test, len(catalog))
    _check_enough(catalog)
    notes: list[str] = []
    pool, wanted = _pool(catalog, val, test, notes)
    if pool:
        _draw(catalog, pool, wanted, seed, previous, notes)
    notes += _crossing_groups(catalog)
    notes += _remarks(catalog)
    return notes


def _check_shares(val: float, test: float, count: int) -> None:
    for name, share in (("val", val), ("test", test)):
        whole = share < 1 or float(share).is_integer()
        if not math.isfinite(share) or share < 0 or not whole:
            raise ConfigError(f"data.{name} is a share below 1 or a whole number", f"{share}", f"Change data.{name}.")
    if val == 0:
        raise ConfigError(
            "some validation samples: they choose the best epoch", "data.val is 0", "Set data.val, such as 0.15."
        )
    if val < 1 and test < 1 and val + test >= 1:
        raise ConfigError(
            "val and test leave something to train on", f"{val} + {test} is all", "Lower data.val or data.test."
        )
    counted = sum(int(share) for share in (val, test) if share >= 1)
    if count > 1 and counted >= count:
        raise ConfigError(
            f"fewer than {count} samples for val and test, so that some are left to train on",
            f"data.val = {val:g} and data.test = {test:g}",
            "Lower them, or give shares such as 0.15.",
        )


def _check_enough(catalog: Catalog) -> None:
    if len(catalog) < 2:
        raise DataError(
            "at least 2 samples, one to train on and one to validate with",
            f"{len(catalog)}",
            "Add samples, or cut the picture into several tiles.",
        )


def _pool(catalog: Catalog, val: float, test: float, notes: list[str]) -> tuple[list[int], dict[str, int]]:
    """The samples to draw from, and how many of them each split shall have; the rest is settled."""
    given = set(catalog.splits) - {""}
    everything = list(range(len(catalog)))
    if given <= {"train"}:
        return everything, _amounts(val, test, len(catalog))
    open_ = [index for index in everything if catalog.splits[index] in ("train", "")]
    if not open_:
        raise DataError(
            "training samples among the given splits",
            f"only {' and '.join(sorted(given))}",
            "Mark some samples as train, or leave the split column out.",
        )
    if "val" not in given:
        notes.append("The data came split into train and test; the val split is drawn from train.")
        return open_, {"val": _amounts(val, 0, len(open_))["val"]}
    joined = [index for index in open_ if catalog.splits[index] == ""]
    if joined:
        _join(catalog, joined)
        notes.append(f"{len(joined):,} samples without a split joined their group's split, or train.")
    return [], {}


def _join(catalog: Catalog, indices: Iterable[int]) -> None:
    of_group = {group: split for group, split in zip(catalog.groups, catalog.splits, strict=True) if group and split}
    for index in indices:
        catalog.splits[index] = of_group.get(catalog.groups[index], "train")


def _amounts(val: float, test: float, count: int) -> dict[str, int]:
    """How many samples val and test shall have out of `count`, at least one left over."""
    amounts = {name: _amount(share, count) for name, share in (("val", val), ("test", test))}
    while sum(amounts.values()) >= count:
        larger = "test" if amounts["test"] >= amounts["val"] else "val"
        amounts[larger] -= 1
    return amounts


def _amount(share: float, count: int) -> int:
    if share >= 1:
        return int(share)
    return max(1, math.floor(share * count + 0.5)) if share else 0


@dataclass
class _Unit:
    """Samples that stay together: a group, or a single sample."""

    indices: list[int]
    split: str = ""


def _draw(
    catalog: Catalog,
    pool: list[int],
    wanted: Mapping[str, int],
    seed: int,
    previous: Catalog | None,
    notes: list[str],
) -> None:
    """Divide the pool between train and the wanted splits."""
    units = _units(catalog, pool)
    if previous is not None:
        moved = _keep(catalog, units, dict(zip(previous.ids, previous.splits, strict=True)), {"train", *wanted})
        if moved:
            notes.append(f"{moved:,} samples changed split, because their groups were divided before.")
    _follow(catalog, pool, units)
    order = np.random.default_rng(seed).permutation(len(units))
    _fill([units[place] for place in order], wanted, notes)
    for unit in units:
        for index in unit.indices:
            catalog.splits[index] = unit.split


def _units(catalog: Catalog, pool: list[int]) -> list[_Unit]:
    """The pool in parts that stay together, in an order that depends on their names alone."""
    members: dict[tuple[bool, str], list[int]] = {}
    for index in pool:
        group = catalog.groups[index]
        members.setdefault((True, group) if group else (False, catalog.ids[index]), []).append(index)
    return [_Unit(members[key]) for key in sorted(members)]


def _keep(catalog: Catalog, units: list[_Unit], splits: Mapping[str, str], allowed: set[str]) -> int:
    """Give units the split they had; returns how many samples had another than their unit now has."""
    moved = 0
    for unit in units:
        had = Counter(splits.get(catalog.ids[index], "") for index in unit.indices)
        counts = {split: had[split] for split in SPLITS if had[split] and split in allowed}
        if counts:
            unit.split = max(counts, key=lambda split: counts[split])
            moved += sum(counts.values()) - counts[unit.split]
    return moved


def _follow(catalog: Catalog, pool: list[int], units: list[_Unit]) -> None:
    """Settle units of a group that lies in part in a split that was given."""
    outside = set(range(len(catalog))) - set(pool)
    settled = {catalog.groups[index]: catalog.splits[index] for index in outside if catalog.groups[index]}
    for unit in units:
        split = settled.get(catalog.groups[unit.indices[0]])
        if split:
            given = any(catalog.splits[index] for index in unit.indices)
            unit.split = "train" if given else split


def _fill(units: list[_Unit], wanted: Mapping[str, int], notes: list[str]) -> None:
    """Draw units into the wanted splits, in the order given; what remains trains."""
    names = [name for name in ("val", "test") if wanted.get(name)]
    if len(units) <= 1:
        raise DataError(
            "at least 2 groups, since samples of one group stay together",
            "1 group holds every sample that may be drawn",
            "Correct the group column, or leave it out if the samples are independent.",
        )
    # One unit for each split first, so that a large group cannot leave another split empty.
    for name in names:
        if not _size(units, name):
            _take_first(units, name, wanted[name])
    for name in names:
        _take_more(units, name, wanted[name])
    for unit in units:
        unit.split = unit.split or "train"
    if not _size(units, "val") and "val" in wanted:
        smallest = min((unit for unit in units if unit.split == "train"), key=lambda unit: len(unit.indices))
        smallest.split = "val"
        notes.append(f"{len(smallest.indices):,} samples moved from train to val, which had lost all of its own.")
    if not _size(units, "train"):
        raise DataError(
            "training samples", "all of those of the earlier run are gone", "Add samples, or start a new run."
        )


def _size(units: Iterable[_Unit], split: str) -> int:
    return sum(len(unit.indices) for unit in units if unit.split == split)


def _spare(units: list[_Unit]) -> list[_Unit]:
    """Undecided units, of which one is held back while train has none."""
    undecided = [unit for unit in units if not unit.split]
    if not _size(units, "train") and undecided:
        undecided.remove(max(undecided, key=lambda unit: len(unit.indices)))
    return undecided


def _take_first(units: list[_Unit], name: str, wanted: int) -> None:
    spare = _spare(units)
    fitting = [unit for unit in spare if len(unit.indices) <= wanted]
    if spare:
        chosen = fitting[0] if fitting else min(spare, key=lambda unit: len(unit.indices))
        chosen.split = name


def _take_more(units: list[_Unit], name: str, wanted: int) -> None:
    """Take units while that brings the split nearer to the wanted size."""
    size = _size(units, name)
    for unit in _spare(units):
        if size >= wanted:
            return
        if abs(size + len(unit.indices) - wanted) < wanted - size:
            unit.split = name
            size += len(unit.indices)


def _crossing_groups(catalog: Catalog) -> list[str]:
    """A note on groups that a given split tears apart: it is honoured, but its scores flatter."""
    splits: dict[str, set[str]] = {}
    for group, split in zip(catalog.groups, catalog.splits, strict=True):
        if group:
            splits.setdefault(group, set()).add(split)
    torn = [group for group, found in splits.items() if len(found) > 1]
    if not torn:
        return []
    return [
        f"{len(torn):,} groups lie in more than one of the given splits, such as '{torn[0]}': "
        "scores will be better than on new data."
    ]


def _remarks(catalog: Catalog) -> list[str]:
    counts = Counter(catalog.splits)
    numbers = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    notes = []
    if len(catalog) <= _FEW:
        notes.append(f"Only {len(catalog)} samples ({numbers}): scores of so few say little about new pictures.")
    if not counts["test"]:
        notes.append("No test split: scores are of the val samples, which also chose the model, so they flatter.")
    return notes
