from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.augment import PRESETS, Augmentation, create_augmentation
from limner.errors import ConfigError

STRONG = create_augmentation("strong", flip_v=True, rotate90=True)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("rotate", 181.0),
        ("rotate", -1.0),
        ("rotate", float("nan")),
        ("scale", (0.0, 1.0)),
        ("scale", (1.2, 0.8)),
        ("shift", 1.5),
        ("elastic", 0.2),
        ("elastic_grid", 0),
        ("gamma", float("inf")),
        ("noise", -0.1),
        ("blur", 11.0),
        ("blur_probability", 1.1),
    ],
)
def test_impossible_values_are_refused_by_name(setting, value):
    with pytest.raises(ConfigError, match=f"augment.{setting}"):
        Augmentation(**{setting: value})


def test_a_batch_of_pictures_of_another_size_is_refused():
    draw = Augmentation().draw(0, 0, np.arange(2), (8, 8))
    with pytest.raises(ValueError, match=r"a draw for 2 samples of \(8, 8\)"):
        Augmentation().apply(torch.rand(2, 1, 8, 9), {}, draw)


def test_no_augmentation_hands_back_the_very_tensors():
    images, mask = torch.rand(3, 1, 9, 7), torch.zeros(3, 9, 7, dtype=torch.uint8)
    augmentation = Augmentation.none()
    drawn = augmentation.draw(0, 0, np.arange(3), (9, 7))
    changed, targets = augmentation.apply(images, {"mask": mask}, drawn)
    assert changed is images
    assert targets["mask"] is mask


def test_inputs_are_not_changed_in_place(smooth_images):
    images = smooth_images(8, 1, 24, 24)
    mask = (images[:, 0] > 0.5).to(torch.uint8)
    images_before, mask_before = images.clone(), mask.clone()
    STRONG.apply(images, {"mask": mask}, STRONG.draw(0, 0, np.arange(8), (24, 24)))
    assert torch.equal(images, images_before)
    assert torch.equal(mask, mask_before)


def test_a_sample_does_not_depend_on_its_batch(smooth_images):
    images = smooth_images(12, 3, 33, 47)
    mask = (images[:, 0] > 0.5).to(torch.uint8)
    samples = np.arange(100, 112)
    whole, whole_targets = STRONG.apply(images, {"mask": mask}, STRONG.draw(7, 2, samples, (33, 47)))
    some = np.array([9, 0, 4])
    part, part_targets = STRONG.apply(images[some], {"mask": mask[some]}, STRONG.draw(7, 2, samples[some], (33, 47)))
    torch.testing.assert_close(part, whole[some], atol=1e-5, rtol=0)
    assert torch.equal(part_targets["mask"], whole_targets["mask"][some])


def test_the_same_seed_gives_the_same_bits_and_another_epoch_others(smooth_images):
    images = smooth_images(6, 1, 32, 32)
    samples = np.arange(6)
    first, again, next_epoch, other_seed = (
        STRONG.apply(images, {}, STRONG.draw(seed, epoch, samples, (32, 32)))[0]
        for seed, epoch in [(0, 1), (0, 1), (0, 2), (1, 1)]
    )
    assert torch.equal(first, again)
    for other in (next_epoch, other_seed):
        assert ((first - other).abs().amax((1, 2, 3)) > 0.01).all()


def test_switching_one_change_off_leaves_the_others_as_drawn():
    drawn = STRONG.draw(3, 1, np.arange(50), (64, 64))
    without = create_augmentation("strong", flip_v=True, rotate90=True, scale=(1.0, 1.0), noise=0.0).draw(
        3, 1, np.arange(50), (64, 64)
    )
    np.testing.assert_array_equal(drawn.angle, without.angle)
    np.testing.assert_array_equal(drawn.gamma, without.gamma)
    assert (without.zoom == 1).all()


def test_strengths_fill_their_ranges_as_often_as_asked():
    augmentation = Augmentation(rotate=40.0, scale=(0.5, 2.0), rotate_probability=0.25, scale_probability=1.0)
    drawn = augmentation.draw(0, 0, np.arange(4000), (64, 64))
    rotated = drawn.angle[drawn.angle != 0]
    assert rotated.size / 4000 == pytest.approx(0.25, abs=0.03)
    assert -40 <= rotated.min() < -38
    assert 38 < rotated.max() <= 40
    assert np.log(drawn.zoom).mean() == pytest.approx(0, abs=0.03)
    assert drawn.flip_h.mean() == pytest.approx(0.5, abs=0.03)
    assert not drawn.flip_v.any()


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (31, 64)])
def test_presets_keep_size_range_and_class_ids(preset, size):
    augmentation = create_augmentation(preset, flip_v=True, rotate90=True)
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(6, 2, *size, generator=rng)
    mask = torch.randint(0, 5, (6, *size), generator=rng).mul(51).to(torch.uint8)
    changed, targets = augmentation.apply(images, {"mask": mask}, augmentation.draw(0, 0, np.arange(6), size))
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    for before, after in zip(mask, targets["mask"], strict=True):
        assert set(after.unique().tolist()) <= set(before.unique().tolist())


def test_channels_last_batches_give_the_same_pixels_and_stay_channels_last(smooth_images):
    images = smooth_images(6, 3, 30, 41)
    drawn = STRONG.draw(0, 0, np.arange(6), (30, 41))
    expected, _ = STRONG.apply(images, {}, drawn)
    changed, _ = STRONG.apply(images.to(memory_format=torch.channels_last), {}, drawn)
    assert changed.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(changed, expected, atol=1e-5, rtol=0)


def test_half_precision_images_keep_their_dtype(smooth_images):
    images = smooth_images(4, 1, 16, 16)
    drawn = STRONG.draw(0, 0, np.arange(4), (16, 16))
    expected, _ = STRONG.apply(images, {}, drawn)
    changed, _ = STRONG.apply(images.to(torch.bfloat16), {}, drawn)
    assert changed.dtype == torch.bfloat16
    torch.testing.assert_close(changed.float(), expected, atol=0.05, rtol=0)


@pytest.mark.gpu
def test_a_gpu_gives_the_pixels_of_a_cpu(smooth_images):
    images = smooth_images(8, 3, 65, 65)
    mask = (images[:, 0] > 0.5).to(torch.uint8)
    drawn = STRONG.draw(0, 0, np.arange(8), (65, 65))
    expected, expected_targets = STRONG.apply(images, {"mask": mask}, drawn)
    changed, targets = STRONG.apply(images.cuda(), {"mask": mask.cuda()}, drawn)
    torch.testing.assert_close(changed.cpu(), expected, atol=1e-3, rtol=0)
    assert (targets["mask"].cpu() != expected_targets["mask"]).float().mean() < 1e-3
