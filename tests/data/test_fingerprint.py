"""The data in numbers, against numbers worked out by hand or by NumPy over whole arrays."""

import json

import numpy as np
import pytest

from limner.data import fingerprint
from limner.data.catalog import Catalog
from limner.data.fingerprint import Fingerprint, measure
from limner.data.labels import LabelMap
from limner.data.scan import scan

BINARY = LabelMap("binary", ("background", "foreground"), ((0, 0, 0), (255, 0, 0)), "values", ((0,), (255,)), (7,))
PLANES = LabelMap("multilabel", ("a", "b"), ((0, 0, 255), (255, 0, 0)), "planes", ((0,), (1,)))


def make(folder, images, masks, label_map=BINARY, splits=(), **options):
    names = [str(number) for number in range(len(images))]
    for name, image, mask in zip(names, images, masks, strict=True):
        np.save(folder / f"{name}.npy", image)
        np.save(folder / f"{name}_mask.npy", mask)
    catalog = Catalog(
        names,
        {"image": [str(folder / f"{name}.npy") for name in names]},
        {"mask": [str(folder / f"{name}_mask.npy") for name in names]},
        splits=list(splits) or ["train"] * len(names),
    )
    channels = images[0].shape[2] if images[0].ndim == 3 else 1
    settings = {"channels": channels, "dtype": str(images[0].dtype), **options}
    return measure(catalog, scan(catalog), {"mask": label_map}, **settings)


def two_objects():
    mask = np.zeros((8, 10), np.uint8)
    mask[1:3, 1:3] = mask[5:7, 5:9] = 255
    return mask


def test_intensities_agree_with_numpy(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (8, 10, 3)).astype(np.uint8) for _ in range(3)]
    found = make(tmp_path, images, [two_objects()] * 3)
    scaled = np.stack(images) / 255
    assert (found.low, found.high) == (0, 255)
    assert found.mean == pytest.approx(scaled.mean(axis=(0, 1, 2)).tolist())
    assert found.std == pytest.approx(scaled.std(axis=(0, 1, 2)).tolist())


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_the_range_leaves_out_rare_outliers(tmp_path, dtype):
    image = np.random.default_rng(0).uniform(1000, 2000, (100, 100)).astype(dtype)
    image[0, 0], image[0, 1] = 60_000, 0
    found = make(tmp_path, [image] * 2, [np.eye(100, dtype=np.uint8) * 255] * 2)
    assert (found.low, found.high) == pytest.approx((1000, 2000), abs=20)
    assert found.mean[0] == pytest.approx(0.5, abs=0.05)


def test_constant_images_have_a_range_and_a_deviation(tmp_path):
    found = make(tmp_path, [np.full((8, 10), 5, np.float32)] * 2, [two_objects()] * 2)
    assert (found.low, found.high, found.std) == (5, 6, (0.001,))


def test_shares_objects_and_empty_masks(tmp_path):
    with_ignored = two_objects()
    with_ignored[0] = 7
    masks = [two_objects(), with_ignored, np.zeros((8, 10), np.uint8), np.full((8, 10), 255, np.uint8)]
    images = [np.zeros((8, 10), np.uint8)] * 4
    found = make(tmp_path, images, masks, splits=["train", "train", "val", "test"])
    assert found.class_share == {"mask": pytest.approx([1 - 24 / 150, 24 / 150])}
    assert found.objects_per_picture == 2
    assert found.empty_masks == {"mask": 1}


def test_shares_of_overlapping_classes_are_each_of_all_pixels(tmp_path):
    planes = np.stack([np.ones((8, 10)), two_objects() > 0], axis=2).astype(np.uint8)
    found = make(tmp_path, [np.zeros((8, 10), np.uint8)] * 2, [planes] * 2, PLANES)
    assert found.class_share == {"mask": pytest.approx([1.0, 12 / 80])}


def test_sizes(tmp_path):
    sizes = [(4, 9), (6, 7), (8, 8)]
    masks = [np.eye(*size, dtype=np.uint8) * 255 for size in sizes]
    found = make(tmp_path, [np.zeros(size, np.uint8) for size in sizes], masks)
    assert (found.smallest, found.median, found.largest) == ((4, 7), (6, 8), (8, 9))
    assert not found.uniform_size


def test_many_pictures_are_sampled_the_same_way_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "SAMPLE", 10)
    rng = np.random.default_rng(0)
    images = [np.full((4, 4), rng.integers(255), np.uint8) for _ in range(20)]
    masks = [np.eye(4, dtype=np.uint8) * 255] * len(images)
    told = []
    first = make(tmp_path, images, masks, progress=lambda *said: told.append(said))
    assert told[-1] == ("measure", 10, 10)
    assert first == make(tmp_path, images, masks)
    assert first != make(tmp_path, images, masks, seed=1)


def test_a_fingerprint_survives_json(tmp_path):
    found = make(tmp_path, [np.zeros((8, 10), np.uint8)] * 2, [two_objects()] * 2)
    assert Fingerprint.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_fingerprint_from_before_it_looked_for_an_up_is_read(tmp_path):
    known = make(tmp_path, [np.zeros((8, 10), np.uint8)] * 2, [two_objects()] * 2).to_dict()
    for name in ("independent", "told_apart", "mirrored_classes", "object_widths"):
        del known[name]
    found = Fingerprint.from_dict(known)
    assert (found.independent, found.told_apart, found.mirrored_classes, found.object_widths) == (0, {}, (), ())


def test_widths_of_squares_lines_and_of_what_fills_the_picture(tmp_path):
    square, line = np.zeros((12, 14), np.uint8), np.zeros((12, 14), np.uint8)
    square[3:8, 4:9] = 255
    # Across the whole picture, 2 pixels wide: its ends are the picture's border.
    line[:, 5:7] = 255
    images = [np.zeros((12, 14), np.uint8)]
    # A square of 25 pixels has an outline of 20; 24 pixels of a line have one of 24.
    assert make(tmp_path, images, [square]).object_widths == (0, 5)
    assert make(tmp_path, images, [line]).object_widths == (0, 4)
    assert make(tmp_path, images * 3, [square, line, np.full_like(line, 255)]).object_widths == (0, 5)


def test_ignored_pixels_are_neither_inside_nor_outside(tmp_path):
    mask = np.zeros((12, 14), np.uint8)
    mask[3:8, 4:9] = 255
    mask[:, 9:] = 7
    # One side of the square is not seen: 4 · 25 / 15.
    found = make(tmp_path, [np.zeros((12, 14), np.uint8)], [mask])
    assert found.object_widths == pytest.approx((0, 100 / 15))


def test_planes_that_overlap_have_widths_of_their_own(tmp_path):
    inner = two_objects() > 0
    planes = np.stack([inner, np.zeros_like(inner)], axis=2).astype(np.uint8)
    planes[1:4, 6:9, 1] = 1
    # Areas 4 and 8, outlines 8 and 12; a square of 9 pixels with an outline of 12.
    found = make(tmp_path, [np.zeros((8, 10), np.uint8)], [planes], PLANES)
    assert found.object_widths == pytest.approx((4 * 12 / 20, 3))


def test_an_up_is_found_in_the_training_pictures_and_their_groups(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 100, (32, 32)).astype(np.uint8) for _ in range(30)]
    for image in images[:24]:
        image[:16] += 100
    splits = ["train"] * 24 + ["val"] * 6
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    found = make(tmp_path, images, [mask] * 30, splits=splits)
    assert found.independent == 24
    assert found.told_apart["flip_v"] == 1
    assert 0.2 < found.told_apart["flip_h"] < 0.8
