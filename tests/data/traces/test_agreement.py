from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from limner.data.traces.agreement import agreement_table, compare, dice, mean_dice


def test_dice_is_the_f1_score_of_pixels():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 9, 9)) > 0.4
    assert dice(first, second) == pytest.approx(f1_score(first.ravel(), second.ravel()))


def test_two_empty_regions_say_nothing():
    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    assert math.isnan(dice(empty, empty))
    found = compare("1", {"A": {"lv": empty, "rv": full}, "B": {"lv": empty, "rv": full}})
    assert mean_dice(found) == {"rv": (1.0, 1)}


def test_every_two_experts_are_compared_where_both_have_a_mask():
    full = np.ones((2, 2), bool)
    found = compare("1", {"A": {"lv": full}, "B": {"lv": None}, "C": {"lv": full}})
    assert [(one.first, one.second) for one in found] == [("A", "C")]
    assert agreement_table(found).splitlines()[1] == "1,lv,A,C,1.0000,4,4"
