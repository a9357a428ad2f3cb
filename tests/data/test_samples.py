"""Samples decoded from files."""

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.data.samples import Decoding, DirectSamples, Taken
from limner.errors import DataError
from limner.images import resize_image, resize_mask

BINARY = LabelMap("binary", ("background", "foreground"), ((0, 0, 0), (255, 0, 0)), "values", ((0,), (255,)))
PLANES = LabelMap("multilabel", ("a", "b"), ((0, 0, 255), (255, 0, 0)), "planes", ((0,), (1,)))


def make_catalog(folder, sizes, channels=3, dtype=np.uint8):
    rng = np.random.default_rng(0)
    images, masks = [], []
    for number, (height, width) in enumerate(sizes):
        np.save(folder / f"{number}.npy", rng.integers(0, 200, (height, width, channels)).astype(dtype))
        np.save(folder / f"{number}_mask.npy", rng.integers(0, 2, (height, width)).astype(np.uint8) * 255)
        images.append(str(folder / f"{number}.npy"))
        masks.append(str(folder / f"{number}_mask.npy"))
    return Catalog([str(number) for number in range(len(sizes))], {"image": images}, {"mask": masks})


def test_samples_keep_their_size_or_take_the_working_size(tmp_path):
    catalog = make_catalog(tmp_path, [(6, 8), (5, 4)])
    native = DirectSamples(catalog, {"mask": BINARY}, Decoding(3, "uint8", None))
    resized = DirectSamples(catalog, {"mask": BINARY}, Decoding(3, "uint8", (4, 4)))
    assert (len(native), native.ids, native.uniform, native.size(1)) == (2, ("0", "1"), False, (5, 4))
    assert (resized.uniform, resized.size(1)) == (True, (4, 4))
    full, small = native.take(np.array([1, 0])), resized.take(np.array([1, 0]))
    for number in range(2):
        assert (resize_image(full.images[number], (4, 4)) == small.images[number]).all()
        assert (resize_mask(full.targets["mask"][number], (4, 4)) == small.targets["mask"][number]).all()
    assert [image.shape for image in full.images] == [(5, 4, 3), (6, 8, 3)]


def test_stacked_samples_are_contiguous_and_writable():
    taken = Taken([np.zeros((2, 3, 1), np.uint8)] * 4, {"mask": [np.zeros((2, 3), np.uint8)] * 4})
    images, targets = taken.stacked()
    assert images.shape == (4, 2, 3, 1)
    assert targets["mask"].shape == (4, 2, 3)
    assert images.flags.c_contiguous
    assert images.flags.writeable


def test_a_missing_mask_is_ignored_everywhere(tmp_path):
    catalog = make_catalog(tmp_path, [(6, 8)])
    catalog.targets = {"mask": [""], "planes": [""]}
    taken = DirectSamples(catalog, {"mask": BINARY, "planes": PLANES}, Decoding(3, "uint8", None)).take(np.array([0]))
    assert (taken.targets["mask"][0] == 255).all()
    assert taken.targets["planes"][0].shape == (6, 8, 2)


def test_grey_pictures_become_colour(tmp_path):
    catalog = make_catalog(tmp_path, [(6, 8)], channels=1)
    (image,) = DirectSamples(catalog, {}, Decoding(3, "uint8", None)).take(np.array([0])).images
    assert image.shape == (6, 8, 3)


def test_what_does_not_fit_is_named(tmp_path):
    catalog = make_catalog(tmp_path, [(6, 8)])
    location = catalog.inputs["image"][0]
    with pytest.raises(DataError, match=r"0\.npy' is uint8"):
        Decoding(3, "uint16", None).image(location)
    with pytest.raises(DataError, match=r"0\.npy' has 3 channels"):
        Decoding(1, "uint8", None).image(location)
    np.save(location, np.full((6, 8), np.nan, np.float32))
    with pytest.raises(DataError, match="NaN or infinity"):
        Decoding(1, "float32", None).image(location)
    with pytest.raises(DataError, match=r"size of its image \(6×7\)"):
        Decoding(1, "uint8", None).target(catalog.targets["mask"][0], BINARY, (6, 7))
