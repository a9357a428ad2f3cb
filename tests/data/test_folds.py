from collections import Counter

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.folds import assign_folds
from limner.data.splits import assign_splits
from limner.data.strata import strata_of
from limner.errors import ConfigError, DataError


def catalog_of(count, groups=None):
    ids = [f"{number:04}" for number in range(count)]
    return Catalog(ids, {"image": ids}, {}, groups=groups or [])


def test_folds_are_of_equal_size_and_depend_on_the_seed():
    found = assign_folds(catalog_of(103), 5, seed=1)
    assert sorted(Counter(found).values()) == [20, 20, 21, 21, 21]
    assert found == assign_folds(catalog_of(103), 5, seed=1)
    assert found != assign_folds(catalog_of(103), 5, seed=2)


def test_no_group_is_divided():
    groups = [f"p{number % 13}" for number in range(100)]
    found = assign_folds(catalog_of(100, groups), 4)
    assert len(set(zip(groups, found, strict=True))) == 13
    assert max(Counter(found).values()) - min(Counter(found).values()) <= 16


def test_every_fold_gets_its_share_of_a_rare_class():
    strata = [1 if number < 10 else 0 for number in range(200)]
    for seed in range(5):
        found = assign_folds(catalog_of(200), 5, seed, strata)
        assert set(Counter(fold for fold, kind in zip(found, strata, strict=True) if kind).values()) <= {1, 2, 3}


def test_samples_keep_their_folds_when_others_come():
    before = catalog_of(40)
    folds = dict(zip(before.ids, assign_folds(before, 4), strict=True))
    after = catalog_of(60)
    found = dict(zip(after.ids, assign_folds(after, 4, seed=9, previous=folds), strict=True))
    assert {name: found[name] for name in before.ids} == folds
    assert set(Counter(found.values()).values()) == {15}


def test_too_few_groups_or_folds():
    with pytest.raises(DataError, match="at least 3 groups for 3 folds"):
        assign_folds(catalog_of(6, ["a", "a", "a", "b", "b", "b"]), 3)
    with pytest.raises(ConfigError, match="at least 2 folds"):
        assign_folds(catalog_of(6), 1)


@pytest.mark.parametrize("seed", range(5))
def test_every_split_gets_its_share_of_each_kind(seed):
    strata = [number % 4 == 0 for number in range(200)]
    catalog = catalog_of(200)
    assign_splits(catalog, val=0.2, test=0.2, seed=seed, strata=[int(kind) for kind in strata])
    counts = Counter(split for split, kind in zip(catalog.splits, strata, strict=True) if kind)
    assert catalog.split_counts() == {"train": 120, "val": 40, "test": 40}
    assert counts["val"] in range(9, 12)
    assert counts["test"] in range(9, 12)


def test_kinds_follow_the_rarest_class_and_its_size():
    counts = np.array([[10, 0], [20, 0], [30, 0], [500, 7], [0, 0], [40, 0], [50, 0], [60, 0]])
    kinds = strata_of(counts)
    assert kinds[4] == 0
    assert kinds.count(kinds[3]) == 1
    assert [kinds[0], kinds[2], kinds[6]] == [kinds[1], kinds[5], kinds[7]]
    assert len(set(kinds)) == 5
