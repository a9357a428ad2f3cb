from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import transform as skimage_transform

from limner.augment import Augmentation, Draw, create_augmentation, geometry
from limner.augment.geometry import displacements, spline_weights

STILL = Augmentation.none()


def still(count: int, size: tuple[int, int]) -> Draw:
    return STILL.draw(0, 0, np.arange(count), size)


def full(count: int, value: float) -> np.ndarray:
    return np.full(count, value)


def disc(height: int, width: int) -> torch.Tensor:
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - 0.4 * height) ** 2 + (columns - 0.6 * width) ** 2 < (0.25 * min(height, width)) ** 2
    return torch.from_numpy(inside[None, None].astype(np.float32))


@pytest.mark.parametrize("flip_h", [False, True])
@pytest.mark.parametrize("flip_v", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_flips_and_quarter_turns_are_exact(flip_h, flip_v, quarters):
    size = (15, 15)
    images = torch.rand(2, 3, *size)
    mask = torch.randint(0, 255, (2, *size), dtype=torch.uint8)
    planes = torch.randint(0, 2, (2, 4, *size), dtype=torch.uint8)
    drawn = dataclasses.replace(
        still(2, size), flip_h=np.array([flip_h] * 2), flip_v=np.array([flip_v] * 2), quarter_turns=np.full(2, quarters)
    )
    changed, targets = STILL.apply(images, {"mask": mask, "planes": planes}, drawn)
    for before, after in [(images, changed), (mask, targets["mask"]), (planes, targets["planes"])]:
        expected = before.numpy()
        expected = expected[..., :, ::-1] if flip_h else expected
        expected = expected[..., ::-1, :] if flip_v else expected
        np.testing.assert_array_equal(after.numpy(), np.rot90(expected, quarters, axes=(-2, -1)))


def test_pictures_that_are_not_square_only_make_half_turns():
    augmentation = Augmentation(rotate90=True)
    assert set(augmentation.draw(0, 0, np.arange(100), (8, 9)).quarter_turns.tolist()) == {0, 2}
    assert set(augmentation.draw(0, 0, np.arange(100), (8, 8)).quarter_turns.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("size", [(64, 64), (49, 80), (80, 49)])
@pytest.mark.parametrize("angle", [-75.0, 12.5, 90.0, 160.0])
def test_rotation_agrees_with_skimage(smooth_images, size, angle):
    images = smooth_images(1, 1, *size)
    changed, _ = STILL.apply(images, {}, dataclasses.replace(still(1, size), angle=full(1, angle)))
    expected = skimage_transform.rotate(images[0, 0].numpy(), angle, order=1, mode="symmetric")
    np.testing.assert_allclose(changed[0, 0].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (49, 80)])
def test_zoom_and_shift_agree_with_scipy(smooth_images, size):
    images = smooth_images(1, 1, *size)
    zoom, shift = 0.7, np.array([0.1, -0.2])
    drawn = dataclasses.replace(still(1, size), zoom=full(1, zoom), shift=shift[None])
    changed, _ = STILL.apply(images, {}, drawn)
    centre = (np.array(size) - 1) / 2
    matrix = np.eye(2) / zoom
    expected = ndimage.affine_transform(
        images[0, 0].numpy(), matrix, centre - matrix @ (centre + shift * size), order=1, mode="reflect"
    )
    np.testing.assert_allclose(changed[0, 0].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_flips_inside_a_warp_are_those_outside(smooth_images, quarters):
    images = smooth_images(1, 1, 40, 40)
    warp = dataclasses.replace(still(1, (40, 40)), angle=full(1, 20.0), zoom=full(1, 1.2))
    turns = {"flip_h": np.array([True]), "quarter_turns": np.array([quarters])}
    together, _ = STILL.apply(images, {}, dataclasses.replace(warp, **turns))
    turned, _ = STILL.apply(images, {}, dataclasses.replace(still(1, (40, 40)), **turns))
    one_after_the_other, _ = STILL.apply(turned, {}, warp)
    torch.testing.assert_close(together, one_after_the_other, atol=1e-4, rtol=0)


def test_elastic_moves_pixels_by_its_displacement(smooth_images):
    """Sampling at the displaced places with SciPy gives the same picture."""
    size = (48, 61)
    images = smooth_images(1, 1, *size)
    drawn = Augmentation(elastic=0.07, elastic_probability=1.0).draw(0, 0, np.arange(1), size)
    bend = displacements(drawn.displacement, size, torch.device("cpu"))[0].numpy()
    assert 1 < np.abs(bend).max() < 0.07 * 48
    drawn = dataclasses.replace(still(1, size), displacement=drawn.displacement)
    changed, _ = STILL.apply(images, {}, drawn)
    expected = ndimage.map_coordinates(images[0, 0].numpy(), np.mgrid[:48, :61] + bend, order=1, mode="reflect")
    np.testing.assert_allclose(changed[0, 0].numpy(), expected, atol=1e-4)


def test_elastic_never_folds_at_its_largest():
    augmentation = Augmentation(elastic=0.08, elastic_grid=6)
    nodes = np.where(np.random.default_rng(0).random((20, 2, 9, 9)) < 0.5, -1.0, 1.0) * augmentation.elastic
    bend = displacements(nodes, (96, 96), torch.device("cpu")).numpy()
    down_down, down_right = np.gradient(bend[:, 0], axis=(1, 2))
    right_down, right_right = np.gradient(bend[:, 1], axis=(1, 2))
    determinant = (1 + down_down) * (1 + right_right) - down_right * right_down
    assert determinant.min() > 0


@given(length=st.integers(1, 200), points=st.integers(4, 12))
def test_spline_weights_keep_constants(length, points):
    weights = spline_weights(length, points)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert weights.min() >= 0


@settings(max_examples=25, deadline=None)
@given(sample=st.integers(0, 10**9), height=st.integers(32, 80), width=st.integers(32, 80))
def test_image_and_mask_stay_in_step(sample, height, width):
    augmentation = create_augmentation(
        "strong", flip_v=True, rotate90=True, brightness=0.0, contrast=0.0, gamma=0.0, noise=0.0, blur=0.0
    )
    image = disc(height, width)
    drawn = augmentation.draw(1, 1, np.array([sample]), (height, width))
    changed, targets = augmentation.apply(image, {"mask": image[:, 0].to(torch.uint8)}, drawn)
    warped, blended = targets["mask"][0].numpy(), changed[0, 0].numpy()
    # The nearest of the four pixels that are blended weighs a quarter at least, so it can only differ on the edge.
    assert np.abs(blended - warped).max() <= 0.75 + 1e-3
    clear = (blended < 1e-3) | (blended > 1 - 1e-3)
    np.testing.assert_array_equal(warped[clear], np.round(blended[clear]))
    assert clear.mean() > 0.5


def test_multilabel_planes_move_like_a_mask():
    mask = (disc(40, 56)[:, 0] * 3).to(torch.uint8)
    planes = torch.stack([mask == 0, mask == 3], dim=1).to(torch.uint8)
    augmentation = create_augmentation("strong", rotate_probability=1.0)
    drawn = augmentation.draw(0, 0, np.arange(1), (40, 56))
    _, targets = augmentation.apply(disc(40, 56), {"ids": mask, "planes": planes}, drawn)
    assert torch.equal(targets["planes"][:, 0] == 1, targets["ids"] == 0)
    assert torch.equal(targets["planes"][:, 1] == 1, targets["ids"] == 3)


def test_numbers_move_as_ids_do_and_are_unknown_outside_of_the_picture():
    ids = torch.randint(1, 200, (4, 20, 20), dtype=torch.uint8)
    depth = ids.float() * 0.37
    augmentation = create_augmentation("strong", rotate_probability=1.0)
    drawn = augmentation.draw(0, 0, np.arange(4), (20, 20))
    _, targets = augmentation.apply(torch.rand(4, 1, 20, 20), {"depth": depth, "ids": ids}, drawn)
    outside = targets["depth"].isnan()
    assert targets["depth"].dtype == torch.float32
    assert torch.equal(targets["depth"][~outside], targets["ids"][~outside].float() * 0.37)
    ones = torch.ones(4, 1, 20, 20)
    grid = geometry.sampling_grid(drawn, np.arange(4), ones.device)
    inside = torch.nn.functional.grid_sample(ones, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    warped = torch.from_numpy(drawn.warped)
    assert torch.equal(outside[warped], (inside == 0)[warped, 0])
    assert outside.any()


def test_an_unknown_number_does_not_spread():
    depth = torch.ones(1, 1, 20, 20)
    depth[0, 0, 4, 4] = torch.nan
    drawn = create_augmentation("default", rotate_probability=1.0).draw(0, 0, np.arange(1), (20, 20))
    grid = geometry.sampling_grid(drawn, np.arange(1), depth.device)
    moved = geometry.sample_target(depth, grid)
    assert moved[(grid.abs() <= 1).all(dim=-1)[:, None]].isnan().sum() <= 2


def test_autocast_does_not_coarsen_the_grid(smooth_images):
    images = smooth_images(4, 1, 64, 64)
    augmentation = Augmentation(elastic=0.05, elastic_probability=1.0)
    drawn = augmentation.draw(0, 0, np.arange(4), (64, 64))
    expected, _ = augmentation.apply(images, {}, drawn)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        changed, _ = augmentation.apply(images, {}, drawn)
    torch.testing.assert_close(changed, expected, atol=1e-6, rtol=0)
