from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft, stats

from limner.data.traces.blocks import Blocks, hidden_variance, rounded
from limner.data.traces.chroma import to_ycc
from limner.images.jpeg import inspect_storage


def test_numbers_are_those_of_the_cosine_transform():
    plane = np.random.default_rng(0).normal(size=(16, 24))
    numbers = Blocks((16, 24), (False, False), np.ones((8, 8))).numbers(plane)
    assert numbers[4].reshape(8, 8) == pytest.approx(fft.dctn(plane[8:, 8:16], norm="ortho"))


def test_colour_at_half_the_resolution_is_the_mean_of_four_pixels():
    plane = np.random.default_rng(0).normal(size=(32, 16))
    numbers = Blocks((32, 16), (True, True), np.ones((8, 8))).numbers(plane)
    means = plane.reshape(16, 2, 8, 2).mean(axis=(1, 3))
    assert numbers[1].reshape(8, 8) == pytest.approx(fft.dctn(means[8:], norm="ortho"))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_what_was_stored_is_found_in_the_decoded_picture(subsampling):
    # Smooth enough to stay within the limits of 8 bits, where decoding loses nothing but fractions.
    rows, columns = np.mgrid[:48, :64] / 10
    picture = np.stack([128 + 60 * np.sin(rows + way * columns) for way in (0.3, 1, -0.7)], axis=2).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=50, subsampling=subsampling)
    storage = inspect_storage(stream)
    with Image.open(stream) as opened:
        decoded = to_ycc(np.array(opened)).astype(float)
    for channel in range(3):
        blocks = Blocks((48, 64), storage.halves if channel else (False, False), storage.steps[channel])
        before = np.rint(
            blocks.numbers(to_ycc(picture).astype(float)[..., channel] - 128 * (channel == 0)) / blocks.steps
        )
        found = blocks.stored(decoded[..., channel] - 128 * (channel == 0)) / blocks.steps
        assert np.mean(before == found) > 0.995


def test_a_rounded_number_is_a_truncated_normal_one():
    expected, variance, stored = (
        np.array([[3.0, -4.0, 0.2]]),
        np.array([[4.0, 9.0, 0.01]]),
        np.array([[0.0, 10.0, 0.0]]),
    )
    steps = np.array([5.0, 10.0, 8.0])
    mean, left, likely = rounded(expected, variance, stored, steps)
    spread = np.sqrt(variance)
    low, high = ((stored + side * steps / 2 - expected) / spread for side in (-1, 1))
    truth = stats.truncnorm(low, high, expected, spread)
    assert expected + mean == pytest.approx(truth.mean(), rel=1e-6)
    assert left == pytest.approx(truth.var(), rel=1e-3)
    assert likely == pytest.approx(np.log(stats.norm.cdf(high) - stats.norm.cdf(low)), rel=1e-3)


def test_what_rounding_hides_is_told_by_how_often_nothing_is_left():
    numbers = np.random.default_rng(0).laplace(scale=3.0, size=(20000, 1))
    steps = np.array([10.0])
    hidden = hidden_variance(np.rint(numbers / steps) * steps, steps)
    nothing = np.abs(numbers) < 5
    assert hidden[nothing].mean() == pytest.approx((numbers[nothing] ** 2).mean(), rel=0.05)
    assert hidden[~nothing].mean() == pytest.approx(100 / 12)
