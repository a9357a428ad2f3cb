"""Run lengths: against masks written by hand, and back and forth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from limner.errors import DataError
from limner.images import decode_rle, encode_rle

# A mask and its runs, counted on paper: along the rows, from 1.
CASES = [
    ([[0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 1, 1]], "2 2 5 1 8 5"),
    ([[0, 0, 1], [1, 0, 0]], "3 2"),
    ([[1]], "1 1"),
    ([[1, 1], [1, 1]], "1 4"),
    ([[0, 0], [0, 0]], ""),
    ([[0], [1], [0], [1]], "2 1 4 1"),
]


@pytest.mark.parametrize(("mask", "runs"), CASES)
def test_runs_are_counted_along_the_rows_from_one(mask, runs):
    array = np.array(mask, dtype=bool)
    assert encode_rle(array) == runs
    np.testing.assert_array_equal(decode_rle(runs, array.shape, "it"), array)


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_there_and_back_is_the_same(mask):
    np.testing.assert_array_equal(decode_rle(encode_rle(mask), mask.shape, "it"), mask)


def test_any_number_but_zero_is_set_and_order_in_memory_does_not_matter():
    mask = np.asfortranarray(np.array([[0, 7, 0], [255, 0, 1]], dtype=np.uint8))
    assert encode_rle(mask) == "2 1 4 1 6 1"


def test_runs_that_touch_are_one_area():
    assert decode_rle("1 2 3 1", (1, 4), "it").tolist() == [[True, True, True, False]]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ("1 2 3", "3 numbers"),
        ("1 x", "'x'"),
        ("1 2.5", "'2.5'"),
        ("0 2", "a run of 2 pixels from 0"),
        ("-3 2", "from -3"),
        ("5 0", "a run of 0 pixels from 5"),
        ("11 3", "a run of 3 pixels from 11"),
        ("1 99999999999999999999999", "a number that is too large"),
        ("1 3 2 2", "the run from 2 overlaps the run before"),
        ("5 2 1 2", "the run from 1 comes after a later one"),
    ],
)
def test_what_is_no_mask_is_refused_by_name(runs, message):
    with pytest.raises(DataError) as caught:
        decode_rle(runs, (3, 4), "row 'a.jpg' (line 2) of 'masks.csv'")
    assert message in caught.value.found
    assert "row 'a.jpg' (line 2) of 'masks.csv'" in caught.value.expected
