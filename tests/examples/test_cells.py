from __future__ import annotations

import numpy as np
from skimage.filters import threshold_otsu

from limner.examples import write_example
from limner.examples.cells import draw_cells
from limner.images import read_image, read_mask


def test_images_and_masks_pair_by_name_in_two_folders(tmp_path):
    folder = write_example("cells", tmp_path / "cells", count=3)
    names = ["cells_001.png", "cells_002.png", "cells_003.png"]
    assert sorted(path.name for path in (folder / "images").iterdir()) == names
    assert sorted(path.name for path in (folder / "masks").iterdir()) == names
    image = read_image(str(folder / "images" / names[0]))
    mask = read_mask(str(folder / "masks" / names[0])).array
    assert (image.shape, image.dtype) == ((256, 256, 1), np.uint8)
    assert mask.shape == (256, 256)
    assert set(np.unique(mask).tolist()) == {0, 255}


def test_a_threshold_is_not_enough_but_nuclei_are_brighter_than_what_is_round_them():
    scores, contrasts = [], []
    for number in range(12):
        image, mask = draw_cells(np.random.default_rng(number))
        found = image > threshold_otsu(image)
        scores.append(2 * (found & mask).sum() / (found.sum() + mask.sum()))
        contrasts.append(image[mask].mean() / image[~mask].mean())
    assert 0.5 < np.mean(scores) < 0.9
    assert min(contrasts) > 1.2


def test_pictures_differ_in_brightness_and_in_how_full_they_are():
    drawn = [draw_cells(np.random.default_rng(number)) for number in range(12)]
    means = [image.mean() for image, _ in drawn]
    shares = [mask.mean() for _, mask in drawn]
    assert max(means) > 1.5 * min(means)
    assert max(shares) > 1.5 * min(shares)
    assert 0.03 < np.mean(shares) < 0.4
