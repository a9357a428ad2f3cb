"""Drawn lesions: the challenge's names, and masks that follow what is darker."""

from __future__ import annotations

import numpy as np

from limner.examples import write_example
from limner.examples.lesions import draw_lesion
from limner.images import read_image, read_mask

IMAGES, MASKS = "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"


def test_the_folders_and_names_are_those_of_the_challenge(tmp_path):
    folder = write_example("lesions", tmp_path / "lesions", count=3, size=(64, 80))
    names = [f"ISIC_{number:07d}" for number in range(3)]
    assert sorted(path.name for path in (folder / IMAGES).iterdir()) == sorted(
        [f"{name}{end}" for name in names for end in (".jpg", "_superpixels.png")] + ["metadata.csv"]
    )
    assert sorted(path.name for path in (folder / MASKS).iterdir()) == [f"{name}_segmentation.png" for name in names]
    for name in names:
        image, mask = (
            read_image(str(folder / IMAGES / f"{name}.jpg")),
            read_mask(str(folder / MASKS / f"{name}_segmentation.png")).array,
        )
        assert image.shape == (*mask.shape, 3)
        assert set(np.unique(mask).tolist()) <= {0, 255}


def test_lesions_are_darker_than_the_skin_round_them_in_most_pictures():
    darker = 0
    for seed in range(12):
        image, mask = draw_lesion(np.random.default_rng(seed), (96, 120))
        middle = np.zeros(mask.shape, dtype=bool)
        middle[16:-16, 20:-20] = True
        darker += image[mask].mean() + 8 < image[~mask & middle].mean()
    assert darker >= 10


def test_sizes_of_lesions_vary_and_the_huge_ones_leave_the_picture():
    shares = [draw_lesion(np.random.default_rng(seed), (96, 120))[1].mean() for seed in range(20)]
    assert min(shares) < 0.12
    assert max(shares) > 0.3
    huge = draw_lesion(np.random.default_rng(0), (96, 120), huge=True)[1]
    assert huge.mean() > 0.5
    assert huge[0].any() or huge[-1].any()
