"""Samples divided into folds, of which each validates once while the others train.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from limner.data.catalog import Catalog
from limner.data.draw import Unit, kind_of, shuffled, units_of
from limner.errors import ConfigError, DataError


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
