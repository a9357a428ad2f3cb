"""What pictures are like, by hand."""

import math

import numpy as np
import pytest
from scipy import ndimage

from limner.evaluation.properties import measure_properties, read_properties, write_properties
from limner.types import IGNORE


def test_objects_are_measured_by_hand():
    mask = np.zeros((40, 50), np.uint8)
    mask[5:10, 5:15] = 1
    mask[20:30, 20:40] = 1
    mask[10:12, 15:16] = 2  # touches the first, but is of another class
    mask[35:, 45:] = IGNORE
    found = measure_properties(np.zeros((40, 50, 3), np.uint8), [mask])
    assert (found.height, found.width, found.pixels) == (40, 50, 2000)
    assert found.area == pytest.approx((50 + 200 + 2) / 2000)
    assert (found.objects, found.border) == (3, 0)
    mask[0, 0] = 1
    assert measure_properties(np.zeros((40, 50, 3), np.uint8), [mask]).border == 1


def test_overlapping_planes_count_once_by_area_and_each_by_number():
    planes = np.zeros((20, 20, 2), np.uint8)
    planes[5:15, 5:15] = 1
    found = measure_properties(np.zeros((20, 20, 1), np.uint8), [planes])
    assert (found.area, found.objects) == (0.25, 2)


def test_an_empty_mask_has_no_border_and_no_mask_nothing():
    picture = np.zeros((9, 9, 1), np.uint8)
    empty = measure_properties(picture, [np.zeros((9, 9), np.uint8)])
    assert (empty.area, empty.objects) == (0, 0)
    assert math.isnan(empty.border)
    assert math.isnan(measure_properties(picture, []).area)


@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 255), (np.uint16, 65535)])
def test_light_is_on_one_scale_whatever_the_depth(dtype, most):
    picture = np.zeros((30, 30, 3), dtype)
    picture[:, 15:] = most
    found = measure_properties(picture, [])
    assert found.brightness == pytest.approx(0.5)
    assert found.contrast == pytest.approx(0.5)


def test_blur_lowers_sharpness_and_contrast_does_not():
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 1)).astype(np.uint8)
    soft = ndimage.gaussian_filter(picture.astype(float), (2, 2, 0))
    sharpness = [
        measure_properties(drawn, []).sharpness
        for drawn in (picture, picture // 2, soft.astype(np.float32), np.full_like(picture, 7))
    ]
    assert sharpness[1] == pytest.approx(sharpness[0], rel=0.05)
    assert sharpness[2] < 0.5 * sharpness[0]
    assert math.isnan(sharpness[3])


def test_numbers_that_are_none_are_left_out():
    picture = np.full((10, 10, 1), np.nan, np.float32)
    assert math.isnan(measure_properties(picture, []).brightness)
    picture[:5] = 3.0
    assert measure_properties(picture, []).brightness == pytest.approx(3)


def test_the_table_says_what_was_measured(tmp_path):
    found = measure_properties(np.full((4, 6, 3), 51, np.uint8), [np.eye(4, 6, dtype=np.uint8)])
    write_properties(tmp_path / "p.csv", ["a"], ["g"], [found], [0.5])
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "id,group,height,width,area,objects,border,brightness,contrast,sharpness,score"
    assert lines[1] == "a,g,4,6,0.166667,1.0,1.0,0.2,0.0,,0.5"
    again = read_properties(tmp_path / "p.csv")["a"]
    assert (again.height, again.objects, again.brightness) == (4, 1, 0.2)
    assert read_properties(tmp_path / "none.csv") == {}
