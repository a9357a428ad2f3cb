from __future__ import annotations

import numpy as np

from limner.examples import write_example
from limner.examples.tissue import COLORS, NAMES, draw_tissue
from limner.images import read_image, read_mask


def test_it_comes_split_with_a_palette(tmp_path):
    folder = write_example("tissue", tmp_path / "tissue", count=6)
    counts = {}
    for split in ("train", "val", "test"):
        images, masks = (sorted((folder / split / kind).iterdir()) for kind in ("images", "masks"))
        assert [path.name for path in images] == [path.name for path in masks]
        counts[split] = len(images)
        image, mask = read_image(str(images[0])), read_mask(str(masks[0]))
        assert (image.shape, image.dtype) == ((256, 256, 3), np.uint8)
        assert mask.array.shape == (256, 256)
        assert mask.palette is not None
        assert mask.palette[: len(COLORS)].tolist() == [list(color) for color in COLORS]
    assert counts == {"train": 4, "val": 1, "test": 1}


def test_every_class_is_there_and_looks_different():
    sums, counts = np.zeros((len(NAMES), 3)), np.zeros(len(NAMES))
    for number in range(6):
        image, ids = draw_tissue(np.random.default_rng(number))
        for index in range(len(NAMES)):
            sums[index] += image[ids == index].sum(axis=0)
            counts[index] += (ids == index).sum()
    assert (counts / counts.sum() > 0.04).all()
    means = sums / counts[:, None]
    background, stroma, gland, nucleus = means.mean(axis=1)
    assert background > stroma > gland > nucleus
    assert means[1][0] > means[1][1] + 15  # eosin is pink
