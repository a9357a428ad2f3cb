from __future__ import annotations

import numpy as np

from limner.examples import write_example
from limner.images import read_image, read_mask


def test_one_folder_with_a_suffix_many_sizes_and_a_few_empty_masks(tmp_path):
    folder = write_example("coins", tmp_path / "coins", count=20)
    images = sorted(folder.glob("*.jpg"))
    assert len(images) == 20
    assert len(list(folder.iterdir())) == 41
    sizes, empty = set(), 0
    for path in images:
        image = read_image(str(path))
        mask = read_mask(str(path.with_name(f"{path.stem}_mask.png"))).array
        assert image.shape == (*mask.shape, 3)
        assert set(np.unique(mask).tolist()) <= {0, 255}
        sizes.add(mask.shape)
        empty += not mask.any()
    assert len(sizes) > 10
    assert any(height % 2 and width % 2 for height, width in sizes)
    assert all(190 <= length <= 263 for size in sizes for length in size)
    assert 1 <= empty <= 4
