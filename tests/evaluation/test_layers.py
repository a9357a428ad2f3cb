"""Layers over a picture: what they draw, and that truth and prediction differ without their colours."""

import numpy as np
import pytest

from limner.evaluation.layers import error_layer, outline_layer, uncertainty_layer
from limner.render import FALSE_ALARM, MISS, WRONG_CLASS, color_stops
from limner.types import IGNORE

BLUE, RED = (0, 0, 250), (250, 0, 0)


def square(size=60, low=15, high=45):
    mask = np.zeros((size, size), np.uint8)
    mask[low:high, low:high] = 1
    return mask


def test_an_outline_is_two_pixels_wide_with_a_rim_and_nothing_else():
    layer = outline_layer(square(), [(0, 0, 0), BLUE])
    line = (layer[..., :3] == BLUE).all(axis=2) & (layer[..., 3] == 255)
    row = line[30]
    assert np.flatnonzero(row).tolist() == [14, 15, 44, 45]
    seen = layer[30, :, 3] > 0
    assert np.flatnonzero(seen).tolist() == [13, 14, 15, 16, 43, 44, 45, 46]
    assert layer[30, 13, :3].tolist() == [255, 255, 255]  # light beside a dark line
    assert not layer[20:40, 20:40].any()


def test_truth_is_solid_and_prediction_dashed_on_every_side():
    solid, dashed = (outline_layer(square(), [(0, 0, 0), BLUE], dashed=dashed) for dashed in (False, True))
    for side in (np.s_[15, 16:44], np.s_[44, 16:44], np.s_[16:44, 15], np.s_[16:44, 44]):
        assert (solid[side][:, :3] == BLUE).all()
        gaps = (dashed[side][:, :3] == 0).all(axis=1)
        assert 0.2 < gaps.mean() < 0.6
        assert (dashed[side][:, 3] == 255).all()
        assert np.abs(np.diff(gaps.astype(int))).sum() >= 3


def test_the_border_of_the_picture_is_no_outline():
    assert not outline_layer(np.ones((20, 20), np.uint8), [(0, 0, 0), BLUE]).any()


def test_planes_that_overlap_have_each_their_outline():
    planes = np.zeros((40, 40, 2), np.uint8)
    planes[5:25, 5:25, 0] = 1
    planes[15:35, 15:35, 1] = 1
    layer = outline_layer(planes, [BLUE, RED])
    assert layer[10, 5].tolist() == [*BLUE, 255]
    assert layer[20, 15].tolist() == [*RED, 255]
    assert layer[20, 24].tolist() == [*BLUE, 255]  # inside the other's area


def test_ignored_pixels_are_neither_outlined_nor_wrong():
    mask = np.zeros((20, 20), np.uint8)
    mask[5:10, 5:10] = IGNORE
    assert not outline_layer(mask, [(0, 0, 0), BLUE]).any()
    assert not error_layer(mask, mask * 0).any()


def test_errors_are_coloured_by_kind_and_hits_left_alone():
    truth, prediction = np.array([[0, 1, 1, 0, 1]], np.uint8), np.array([[0, 1, 0, 2, 2]], np.uint8)
    layer = error_layer(truth, prediction)
    assert (layer[0, :, 3] > 0).tolist() == [False, False, True, True, True]
    assert [tuple(color) for color in layer[0, 2:, :3].tolist()] == [MISS, FALSE_ALARM, WRONG_CLASS]


def test_uncertainty_hides_more_the_higher_it_is():
    layer = uncertainty_layer(np.linspace(0, 1, 256, dtype=np.float32)[None])[0].astype(int)
    assert (np.diff(layer[:, 3]) >= 0).all()
    assert layer[0, 3] == 0
    lightness = layer[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -1).all()  # told apart without colour
    assert "#{:02x}{:02x}{:02x}".format(*layer[-1, :3]) == color_stops("magma")[-1]


@pytest.mark.parametrize("angle", [0.4, np.pi / 4, 1.2])
def test_dashes_are_seen_in_every_direction(angle):
    rows, columns = np.mgrid[:80, :80] - 40
    half = (np.cos(angle) * rows + np.sin(angle) * columns > 0).astype(np.uint8)
    layer = outline_layer(half, [(0, 0, 0), BLUE], dashed=True)
    line = layer[..., 3] == 255
    assert 0.2 < (layer[line][:, 2] == 0).mean() < 0.6
