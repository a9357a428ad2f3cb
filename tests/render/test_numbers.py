"""Maps of numbers in colour."""

import matplotlib as mpl
import numpy as np
import pytest

from limner.render import color_numbers, color_stops, number_errors, with_scale
from limner.render.numbers import color_table


@pytest.mark.parametrize("name", ["viridis", "magma"])
def test_the_tables_are_matplotlibs(name):
    oracle = mpl.colormaps[name](np.arange(256))[:, :3] * 255
    assert np.abs(color_table(name) - oracle).max() < 6
    lightness = color_table(name) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -0.6).all()
    assert color_stops(name)[0] == "#" + bytes(color_table(name)[0]).hex()


def test_numbers_beyond_the_range_take_its_last_colours_and_unknown_ones_are_grey():
    picture = color_numbers(np.array([[-5.0, 0.0, 2.0, 9.0, np.nan, np.inf]]), 0, 2)
    assert (picture[0, 0] == picture[0, 1]).all()
    assert (picture[0, 2] == picture[0, 3]).all()
    assert picture[0, 4].tolist() == picture[0, 5].tolist() == [128, 128, 128]


def test_larger_errors_are_lighter():
    truth = np.array([[1, 1, 1, np.nan]], np.float32)
    picture = number_errors(truth, np.array([[1, 2, 0, 5]], np.float32), most=1.0)
    assert picture[0, 0].sum() < 10
    assert (picture[0, 1] == picture[0, 2]).all()
    assert picture[0, 1].sum() > 600
    assert picture[0, 3].tolist() == [128, 128, 128]


@pytest.mark.parametrize("height", [32, 240, 1000])
def test_a_scale_stands_beside_the_picture(height):
    picture = np.zeros((height, 50, 3), np.uint8)
    drawn = with_scale(picture, 0.3, 12.2, "m")
    assert drawn.shape[0] == height
    assert (drawn[:, :50] == picture).all()
    scale = drawn[:, 50:].reshape(-1, 3)
    assert (scale == 255).all(axis=1).any()
    assert np.abs(scale.astype(int) - color_table("viridis")[128]).sum(axis=1).min() < 20
    assert with_scale(picture[:31], 0.3, 12.2, "m").shape == (31, 50, 3)
