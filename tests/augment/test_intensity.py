from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from limner.augment import Augmentation, Draw
from limner.augment.intensity import noise

STILL = Augmentation.none()


def drawn(count: int, size: tuple[int, int], **values: object) -> Draw:
    columns = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    return dataclasses.replace(STILL.draw(0, 0, np.arange(count), size), **columns)


def test_each_sample_gets_its_own_change_and_the_others_none(smooth_images):
    images = 0.2 + 0.6 * smooth_images(5, 2, 20, 24)
    changes = drawn(
        5,
        (20, 24),
        brightness=[0.1, 0, 0, 0, 0],
        contrast=[1, 0.5, 1, 1, 1],
        gamma=[1, 1, 1.5, 1, 1],
        blur=[0, 0, 0, 1.2, 0],
    )
    changed = STILL.apply(images, {}, changes)[0].numpy()
    before = images.numpy()
    mean = before[1].mean()
    np.testing.assert_allclose(changed[0], before[0] + 0.1, atol=1e-6)
    np.testing.assert_allclose(changed[1], mean + 0.5 * (before[1] - mean), atol=1e-6)
    np.testing.assert_allclose(changed[2], before[2] ** 1.5, atol=1e-6)
    blurred = ndimage.gaussian_filter(before[3], (0, 1.2, 1.2), radius=(0, 4, 4), mode="nearest")
    np.testing.assert_allclose(changed[3], blurred, atol=1e-6)
    np.testing.assert_array_equal(changed[4], before[4])


def test_a_sharp_sample_is_blurred_alike_beside_a_very_blurred_one(smooth_images):
    images = smooth_images(2, 1, 40, 40)
    together = STILL.apply(images, {}, drawn(2, (40, 40), blur=[0.4, 5.0]))[0]
    alone = STILL.apply(images[:1], {}, drawn(1, (40, 40), blur=[0.4]))[0]
    torch.testing.assert_close(together[:1], alone, atol=1e-6, rtol=0)


def test_pictures_smaller_than_the_blur():
    images = torch.full((1, 1, 1, 2), 0.25)
    changed = STILL.apply(images, {}, drawn(1, (1, 2), blur=[10.0]))[0]
    torch.testing.assert_close(changed, images)


def test_results_are_clamped():
    images = torch.tensor([0.05, 0.95]).reshape(1, 1, 1, 2)
    for shift, expected in [(0.2, [0.25, 1.0]), (-0.2, [0.0, 0.75])]:
        changed = STILL.apply(images, {}, drawn(1, (1, 2), brightness=[shift]))[0]
        assert changed.flatten().tolist() == pytest.approx(expected)


def test_noise_is_normal_and_its_strength_as_drawn():
    images = torch.full((2, 3, 128, 128), 0.5)
    changed = STILL.apply(images, {}, drawn(2, (128, 128), noise=[0.05, 0.1]))[0] - images
    assert changed.std((1, 2, 3)).tolist() == pytest.approx([0.05, 0.1], rel=0.02)
    assert changed.mean((1, 2, 3)).tolist() == pytest.approx([0, 0], abs=2e-3)
    values = changed[0].flatten().double().numpy() / 0.05
    assert stats.kstest(values, "norm").statistic < 0.01
    assert stats.kurtosis(values) == pytest.approx(0, abs=0.25)


def test_noise_has_no_pattern():
    pattern = noise(np.array([11, 12]), torch.empty(2, 2, 96, 97)).numpy().astype(np.float64)
    down = (pattern[:, :, 1:] * pattern[:, :, :-1]).mean()
    right = (pattern[..., 1:] * pattern[..., :-1]).mean()
    channels = (pattern[:, 0] * pattern[:, 1]).mean()
    samples = (pattern[0] * pattern[1]).mean()
    assert [down, right, channels, samples] == pytest.approx([0] * 4, abs=0.03)


def test_noise_is_the_same_everywhere():
    """A picture's noise is fixed by its key: these are the values every platform gives."""
    values = noise(np.array([2**62 + 5]), torch.empty(1, 1, 1, 4))
    expected = [_reference_noise(2**62 + 5, position) for position in range(4)]
    assert values.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def _reference_noise(key: int, position: int) -> float:
    """SplitMix64's output function in Python's unbounded integers."""
    state = (key + position * 0x9E3779B97F4A7C15) % 2**64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % 2**64
    state ^= state >> 31
    return (sum(state.to_bytes(8, "little")) - 1020) / (8 * (256**2 - 1) / 12) ** 0.5
