"""What masks hold is counted exactly, whatever they are stored as."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.data.values import MOST_VALUES, color_values, format_share, format_shares, grey_values, tabulate
from limner.errors import DataError
from limner.images import StoredMask


def table(array, palette=None):
    return tabulate(StoredMask(array, palette), "a.png")


@given(st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=1, max_size=6))
def test_counts_agree_with_numpy(rows):
    array = np.array(rows, np.uint8)
    values, counts = np.unique(array, return_counts=True)
    assert table(array).counts == dict(zip(values.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.int32, np.float32])
def test_one_is_one_in_every_dtype(dtype):
    counts = table(np.array([[0, 1], [1, 1]], dtype)).counts
    assert counts == {0: 1, 1: 3}
    assert all(type(value) is int for value in counts)


def test_colours_and_opacity_are_counted_per_pixel():
    array = np.zeros((2, 2, 4), np.uint8)
    array[0, 0] = (255, 0, 0, 255)
    array[0, 1] = (9, 9, 9, 0)  # transparent: its colour does not matter
    assert table(array).counts == {(0, 0, 0, 0): 3, (255, 0, 0, 255): 1}


@pytest.mark.parametrize("channels", [5, 70])
def test_planes_of_any_number_are_counted(channels):
    array = np.zeros((2, 3, channels), np.uint8)
    array[0, 0, 1] = array[0, 0, channels - 1] = 1
    counts = table(array).counts
    assert sorted(counts.values()) == [1, 5]
    assert {sum(value) for value in counts} == {0, 2}


def test_too_many_values_are_called_continuous():
    many = table(np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100))
    assert many.continuous
    assert len(many.counts) == MOST_VALUES


def test_only_values_that_fill_a_block_are_solid():
    array = np.zeros((8, 8), np.uint8)
    array[2:5, 2:5] = 1  # exactly 3 × 3
    array[6, :] = 2  # a line
    assert table(array).solid == {0, 1}


def test_a_table_seen_as_a_mask_holds_each_value_once():
    palette = np.array([[0, 0, 0], [1, 2, 3]], np.uint8)
    stored = table(np.array([[1, 1, 0]], np.uint8), palette).as_mask()
    assert stored.array.tolist() == [[0, 1]]
    assert stored.palette is not None
    assert stored.palette.tolist() == palette.tolist()


def test_a_palette_without_the_colour_is_an_error():
    with pytest.raises(DataError, match="holds 7"):
        table(np.full((2, 2), 7, np.uint8), np.zeros((2, 3), np.uint8))


def test_grey_pictures_of_several_channels_are_numbers():
    grey = np.repeat(np.array([[[3], [9]]], np.uint8), 3, axis=2)
    assert grey_values(StoredMask(grey), "stored", "a").tolist() == [[3, 9]]
    with_alpha = np.array([[[3, 0], [3, 255]]], np.uint8)
    assert grey_values(StoredMask(with_alpha), "alpha", "a").tolist() == [[0, 255]]


@pytest.mark.parametrize(("reading", "shape"), [("stored", (1, 1, 3)), ("stored", (1, 1, 7)), ("alpha", (1, 1, 3))])
def test_a_mask_of_another_kind_is_named(reading, shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    with pytest.raises(DataError, match=r"odd\.png"):
        grey_values(StoredMask(array), reading, "odd.png")


def test_every_storage_becomes_colours():
    assert color_values(StoredMask(np.full((1, 1), 7, np.uint8)), 3).tolist() == [[[7, 7, 7]]]
    assert color_values(StoredMask(np.full((1, 1, 3), 7, np.uint8)), 4).tolist() == [[[7, 7, 7, 255]]]
    assert color_values(StoredMask(np.array([[[7, 0]]], np.uint8)), 4).tolist() == [[[0, 0, 0, 0]]]


def test_shares_are_readable():
    assert format_shares([(0, 948), (1, 16), (2, 35), (7, 1)]) == "0 (94.8 %), 1 (1.6 %), 2 (3.5 %), 7 (0.1 %)"
    assert format_shares([(number, number + 1) for number in range(20)], most=1) == "19 (9.5 %), … and 19 more values"
    assert format_share(0.0) == "0.0 %"


def test_an_empty_mask_file_is_an_error():
    with pytest.raises(DataError, match="empty"):
        table(np.zeros((0, 4), np.uint8))
