"""Draw samples into splits so that groups stay together and earlier splits are kept.

Layer: data. `splits` decides which samples are drawn and how many each split shall have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limner.data.catalog import Catalog
from limner.errors import DataError
from limner.types import SPLITS


@dataclass(slots=True)
class Unit:
    """Samples that stay together: a group, or a single sample."""

    indices: list[int]
    split: str = ""


def draw(
    catalog: Catalog,
    pool: list[int],
    wanted: Mapping[str, int],
    seed: int,
    previous: Catalog | None,
    notes: list[str],
    strata: Sequence[int] | None = None,
) -> None:
    """Divide the pool between train and the wanted splits, in place.

    Args:
        catalog: The samples; those outside the pool keep their splits, and groups follow them.
        pool: Positions of the samples to divide.
        wanted: Number of samples by split, train excepted.
        seed: Seed of the order in which units are drawn.
        previous: Samples that it has keep their split.
        notes: Takes what the user may not expect.
        strata: Kind of each sample; every split then gets about its share of each kind.

    Raises:
        DataError: The pool cannot be divided without parting a group.
    """
    if previous is None and len(pool) > 1 and not any(catalog.groups[index] for index in pool):
        _draw_singly(catalog, pool, wanted, seed, strata)
        return
    units = units_of(catalog, pool)
    order = shuffled(units, seed, strata)
    moved = 0
    if previous is not None:
        moved = _keep(catalog, units, dict(zip(previous.ids, previous.splits, strict=True)), {"train", *wanted})
    _follow(catalog, pool, units)
    if not _fill(order, wanted, notes):
        notes.append("Too few samples of the earlier split are left: all were split anew.")
        for unit in units:
            unit.split, moved = "", 0
        _follow(catalog, pool, units)
        if not _fill(order, wanted, notes):
            raise _one_group(len(units))
    if moved:
        notes.append(f"Samples that changed split, because their groups were divided before: {moved:,}.")
    for unit in units:
        for index in unit.indices:
            catalog.splits[index] = unit.split


def _draw_singly(
    catalog: Catalog, pool: list[int], wanted: Mapping[str, int], seed: int, strata: Sequence[int] | None
) -> None:
    """The same draw for samples that nothing ties together, without an object for each of perhaps a million."""
    ordered = sorted(pool, key=catalog.ids.__getitem__)
    kinds = None if strata is None else [strata[index] for index in ordered]
    held, *_ = drawn = [ordered[place] for place in _order(len(ordered), seed, kinds)]
    names = [name for name in ("val", "test") if wanted.get(name)]
    for index in pool:
        catalog.splits[index] = "train"
    rest = [index for index in drawn if index != held]
    firsts, rest = rest[: len(names)], rest[len(names) :]
    for name, first in zip(names, firsts, strict=False):
        taken, rest = [first, *rest[: wanted[name] - 1]], rest[wanted[name] - 1 :]
        for index in taken:
            catalog.splits[index] = name


def shuffled(units: list[Unit], seed: int, strata: Sequence[int] | None = None) -> list[Unit]:
    """Units in random order; with strata, so that each stretch of it holds about its share of each kind."""
    kinds = None if strata is None else [kind_of(unit, strata) for unit in units]
    return [units[place] for place in _order(len(units), seed, kinds)]


def _order(count: int, seed: int, kinds: Sequence[int] | None) -> list[int]:
    """Places in random order; with a kind for each, so that each stretch of it holds about its share of each kind."""
    generator = np.random.default_rng(seed)
    order: list[int] = generator.permutation(count).tolist()
    if kinds is None:
        return order
    drawn = [kinds[place] for place in order]
    sizes, seen = Counter(drawn), Counter[int]()
    starts = {kind: generator.random() for kind in sorted(sizes)}
    places = []
    for kind in drawn:
        places.append((seen[kind] + starts[kind]) / sizes[kind])
        seen[kind] += 1
    return [order[place] for place in np.argsort(places, kind="stable")]


def kind_of(unit: Unit, strata: Sequence[int]) -> int:
    """The kind that most of a unit's samples are of."""
    return Counter(strata[index] for index in unit.indices).most_common(1)[0][0]


def units_of(catalog: Catalog, pool: Sequence[int]) -> list[Unit]:
    """The pool in parts that stay together, in an order that depends on their names alone."""
    members: dict[tuple[bool, str], list[int]] = {}
    for index in pool:
        group = catalog.groups[index]
        members.setdefault((True, group) if group else (False, catalog.ids[index]), []).append(index)
    return [Unit(members[key]) for key in sorted(members)]


def _keep(catalog: Catalog, units: list[Unit], splits: Mapping[str, str], allowed: set[str]) -> int:
    """Give units the split they had; returns how many samples had another than their unit now has."""
    moved = 0
    for unit in units:
        had = Counter(splits.get(catalog.ids[index], "") for index in unit.indices)
        counts = {split: had[split] for split in SPLITS if had[split] and split in allowed}
        if counts:
            unit.split = max(counts, key=lambda split: counts[split])
            moved += sum(counts.values()) - counts[unit.split]
    return moved


def _follow(catalog: Catalog, pool: list[int], units: list[Unit]) -> None:
    """Settle units of a group that lies in part in a split that was given."""
    outside = set(range(len(catalog))) - set(pool)
    settled = {catalog.groups[index]: catalog.splits[index] for index in outside if catalog.groups[index]}
    for unit in units:
        split = settled.get(catalog.groups[unit.indices[0]])
        if split:
            given = any(catalog.splits[index] for index in unit.indices)
            unit.split = "train" if given else split


def _fill(units: list[Unit], wanted: Mapping[str, int], notes: list[str]) -> bool:
    """Draw units into the wanted splits, in the order given; what remains trains.

    Returns:
        Whether there is something to train on and something to validate with.
    """
    names = [name for name in ("val", "test") if wanted.get(name)]
    # One unit for each split first, so that a large group cannot leave another split empty.
    for name in names:
        if not _size(units, name):
            _take_first(units, name, wanted[name])
    for name in names:
        _take_more(units, name, wanted[name])
    for unit in units:
        unit.split = unit.split or "train"
    training = [unit for unit in units if unit.split == "train"]
    if not _size(units, "val") and len(training) > 1:
        smallest = min(training, key=lambda unit: len(unit.indices))
        smallest.split = "val"
        notes.append(f"Samples moved from train to val, which had lost all of its own: {len(smallest.indices):,}.")
    return bool(_size(units, "val") and training)


def _one_group(count: int) -> DataError:
    return DataError(
        "at least 2 groups to train and validate, since samples of one group stay together",
        f"{count} to draw from",
        "Correct the group column, or leave it out if the samples are independent.",
    )


def _size(units: Iterable[Unit], split: str) -> int:
    return sum(len(unit.indices) for unit in units if unit.split == split)


def _spare(units: list[Unit]) -> list[Unit]:
    """Undecided units, of which one is held back while train has none."""
    undecided = [unit for unit in units if not unit.split]
    if not _size(units, "train") and undecided:
        undecided.remove(max(undecided, key=lambda unit: len(unit.indices)))
    return undecided


def _take_first(units: list[Unit], name: str, wanted: int) -> None:
    spare = _spare(units)
    fitting = [unit for unit in spare if len(unit.indices) <= wanted]
    if spare:
        chosen = fitting[0] if fitting else min(spare, key=lambda unit: len(unit.indices))
        chosen.split = name


def _take_more(units: list[Unit], name: str, wanted: int) -> None:
    """Take units while that brings the split nearer to the wanted size."""
    size = _size(units, name)
    for unit in _spare(units):
        if size >= wanted:
            return
        if abs(size + len(unit.indices) - wanted) < wanted - size:
            unit.split = name
            size += len(unit.indices)
