from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from limner.data.traces.inks import parse_inks
from limner.data.traces.registration import register
from limner.data.traces.tracing import read_tracing
from limner.errors import DataError
from limner.examples.pens import Pen
from limner.images import resize_image


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def test_a_copy_in_register_is_left_as_it_is(heart, jpeg):
    drawn = heart(Pen(2.0))
    traced, untraced = (np.array(Image.open(io.BytesIO(jpeg(picture, 80)))) for picture in (drawn.traced, drawn.image))
    moved, placement = register(traced, untraced, "a")
    assert placement is None
    assert moved is traced


@pytest.mark.parametrize("shift", [pytest.param((3.0, -5.0), marks=pytest.mark.slow), (-0.4, 7.6)])
def test_a_shifted_copy_is_moved_back(heart, shift):
    drawn = heart(Pen(3.0))
    traced = ndimage.shift(drawn.traced.astype(float), (*shift, 0), order=3, mode="nearest").clip(0, 255)
    moved, placement = register(traced.astype(np.uint8), drawn.image, "a")
    assert placement.shift == pytest.approx(shift, abs=0.1)
    results = read_tracing(moved, drawn.image, parse_inks())
    assert all(iou(results[ink].mask, truth) > 0.96 for ink, truth in drawn.masks.items())


@pytest.mark.parametrize(
    "size", [(300, 251), *(pytest.param(size, marks=pytest.mark.slow) for size in [(416, 348), (160, 134)])]
)
def test_a_rescaled_copy_is_brought_to_the_originals_size(heart, size):
    drawn = heart(Pen(3.0))
    moved, placement = register(resize_image(drawn.traced, size), drawn.image, "a")
    assert placement.scale == pytest.approx((size[0] / 208, size[1] / 174), rel=0.003)
    results = read_tracing(moved, drawn.image, parse_inks())
    assert all(iou(results[ink].mask, truth) > 0.95 for ink, truth in drawn.masks.items())


def test_a_copy_pasted_into_a_larger_page_is_found(heart):
    drawn = heart(Pen(3.0))
    page = np.full((300, 280, 3), 255, np.uint8)
    page[40:248, 60:234] = drawn.traced
    moved, placement = register(page, drawn.image, "a")
    assert placement.shift == pytest.approx((40, 60), abs=0.1)
    assert np.abs(moved.astype(int) - drawn.traced).mean() < 2


def test_another_picture_is_refused_by_name(heart):
    with pytest.raises(DataError, match=r"'other\.png' fits it nowhere"):
        register(heart(Pen(2.0), 1).traced[::-1], heart(Pen(2.0), 2).image, "other.png")
