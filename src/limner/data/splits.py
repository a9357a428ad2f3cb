"""Which samples train, which validate and which test.

Layer: data. Samples of one group (a patient, a slide, a video) never part, samples keep the split
they had in an earlier run, and a split that the data came with is honoured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from limner.data.catalog import Catalog
from limner.data.draw import draw
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
    catalog: Catalog,
    *,
    val: float | int,
    test: float | int,
    seed: int,
    previous: Catalog | None = None,
    strata: Sequence[int] | None = None,
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
        strata: Kind of each sample (see `strata`); every split then gets about its share of each kind.

    Returns:
        Notes in words on whatever the user may not expect.

    Raises:
        ConfigError: The shares leave no training samples, or there is no validation.
        DataError: Too few samples or groups to split, or given splits without training samples.
    """
    check_shares(val, test, len(catalog))
    _check_enough(catalog)
    notes: list[str] = []
    pool, wanted = _pool(catalog, val, test, notes)
    if pool:
        draw(catalog, pool, wanted, seed, previous, notes, strata)
    notes += _crossing_groups(catalog)
    notes += split_remarks(catalog)
    return notes


def check_shares(val: float | int, test: float | int, count: int) -> None:
    """Refuse shares and counts of val and test that leave nothing to train on or to validate with.

    Raises:
        ConfigError: As said.
    """
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


def _pool(catalog: Catalog, val: float | int, test: float | int, notes: list[str]) -> tuple[list[int], dict[str, int]]:
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
        notes.append(f"Samples without a split, which joined their group's, or train: {len(joined):,}.")
    return [], {}


def _join(catalog: Catalog, indices: Iterable[int]) -> None:
    of_group = {group: split for group, split in zip(catalog.groups, catalog.splits, strict=True) if group and split}
    for index in indices:
        catalog.splits[index] = of_group.get(catalog.groups[index], "train")


def _amounts(val: float | int, test: float | int, count: int) -> dict[str, int]:
    """How many samples val and test shall have out of `count`, at least one left over."""
    amounts = {name: _amount(share, count) for name, share in (("val", val), ("test", test))}
    while sum(amounts.values()) >= count:
        larger = "test" if amounts["test"] >= amounts["val"] else "val"
        amounts[larger] -= 1
    return amounts


def _amount(share: float | int, count: int) -> int:
    if share >= 1:
        return int(share)
    return max(1, math.floor(share * count + 0.5)) if share else 0


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
        f"Groups that lie in more than one of the given splits, such as '{torn[0]}': {len(torn):,}. "
        "Scores will be better than on new data."
    ]


def split_remarks(catalog: Catalog) -> list[str]:
    """What a reader of the scores must know of the splits."""
    counts = Counter(catalog.splits)
    numbers = ", ".join(f"{counts[split]} {split}" for split in SPLITS)
    notes = []
    if len(catalog) <= _FEW:
        notes.append(f"Only {len(catalog)} samples ({numbers}): scores of so few say little about new pictures.")
    if not counts["test"]:
        notes.append("No test split: scores are of the val samples, which also chose the model, so they flatter.")
    return notes
