from __future__ import annotations

import numpy as np
from scipy import ndimage

from limner.data.prepare import prepare
from limner.examples import write_example
from limner.examples.spines import draw_spine, write_spines
from limner.images import read_image


def test_the_files_are_those_of_the_project(tmp_path):
    folder = write_example("spines", tmp_path / "spines", count=6)
    assert sorted(path.name for path in (folder / "images").iterdir()) == [f"{n}.png" for n in range(6)]
    assert sorted(path.name for path in (folder / "masks").iterdir()) == [f"{n}.npy" for n in range(6)]
    image, mask = read_image(str(folder / "images" / "0.png")), np.load(folder / "masks" / "0.npy")
    assert (image.shape, image.dtype) == ((256, 256, 1), np.uint8)
    assert (mask.shape, mask.dtype, np.unique(mask).tolist()) == ((256, 256), np.int64, [0, 1, 2])
    assert not np.load(folder / "masks" / "5.npy").any()


def test_it_is_read_as_three_classes_with_empty_masks(tmp_path):
    prepared = prepare(write_example("spines", tmp_path / "spines"), val=5, test=0, seed=42)
    assert prepared.catalog.split_counts() == {"train": 15, "val": 5, "test": 0}
    label_map = prepared.label_maps["mask"]
    assert (label_map.task, label_map.values) == ("multiclass", ((0,), (1,), (2,)))
    assert prepared.fingerprint.empty_masks == {"mask": 3}
    background, disc, vertebra = prepared.fingerprint.class_share["mask"]
    assert background > 0.9
    assert 0.005 < disc < vertebra < 0.08


def test_vertebrae_and_discs_take_turns():
    for seed in range(4):
        _, mask = draw_spine(np.random.default_rng(seed))
        for class_id, least in ((1, 6), (2, 6)):
            regions, count = ndimage.label(mask == class_id)
            large = [size for size in np.bincount(regions.ravel())[1:] if size > 25]
            assert least <= len(large) <= 9, (seed, class_id, count)
        assert ndimage.label(mask > 0)[1] == 1


def test_brightness_alone_does_not_tell_a_spine():
    image, mask = draw_spine(np.random.default_rng(1))
    vertebra = image[mask == 2]
    others = (image > np.percentile(vertebra, 5)) & (image < np.percentile(vertebra, 95)) & (mask == 0)
    assert others.sum() > vertebra.size


def test_files_without_a_partner_on_request(tmp_path):
    write_spines(tmp_path, 3, size=(64, 64), unmatched=True)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["0.png", "2.png"]
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["1.npy", "2.npy"]
