from __future__ import annotations

import numpy as np
import pytest

from limner.render import to_display


def test_eight_bits_are_kept_and_copied():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    shown = to_display(image)
    np.testing.assert_array_equal(shown, image)
    shown[:] = 0
    assert image.any()


@pytest.mark.parametrize(("channels", "kept"), [(1, (0, 0, 0)), (2, (0, 0, 0)), (4, (0, 1, 2)), (7, (0, 1, 2))])
def test_channels_become_three(channels, kept):
    image = np.random.default_rng(0).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    np.testing.assert_array_equal(to_display(image), image[..., list(kept)])


def test_grey_without_a_channel_axis_and_one_bit():
    assert to_display(np.array([[0, 9]], dtype=np.uint8))[0, 1].tolist() == [9, 9, 9]
    assert to_display(np.array([[False, True]]))[0, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int32])
def test_any_range_is_stretched_to_the_screen(dtype):
    """Twelve bits in sixteen look black when divided by 257."""
    image = np.linspace(100, 4000, 100 * 100).reshape(100, 100, 1).astype(dtype)
    shown = to_display(image)
    assert shown.min() == 0
    assert shown.max() == 255
    assert shown[50, 0, 0] == pytest.approx(128, abs=3)


def test_one_hot_pixel_does_not_darken_the_rest():
    image = np.random.default_rng(0).uniform(0, 1, (64, 64, 1)).astype(np.float32)
    image[3, 3] = 1e6
    assert to_display(image).mean() == pytest.approx(128, abs=10)


def test_what_is_not_a_number_is_black():
    image = np.full((8, 8, 1), 5.0, dtype=np.float32)
    image[:4] = 1.0
    image[0, 0], image[0, 1] = np.nan, np.inf
    shown = to_display(image)
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[7, 7].tolist() == [255, 255, 255]
    assert not to_display(np.full((2, 2), np.nan, dtype=np.float32)).any()


def test_constant_pictures_show_without_a_warning():
    assert to_display(np.full((3, 3, 1), 7, dtype=np.uint16)).shape == (3, 3, 3)
