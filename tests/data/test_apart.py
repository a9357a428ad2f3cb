"""Splits that share neither of two things."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.data.apart import assign_apart
from limner.data.catalog import Catalog
from limner.errors import DataError

COLUMNS = ("background", "foreground")


def catalog_of(backgrounds: int, foregrounds: int, repeats: int = 1) -> Catalog:
    cells = list(itertools.product(range(backgrounds), range(foregrounds), range(repeats)))
    ids = [f"{background}-{foreground}-{repeat}" for background, foreground, repeat in cells]
    facts = {"background": [f"b{cell[0]}" for cell in cells], "foreground": [f"f{cell[1]}" for cell in cells]}
    return Catalog(ids, {"image": ids}, {}, facts=facts)


@given(
    backgrounds=st.integers(3, 12),
    foregrounds=st.integers(3, 12),
    val=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 99),
)
def test_no_value_is_on_two_sides_and_no_sample_is_lost_without_need(backgrounds, foregrounds, val, test, seed):
    catalog = catalog_of(backgrounds, foregrounds)
    kept, _ = assign_apart(catalog, COLUMNS, val=val, test=test, seed=seed)

    sides = {}
    for column in COLUMNS:
        for index in kept:
            side = sides.setdefault(catalog.facts[column][index], catalog.splits[index])
            assert side == catalog.splits[index]
    assert {catalog.splits[index] for index in kept} == {"train", "val", "test"}
    dropped = set(range(len(catalog))) - set(kept.tolist())
    assert all(sides[catalog.facts["background"][i]] != sides[catalog.facts["foreground"][i]] for i in dropped)


def test_shares_are_shares_of_the_values():
    catalog = catalog_of(20, 10, 3)
    kept, notes = assign_apart(catalog, COLUMNS, val=0.2, test=0.1, seed=0)

    assert catalog.split_counts() == {"train": 14 * 7 * 3, "val": 4 * 2 * 3, "test": 2 * 1 * 3}
    assert len(kept) == (14 * 7 + 4 * 2 + 2) * 3
    assert "backgrounds 14 / 4 / 2, foregrounds 7 / 2 / 1, samples 294 / 24 / 6" in notes[0]
    assert "276 samples that mix the sides were left out" in notes[0]


def test_a_count_asks_for_about_so_many_samples():
    catalog = catalog_of(40, 40)
    assign_apart(catalog, COLUMNS, val=64, test=0, seed=0)
    assert catalog.split_counts() == {"train": 32 * 32, "val": 64, "test": 0}


def test_the_draw_depends_on_the_values_and_the_seed_alone():
    first, again, other = catalog_of(8, 8), catalog_of(8, 8).subset(np.arange(63, -1, -1)), catalog_of(8, 8)
    for catalog, seed in ((first, 1), (again, 1), (other, 2)):
        assign_apart(catalog, COLUMNS, val=0.3, test=0, seed=seed)

    assert first.splits == again.splits[::-1]
    assert first.splits != other.splits


def test_values_of_an_earlier_run_keep_their_side_and_new_ones_are_drawn():
    before, after = catalog_of(8, 6), catalog_of(12, 6)
    kept, _ = assign_apart(before, COLUMNS, val=0.25, test=0, seed=0)
    before = before.subset(kept)
    assign_apart(after, COLUMNS, val=0.25, test=0, seed=9, previous=before)

    now = dict(zip(after.ids, after.splits, strict=True))
    assert all(now[name] == split for name, split in zip(before.ids, before.splits, strict=True))
    assert len({after.facts["background"][i] for i in after.indices("val")}) == 3


def test_too_few_values_are_refused():
    with pytest.raises(DataError, match="at least 3 values of 'foreground'"):
        assign_apart(catalog_of(5, 2), COLUMNS, val=0.2, test=0.2, seed=0)


def test_combinations_that_do_not_occur_are_refused():
    whole = catalog_of(4, 4)
    diagonal = whole.subset([i for i in range(16) if i // 4 == i % 4])
    with pytest.raises(DataError, match="share no background and no foreground"):
        assign_apart(diagonal, COLUMNS, val=0.25, test=0.25, seed=0)
