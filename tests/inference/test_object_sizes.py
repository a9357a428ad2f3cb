"""Sizes of objects, by hand and beside scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import perimeter_crofton

from limner.data.annotations.outlines import objects_of
from limner.inference.object_sizes import ObjectSizes, measure_objects


def sizes(mask: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> list[ObjectSizes]:
    probs = np.linspace(0, 1, mask.size, dtype=np.float32).reshape(mask.shape)
    return [one for part in objects_of(iter([(0, mask)])) for one in measure_objects(part, probs, spacing)]


def ellipse(height: float, width: float, shape: tuple[int, int] = (120, 200)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return ((rows - shape[0] / 2) / height) ** 2 + ((columns - shape[1] / 2) / width) ** 2 < 1


def test_a_rectangle_by_hand():
    mask = np.zeros((6, 8), bool)
    mask[2:5, 3:7] = True
    (one,) = sizes(mask, (2.0, 0.5))
    assert (one.area, one.number) == (12.0, 1)
    assert (one.left, one.top, one.right, one.bottom) == (3, 2, 7, 5)
    assert (one.centroid_x, one.centroid_y) == (5.0, 3.5)
    assert one.length == pytest.approx(math.hypot(6.0, 2.0))
    assert one.width == pytest.approx(2.0)
    assert one.mean_probability == pytest.approx(np.linspace(0, 1, 48).reshape(6, 8)[mask].mean(), rel=1e-6)
    assert not one.touches_border


def test_one_pixel_in_the_corner():
    mask = np.zeros((4, 4), bool)
    mask[3, 0] = True
    (one,) = sizes(mask)
    assert (one.area, one.width, one.touches_border) == (1.0, 1.0, True)
    assert one.length == pytest.approx(math.sqrt(2))
    assert (one.centroid_x, one.centroid_y) == (0.5, 3.5)


def test_perimeters_are_those_of_scikit_image():
    mask = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(90, 130)), 3) > 0.02
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    found = sizes(mask)
    assert len(found) == count > 5
    for one in found:
        assert one.perimeter == pytest.approx(perimeter_crofton(labels == one.number, directions=4))


def test_pixels_that_are_no_squares_change_nothing_but_the_grid():
    true = math.pi * (3 * (60 + 30) - math.sqrt((3 * 60 + 30) * (60 + 3 * 30)))  # Ramanujan
    (square,) = sizes(ellipse(30, 60))
    assert square.perimeter == pytest.approx(true, rel=0.02)
    (stretched,) = sizes(ellipse(15, 60), (2.0, 1.0))
    assert stretched.perimeter == pytest.approx(true, rel=0.04)
    assert stretched.area == pytest.approx(math.pi * 30 * 60, rel=0.02)
    assert stretched.length == pytest.approx(120, abs=2)
    assert stretched.width == pytest.approx(60, abs=3)
