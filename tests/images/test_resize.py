from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from limner.images import resize_image, resize_mask

DTYPES = ["uint8", "uint16", "float32"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_growing_is_bilinear_between_pixel_centres(dtype, channels):
    image = np.repeat(np.array([[[0], [100]]], dtype=dtype), channels, axis=2)

    resized = resize_image(image, (1, 4))

    assert resized.dtype == dtype
    assert resized.shape == (1, 4, channels)
    for channel in range(channels):
        assert resized[0, :, channel].tolist() == [0, 25, 75, 100]


@pytest.mark.parametrize("dtype", DTYPES)
def test_shrinking_is_antialiased(dtype):
    # A fine chessboard: without a filter it would come out black or white, not grey.
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 200).astype(dtype)[..., None]

    np.testing.assert_allclose(resize_image(board, (8, 8)), 100, atol=3)


def test_sixteen_bits_keep_their_steps():
    ramp = np.linspace(0, 65_535, 512).astype(np.uint16)[None, :, None]

    resized = resize_image(ramp, (1, 1024))

    assert len(np.unique(resized)) > 900
    assert (resized.min(), resized.max()) == (0, 65_535)


def test_transparent_pixels_keep_their_colour():
    image = np.zeros((4, 4, 4), np.uint8)
    image[..., :3] = 200

    assert (resize_image(image, (2, 2))[..., :3] == 200).all()


@pytest.mark.parametrize("size", [(3, 5), (5, 3)])
def test_same_size_is_the_same_array(size):
    image = np.zeros((*size, 3), np.uint8)

    assert resize_image(image, size) is image
    assert resize_mask(image[..., 0], size).shape == size


@pytest.mark.parametrize(
    ("row", "width", "expected"),
    [
        ([1, 2, 3], 2, [1, 3]),
        ([1, 2], 3, [1, 2, 2]),
        ([1, 2, 3, 4], 2, [2, 4]),
        ([1, 2], 4, [1, 1, 2, 2]),
        ([1, 2, 3, 4, 5], 1, [3]),
    ],
)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float32"])
def test_mask_takes_the_pixel_under_each_centre(row, width, expected, dtype):
    mask = np.array([row]).astype(dtype)

    assert resize_mask(mask, (1, width)).tolist() == [np.array(expected).astype(dtype).tolist()]
    assert resize_mask(mask, (1, width)).dtype == dtype


@given(old=st.integers(1, 60), new=st.integers(1, 60))
def test_mask_agrees_with_pillow(old, new):
    mask = np.arange(old, dtype=np.int32)[None]
    expected = np.asarray(Image.fromarray(mask).resize((new, 1), Image.Resampling.NEAREST))
    # A centre on the border of two pixels is nearest to both; there Pillow goes by its rounding errors.
    tie = (2 * np.arange(new) + 1) * old % (2 * new) == 0

    resized = resize_mask(mask, (1, new))

    np.testing.assert_array_equal(resized[0, ~tie], expected[0, ~tie])
    assert (np.abs(resized - expected) <= 1).all()
    np.testing.assert_array_equal(resize_mask(mask.T, (new, 1)), resized.T)


def test_planes_of_a_mask_stay_apart():
    planes = np.stack([np.zeros((4, 6), np.uint8), np.ones((4, 6), np.uint8)], axis=2)

    resized = resize_mask(planes, (9, 5))

    assert resized.shape == (9, 5, 2)
    assert (resized[..., 0] == 0).all()
    assert (resized[..., 1] == 1).all()


def test_image_and_mask_stay_in_step():
    mask = np.zeros((60, 90), np.uint8)
    mask[17:41, 23:67] = 1
    image = (mask * 255)[..., None]

    for size in [(20, 30), (47, 61), (133, 200)]:
        from_image = resize_image(image, size)[..., 0] > 127
        assert (from_image != resize_mask(mask, size)).mean() < 0.02
