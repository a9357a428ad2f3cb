import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.data.catalog import Catalog
from limner.data.splits import assign_splits, parse_split
from limner.errors import ConfigError, DataError


def catalog_of(ids, groups=None, splits=None):
    ids = [str(name) for name in ids]
    return Catalog(ids, {"image": ids}, {"mask": ids}, groups=groups or [], splits=splits or [])


def splits_of(catalog):
    return dict(zip(catalog.ids, catalog.splits, strict=True))


def counts_of(catalog):
    counts = Counter(catalog.splits)
    return counts["train"], counts["val"], counts["test"]


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("70:15:15", (0.7, 0.15, 0.15)),
        ("8:1:1", (0.8, 0.1, 0.1)),
        ("0.5:0.25:0.25", (0.5, 0.25, 0.25)),
        ("80:20", (0.8, 0.2, 0.0)),
        ("90:10:0", (0.9, 0.1, 0.0)),
    ],
)
def test_shares_are_read(text, shares):
    assert parse_split(text) == pytest.approx(shares)


@pytest.mark.parametrize(
    "text", ["", "70", "70-30", "a:b", "0:1:1", "70:0:30", "1:2:3:4", "nan:1:1", "-1:1:1", "inf:1"]
)
def test_other_text_is_refused(text):
    with pytest.raises(ConfigError, match=r"Write it like 70:15:15"):
        parse_split(text)


@pytest.mark.parametrize(
    ("count", "val", "test", "expected"),
    [
        (100, 0.15, 0.15, (70, 15, 15)),
        (1800, 0.1, 0.2, (1260, 180, 360)),
        (20, 5, 0, (15, 5, 0)),
        (20, 1, 1.0, (18, 1, 1)),
        (30, 6, 0.1, (21, 6, 3)),
        (3, 0.15, 0.15, (1, 1, 1)),
        (2, 0.15, 0.15, (1, 1, 0)),
        (4, 0.5, 0.4, (1, 2, 1)),
        (8, 0.01, 0.01, (6, 1, 1)),
    ],
)
def test_sizes_of_splits(count, val, test, expected):
    catalog = catalog_of(range(count))

    assign_splits(catalog, val=val, test=test, seed=0)

    assert sum(counts_of(catalog)) == count
    assert counts_of(catalog) == expected


@pytest.mark.parametrize(
    ("val", "test", "message"),
    [
        (0, 0.2, "data.val is 0"),
        (-0.1, 0.2, "data.val"),
        (0.5, 0.5, "0.5 \\+ 0.5"),
        (8, 2, "fewer than 10"),
        (12, 0, "fewer than 10"),
        (2.5, 0, "2.5"),
        (0.1, float("nan"), "nan"),
    ],
)
def test_impossible_sizes_are_refused(val, test, message):
    with pytest.raises(ConfigError, match=message):
        assign_splits(catalog_of(range(10)), val=val, test=test, seed=0)


def test_one_sample_cannot_be_split():
    with pytest.raises(DataError, match="at least 2 samples"):
        assign_splits(catalog_of("a"), val=0.15, test=0.15, seed=0)


def test_few_samples_and_a_missing_test_split_are_noted():
    assert len(assign_splits(catalog_of(range(50)), val=0.2, test=0.2, seed=0)) == 0

    notes = assign_splits(catalog_of(range(5)), val=0.2, test=0, seed=0)

    assert "Only 5 samples (4 train, 1 val, 0 test)" in notes[0]
    assert "No test split" in notes[1]


def test_the_seed_decides_and_the_order_does_not():
    first, again, other = (catalog_of(range(60)) for _ in range(3))
    shuffled = list(range(60))
    random.Random(1).shuffle(shuffled)
    reordered = catalog_of(shuffled)

    for catalog, seed in ((first, 3), (again, 3), (reordered, 3), (other, 4)):
        assign_splits(catalog, val=0.2, test=0.2, seed=seed)

    assert splits_of(first) == splits_of(again) == splits_of(reordered)
    assert splits_of(first) != splits_of(other)


grouped = st.lists(st.sampled_from(["", "a", "b", "c", "d", "e", "f"]), min_size=3, max_size=60).filter(
    lambda groups: len(set(groups) - {""}) + groups.count("") >= 3
)


@given(groups=grouped, val=st.floats(0.05, 0.4), test=st.floats(0.05, 0.4), seed=st.integers(0, 9))
def test_groups_never_part_and_no_split_is_empty(groups, val, test, seed):
    catalog = catalog_of(range(len(groups)), groups)

    assign_splits(catalog, val=val, test=test, seed=seed)

    found = defaultdict(set)
    for group, split in zip(catalog.groups, catalog.splits, strict=True):
        found[group].add(split)
    assert all(len(splits) == 1 for group, splits in found.items() if group)
    assert all(count > 0 for count in counts_of(catalog))


@given(count=st.integers(2, 60), added=st.integers(0, 60), removed=st.integers(0, 30), seed=st.integers(0, 9))
def test_adding_and_removing_samples_keeps_the_others(count, added, removed, seed):
    first = catalog_of(range(count))
    assign_splits(first, val=0.2, test=0.2, seed=seed)
    second = catalog_of(range(min(removed, count - 2), count + added))

    assign_splits(second, val=0.2, test=0.2, seed=seed + 1, previous=first)

    before, after = splits_of(first), splits_of(second)
    assert {"train", "val"} <= set(after.values())
    kept = [before[name] for name in after if name in before]
    if {"train", "val"} <= set(kept):
        assert all(after[name] == before[name] for name in after if name in before)


def test_a_val_split_that_lost_its_samples_takes_one_from_train():
    first = catalog_of("abcdef", splits=["val", "train", "train", "train", "test", "test"])
    second = catalog_of("bcdef")

    notes = assign_splits(second, val=0.2, test=0.2, seed=0, previous=first)

    assert counts_of(second) == (2, 1, 2)
    assert second.splits[3:] == ["test", "test"]
    assert "moved from train to val" in notes[0]


def test_samples_are_split_anew_when_all_of_train_is_gone():
    first = catalog_of("abcd", splits=["train", "val", "test", "test"])
    second = catalog_of("bcd")

    notes = assign_splits(second, val=0.2, test=0.2, seed=0, previous=first)

    assert counts_of(second) == (1, 1, 1)
    assert "split anew" in notes[0]


def test_new_samples_bring_the_shares_near_what_is_asked():
    first = catalog_of(range(20))
    assign_splits(first, val=0.1, test=0.1, seed=0)
    second = catalog_of(range(200))

    assign_splits(second, val=0.2, test=0.3, seed=0, previous=first)

    assert counts_of(second) == (100, 40, 60)


def test_a_new_sample_of_a_known_patient_joins_the_others():
    first = catalog_of(range(10), [f"p{number}" for number in range(10)])
    assign_splits(first, val=0.2, test=0.2, seed=0)
    second = catalog_of(range(20), [f"p{number % 10}" for number in range(20)])

    assign_splits(second, val=0.2, test=0.2, seed=0, previous=first)

    splits = splits_of(second)
    assert all(splits[str(number)] == splits[str(number + 10)] == splits_of(first)[str(number)] for number in range(10))


def test_groups_that_were_divided_before_are_put_together_and_noted():
    previous = catalog_of(range(8), splits=["train"] * 5 + ["val", "test", "test"])
    catalog = catalog_of(range(8), ["p", "", "", "", "p", "p", "", ""])

    notes = assign_splits(catalog, val=0.2, test=0.2, seed=0, previous=previous)

    assert [catalog.splits[number] for number in (0, 4, 5)] == ["train"] * 3
    assert any("divided before: 1" in note for note in notes)


def test_a_large_group_trains_and_leaves_no_split_empty():
    catalog = catalog_of(range(20), ["big"] * 18 + ["b", "c"])

    assign_splits(catalog, val=0.15, test=0.15, seed=0)

    assert catalog.splits[:18] == ["train"] * 18
    assert sorted(catalog.splits[18:]) == ["test", "val"]


def test_one_group_cannot_be_split():
    with pytest.raises(DataError, match="at least 2 groups"):
        assign_splits(catalog_of(range(9), ["p"] * 9), val=0.2, test=0, seed=0)


def test_complete_splits_stay():
    given_splits = ["train"] * 5 + ["val"] * 2 + ["test"] * 3
    catalog = catalog_of(range(10), splits=list(given_splits))

    assert assign_splits(catalog, val=0.5, test=0.4, seed=0) == []
    assert catalog.splits == given_splits


def test_val_is_drawn_from_train_where_it_is_missing():
    catalog = catalog_of(range(30), splits=["train"] * 20 + ["test"] * 10)

    notes = assign_splits(catalog, val=0.2, test=0.5, seed=0)

    assert counts_of(catalog) == (16, 4, 10)
    assert catalog.splits[20:] == ["test"] * 10
    assert "drawn from train" in notes[0]


def test_no_test_is_drawn_from_a_given_train_and_val():
    catalog = catalog_of(range(30), splits=["train"] * 20 + ["val"] * 10)

    notes = assign_splits(catalog, val=0.2, test=0.2, seed=0)

    assert counts_of(catalog) == (20, 10, 0)
    assert "No test split" in notes[0]


def test_samples_marked_train_alone_are_split():
    catalog = catalog_of(range(20), splits=["train"] * 20)

    assign_splits(catalog, val=0.2, test=0.2, seed=0)

    assert counts_of(catalog) == (12, 4, 4)


def test_samples_without_a_split_join_their_group_or_train():
    catalog = catalog_of("abcd", ["", "p", "p", ""], ["train", "val", "", ""])

    assign_splits(catalog, val=0.2, test=0.2, seed=0)

    assert catalog.splits == ["train", "val", "val", "train"]


def test_given_splits_without_training_samples_are_refused():
    with pytest.raises(DataError, match="only test and val"):
        assign_splits(catalog_of("ab", splits=["val", "test"]), val=0.2, test=0.2, seed=0)


def test_groups_torn_by_a_given_split_are_honoured_and_noted():
    catalog = catalog_of("abcd", ["p", "p", "", ""], ["train", "test", "train", "val"])

    notes = assign_splits(catalog, val=0.2, test=0.2, seed=0)

    assert catalog.splits == ["train", "test", "train", "val"]
    assert "such as 'p': 1" in notes[0]


def test_many_samples_are_split_at_once():
    catalog = catalog_of(range(50_000), [f"p{number % 997}" for number in range(50_000)])

    assign_splits(catalog, val=0.15, test=0.15, seed=0)

    train, val, test = counts_of(catalog)
    assert abs(val - 7500) <= 51
    assert abs(test - 7500) <= 51
    assert train == 50_000 - val - test
