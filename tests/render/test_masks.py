from __future__ import annotations

import itertools

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.segmentation import find_boundaries

from limner.render import ERROR_LEGEND, FALSE_ALARM, HIT, MISS, WRONG_CLASS, errors, outlines, overlay
from limner.types import IGNORE

COLORS = [(0, 0, 0), (255, 0, 0), (0, 0, 255)]

# Machado, Oliveira & Fernandes, A physiologically-based model for simulation of color vision
# deficiency, 2009: full severity, on linear RGB.
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


def squares() -> np.ndarray:
    ids = np.zeros((20, 24), dtype=np.uint8)
    ids[4:12, 4:14] = 1
    ids[8:18, 14:24] = 2
    return ids


def test_outlines_agree_with_skimage():
    rng = np.random.default_rng(0)
    ids = np.kron(rng.integers(0, 3, (6, 7)), np.ones((5, 5))).astype(np.uint8)
    np.testing.assert_array_equal(outlines(ids), find_boundaries(ids, connectivity=1, mode="inner"))


def test_wide_outlines_lie_inside_and_contain_the_narrow_one():
    ids = squares()
    wide, narrow = outlines(ids, 3), outlines(ids, 1)
    assert (wide >= narrow).all()
    assert wide.sum() > narrow.sum()
    assert not wide[ids == 0].any()


def test_the_border_of_the_picture_is_no_outline():
    assert not outlines(np.ones((5, 5), dtype=np.uint8)).any()


def test_overlay_tints_things_and_leaves_the_rest():
    image = np.full((20, 24, 1), 100, dtype=np.uint8)
    shown = overlay(image, squares(), COLORS, alpha=0.5, outline=False)
    assert shown[0, 0].tolist() == [100, 100, 100]
    assert shown[6, 6].tolist() == [178, 50, 50]
    assert shown[12, 18].tolist() == [50, 50, 178]
    assert (image == 100).all()


@pytest.mark.parametrize("grey", [0, 90, 128, 255])
@pytest.mark.parametrize("color", [(255, 255, 255), (90, 90, 90), (0, 0, 0)])
def test_outlines_are_visible_on_any_picture(grey, color):
    """Even a line in the picture's own colour: its rim contrasts."""
    image = np.full((20, 24), grey, dtype=np.uint8)
    shown = overlay(image, squares(), [(0, 0, 0), color, color], alpha=0.0).astype(int)
    row = shown[8, :9, 0]
    assert row.max() - row.min() >= 50


def test_ignored_pixels_are_not_painted():
    ids = np.full((6, 6), IGNORE, dtype=np.uint8)
    image = np.full((6, 6), 50, dtype=np.uint8)
    assert (overlay(image, ids, COLORS) == 50).all()


def test_planes_may_overlap():
    planes = np.zeros((10, 10, 2), dtype=np.uint8)
    planes[:, :6, 0] = 1
    planes[:, 4:, 1] = 1
    image = np.zeros((10, 10, 3), dtype=np.uint8)
    shown = overlay(image, planes, [(200, 0, 0), (0, 0, 200)], alpha=0.5, outline=False)
    assert shown[0, 0].tolist() == [100, 0, 0]
    assert shown[0, 9].tolist() == [0, 0, 100]
    assert shown[0, 5].tolist() == [50, 0, 100]


def test_errors_are_coloured_by_kind():
    truth = np.array([[0, 1, 1, 0, 1, IGNORE]], dtype=np.uint8)
    prediction = np.array([[0, 1, 0, 1, 2, 1]], dtype=np.uint8)
    shown = [tuple(pixel) for pixel in errors(truth, prediction)[0].tolist()]
    plain = shown[0]
    assert shown == [plain, HIT, MISS, FALSE_ALARM, WRONG_CLASS, plain]


def test_errors_of_planes():
    truth = np.array([[[1, 0], [1, 0], [1, 1], [0, 0]]], dtype=np.uint8)
    prediction = np.array([[[1, 0], [0, 1], [1, 0], [0, 1]]], dtype=np.uint8)
    shown = [tuple(pixel) for pixel in errors(truth, prediction)[0].tolist()]
    assert shown == [HIT, WRONG_CLASS, MISS, FALSE_ALARM]


def test_errors_over_a_picture_let_it_show_through():
    image = np.zeros((1, 4, 3), dtype=np.uint8)
    image[0, 2:] = 255
    mask = np.array([[0, 1, 1, 0]], dtype=np.uint8)
    shown = errors(mask, mask, image)[0].astype(int)
    assert (shown[2] > shown[1]).all()
    assert shown[0].tolist() == [0, 0, 0]
    assert len(set(shown[3].tolist())) == 1


def test_masks_of_different_shapes_are_refused():
    with pytest.raises((ValueError, TypeCheckError)):
        errors(np.zeros((2, 2), dtype=np.uint8), np.zeros((2, 3), dtype=np.uint8))


@pytest.mark.parametrize("sight", [np.eye(3), PROTANOPIA, DEUTERANOPIA])
def test_error_colours_are_told_apart_by_everyone(sight):
    colors = np.array([color for _, color in ERROR_LEGEND]) / 255
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.asarray(sight).T, 0, 1)
    seen = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(seen)
    for one, other in itertools.combinations(range(len(lab)), 2):
        # 2 is the least anyone notices, 10 is plain at a glance.
        assert deltaE_ciede2000(lab[one], lab[other]) > 15, (ERROR_LEGEND[one], ERROR_LEGEND[other])
