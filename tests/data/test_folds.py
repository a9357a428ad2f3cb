from collections import Counter

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.folds import assign_folds, divide, fold_count, with_fold_apart
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


def divided(catalog, folds, **options):
    notes = divide(catalog, folds, **options)
    return catalog.facts["fold"], notes


def test_test_samples_are_in_no_fold():
    catalog = catalog_of(50, [f"p{number // 2}" for number in range(50)])
    folds, notes = divided(catalog, 4, test=10, seed=3)
    assert catalog.split_counts() == {"train": 40, "val": 0, "test": 10}
    assert [fold == "" for fold in folds] == [split == "test" for split in catalog.splits]
    assert sorted(Counter(folds).values()) == [10, 10, 10, 10, 10]
    assert len(set(zip(catalog.groups, folds, strict=True))) == 25
    assert notes == []
    assert "flatter" in divide(catalog_of(20), 4)[0]


def test_splits_that_the_data_came_with_are_pooled_but_for_test():
    catalog = catalog_of(12)
    catalog.splits = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    folds, notes = divided(catalog, 3, test=0.5)
    assert catalog.splits == ["train"] * 9 + ["test"] * 3
    assert sorted(Counter(folds).items()) == [("", 3), ("0", 3), ("1", 3), ("2", 3)]
    assert "pooled" in notes[0]


def test_an_earlier_table_keeps_folds_and_test_samples():
    before = catalog_of(30)
    divide(before, 3, test=6)
    after = catalog_of(45)
    divide(after, 3, seed=5, previous=before)
    old = dict(zip(before.ids, before.facts["fold"], strict=True))
    new = dict(zip(after.ids, after.facts["fold"], strict=True))
    assert {name: new[name] for name in before.ids} == old
    assert after.split_counts()["test"] == 6
    assert sorted(Counter(after.facts["fold"]).values()) == [6, 13, 13, 13]


def test_a_column_that_holds_no_folds():
    catalog = catalog_of(6)
    catalog.facts["fold"] = ["0", "1", "2", "", "", ""]
    with pytest.raises(ConfigError, match="at least 3 folds"):
        divide(catalog, 2)
    assert divided(catalog, 3)[0][:3] == ["0", "1", "2"]
    catalog.facts["fold"] = list("002200")
    with pytest.raises(DataError, match="fold 1 has none"):
        divide(catalog, 3)
    catalog.facts["fold"] = ["a"] * 6
    with pytest.raises(DataError, match="'a' for '0000'"):
        divide(catalog, 3)


def test_each_fold_validates_once():
    catalog = catalog_of(11)
    divide(catalog, 3, test=2)
    parts = [with_fold_apart(catalog, fold) for fold in range(fold_count(catalog))]
    for splits in zip(*(part.splits for part in parts), strict=True):
        assert sorted(splits) in (["test"] * 3, ["train", "train", "val"])
