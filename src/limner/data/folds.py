"""Samples divided into folds, of which each validates once while the others train.

Layer: data. Imports no torch. A divided catalog has the fact `fold`, a number from 0, empty for test samples,
which belong to no fold; all others have the split `train`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from limner.data.catalog import Catalog
from limner.data.draw import Unit, kind_of, shuffled, units_of
from limner.data.splits import assign_splits
from limner.errors import ConfigError, DataError

FOLD = "fold"
"""Name of the fact."""

_FLATTER = (
    "Every sample is scored by a model that did not train on it. Each fold also chose its model's best epoch, "
    "so scores flatter a little."
)


def divide(
    catalog: Catalog,
    folds: int,
    *,
    test: float | int = 0,
    seed: int = 0,
    previous: Catalog | None = None,
    strata: Sequence[int] | None = None,
) -> list[str]:
    """Set test samples apart and give every other sample a fold, in place.

    Args:
        catalog: The samples. Test samples that they come with stay; other given splits are pooled. A column
            `fold` that they come with is kept.
        folds: Number of folds, at least 2.
        test: Test samples to draw where the samples come without splits: a share below 1, a count, or 0.
        seed: Seed of the draws.
        previous: Samples of an earlier draw; those of the same id keep their fold, or stay test samples.
        strata: Kind of each sample (see `strata`); every fold then gets about its share of each kind.

    Returns:
        Notes in words on whatever the user may not expect.

    Raises:
        ConfigError: Fewer than 2 folds, or more folds in an earlier draw.
        DataError: Fewer groups than folds, or a column `fold` that holds no such numbers or leaves one out.
    """
    notes = []
    given = set(catalog.splits) - {""}
    if given and given != {"train"}:
        if "val" in given:
            notes.append("The train and val samples that the data came with are pooled, and divided into folds.")
    elif test or (previous and "test" in previous.splits):
        # What it draws as val goes back to the pool.
        drawn = replace(catalog, splits=[], facts={})
        assign_splits(drawn, val=1 / folds, test=test, seed=seed, previous=previous, strata=strata)
        catalog.splits = drawn.splits
    catalog.splits = ["test" if split == "test" else "train" for split in catalog.splits]
    pool = catalog.indices("train").tolist()
    known = {**(_known(previous, folds) if previous else {}), **_known(catalog, folds)}
    kinds = None if strata is None else [strata[index] for index in pool]
    assigned = assign_folds(catalog.subset(pool), folds, seed, kinds, known)
    if empty := set(range(folds)) - set(assigned):
        raise DataError(
            f"samples in each of {folds} folds",
            f"fold {min(empty)} has none, by the column '{FOLD}' that the samples have already",
            "Ask for fewer folds, or take the column out to divide them anew.",
        )
    column = [""] * len(catalog)
    for index, fold in zip(pool, assigned, strict=True):
        column[index] = str(fold)
    catalog.facts[FOLD] = column
    return notes if "test" in catalog.splits else [*notes, _FLATTER]


def fold_count(catalog: Catalog) -> int:
    """Number of folds that a catalog is divided into; 0 where it is not."""
    return len(set(catalog.facts.get(FOLD, [])) - {""})


def with_fold_apart(catalog: Catalog, fold: int) -> Catalog:
    """The samples with those of a fold as val, of the other folds as train, and test samples as they are.

    Example:
        >>> catalog = Catalog(["a", "b", "c"], {"image": [""] * 3}, {}, [], ["train", "train", "test"])
        >>> catalog.facts["fold"] = ["0", "1", ""]
        >>> with_fold_apart(catalog, 1).splits
        ['train', 'val', 'test']
    """
    of_fold = {"": "test", str(fold): "val"}
    return replace(catalog, splits=[of_fold.get(value, "train") for value in catalog.facts[FOLD]])


def assign_folds(
    catalog: Catalog,
    folds: int,
    seed: int = 0,
    strata: Sequence[int] | None = None,
    previous: Mapping[str, int] | None = None,
) -> list[int]:
    """Give every sample a fold; samples of one group share theirs.

    Args:
        catalog: The samples; their splits are not looked at.
        folds: Number of folds, at least 2.
        seed: Seed of the draw.
        strata: Kind of each sample (see `strata`); every fold then gets about its share of each kind.
        previous: Fold by id of an earlier draw; samples that it has keep theirs, and a group that it
            divided goes where most of it was.

    Returns:
        The fold of each sample, from 0.

    Raises:
        ConfigError: Fewer than 2 folds.
        DataError: Fewer groups, or samples without one, than folds.

    Example:
        >>> catalog = Catalog(["a", "b", "c", "d"], {"image": [""] * 4}, {}, groups=["p", "p", "", ""])
        >>> found = assign_folds(catalog, 2)
        >>> found[0] == found[1], sorted(found)
        (True, [0, 0, 1, 1])
    """
    if folds < 2:
        raise ConfigError("at least 2 folds", f"{folds}", "Ask for more.")
    units = units_of(catalog, range(len(catalog)))
    if len(units) < folds:
        raise DataError(
            f"at least {folds} groups for {folds} folds, since samples of one group stay together",
            f"{len(units)}",
            "Ask for fewer folds.",
        )
    assigned = [0] * len(catalog)
    sizes = [0] * folds
    of_kind: Counter[tuple[int, int]] = Counter()
    kept = [_kept(unit, catalog, previous or {}, folds) for unit in units]
    of_unit = {id(unit): fold for unit, fold in zip(units, kept, strict=True)}
    # What was settled before counts first, so that new samples even out the folds.
    for unit in sorted(shuffled(units, seed, strata), key=lambda unit: of_unit[id(unit)] is None):
        settled = of_unit[id(unit)]
        kind = 0 if strata is None else kind_of(unit, strata)
        emptiest = min(range(folds), key=lambda fold: (of_kind[fold, kind], sizes[fold]))
        fold = emptiest if settled is None else settled
        sizes[fold] += len(unit.indices)
        of_kind[fold, kind] += len(unit.indices)
        for index in unit.indices:
            assigned[index] = fold
    return assigned


def _kept(unit: Unit, catalog: Catalog, previous: Mapping[str, int], folds: int) -> int | None:
    """The fold that most of a unit's samples had; None where they had none."""
    had = Counter(previous[catalog.ids[index]] for index in unit.indices if catalog.ids[index] in previous)
    known = [fold for fold, _ in had.most_common() if 0 <= fold < folds]
    return known[0] if known else None


def _known(catalog: Catalog, folds: int) -> dict[str, int]:
    """The fold by id that a catalog gives.

    Raises:
        DataError: Something else stands in its column.
        ConfigError: It has more folds.
    """
    column = catalog.facts.get(FOLD, [])
    known = {}
    for name, value in zip(catalog.ids, column, strict=False):
        if value and not value.isdecimal():
            raise DataError(
                f"whole numbers from 0 in the column '{FOLD}'",
                f"'{value}' for '{name}'",
                "Correct the column, or give it another name.",
            )
        if value:
            known[name] = int(value)
    if known and max(known.values()) >= folds:
        raise ConfigError(
            f"at least {max(known.values()) + 1} folds, numbered from 0, as the samples have already",
            f"{folds}",
            f"Ask for as many, or take the column '{FOLD}' out to divide them anew.",
        )
    return known
