"""Drawn pictures with and without an up or a left, and classes that do or do not mirror each other."""

import numpy as np
import pytest

from limner.data.symmetry import FEWEST, lay_out, mirrored_classes, told_apart, units_of

SIDE = 64


def noise(rng):
    return rng.normal(100, 20, (SIDE, SIDE, 1)).astype(np.float32)


def disc(image, mask, rng, *, rows=(8, 56), columns=(8, 56), class_id=1, radius=5, bright=60):
    row, column = rng.uniform(*rows), rng.uniform(*columns)
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = np.hypot(y - row, x - column) < radius
    image[inside] += bright
    mask[inside] = class_id


def pictures(draw, count=40, classes=1, seed=0):
    rng = np.random.default_rng(seed)
    layouts = []
    for _ in range(count):
        image, mask = noise(rng), np.zeros((SIDE, SIDE), np.uint8)
        draw(image, mask, rng)
        layouts.append(lay_out(image, mask, classes))
    return layouts


def told(layouts, groups=None):
    ids = [f"picture{number}" for number in range(len(layouts))]
    return told_apart(layouts, units_of(ids, groups or [""] * len(ids)))


def scattered(image, mask, rng):
    for _ in range(5):
        disc(image, mask, rng)


@pytest.mark.parametrize("seed", range(3))
def test_scattered_cells_have_no_up(seed):
    found = told(pictures(scattered, count=100, seed=seed))
    assert set(found) == {"flip_h", "flip_v", "rotate90"}
    # Of 100 fair coins fewer than 30 or more than 70 fall on one side in one of 25,000 tries.
    assert all(0.3 < share < 0.7 for share in found.values())


def test_a_bright_sky_is_an_up_but_no_left():
    def draw(image, mask, rng):
        scattered(image, mask, rng)
        image[: int(rng.uniform(20, 40))] += 80

    found = told(pictures(draw))
    assert found["flip_v"] == 1
    assert found["rotate90"] == 1
    assert 0.2 < found["flip_h"] < 0.8


def test_objects_on_one_side_are_seen_in_the_masks_alone():
    found = told(pictures(lambda image, mask, rng: disc(image, mask, rng, columns=(8, 28), bright=0)))
    assert found["flip_h"] > 0.9
    assert 0.2 < found["flip_v"] < 0.8


def test_lines_across_are_told_from_lines_down():
    def draw(image, mask, rng):
        image += 40 * np.sin(np.arange(SIDE) + rng.uniform(0, 6))[:, None, None]

    found = told(pictures(draw))
    assert found["rotate90"] == 1
    assert 0.2 < found["flip_v"] < 0.8


def test_a_picture_that_is_its_own_mirror_image_is_right_half_the_time():
    layouts = [lay_out(np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((SIDE, SIDE), np.uint8), 1)] * FEWEST
    assert told(layouts) == {"flip_h": 0.5, "flip_v": 0.5, "rotate90": 0.5}


def test_few_pictures_or_groups_say_nothing():
    layouts = pictures(scattered, count=FEWEST)
    assert told(layouts)
    assert told(layouts[:-1]) == {}
    assert told(layouts, ["a", "a", *"bcdefghijklmnopqrs"]) == {}


def test_copies_in_a_group_do_not_tell_each_other():
    # Every group has a side of its own, drawn by lot, and 6 pictures of it: known by its copies, unknown by others.
    rng = np.random.default_rng(1)
    layouts, groups = [], []
    for number in range(40):
        side = (8, 28) if rng.random() < 0.5 else (36, 56)
        layouts += pictures(lambda *given, side=side: disc(*given, columns=side), count=6, seed=number)
        groups += [f"group{number}"] * 6
    assert 0.2 < told(layouts, groups)["flip_h"] < 0.8


def test_units_follow_the_numbers_in_names():
    assert units_of(["10", "9", "x", "y"], ["", "", "a", "a"]).tolist() == [1, 0, 2, 2]


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (64, 65), (259, 301)])
def test_the_layout_of_a_mirror_image_is_mirrored(size):
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 255, (*size, 3)).astype(np.uint8), rng.integers(0, 3, size).astype(np.uint8)
    cells = lay_out(image, mask, 2).cells
    assert lay_out(image[::-1], mask[::-1], 2).cells == pytest.approx(cells[:, ::-1], abs=1e-4)
    assert lay_out(image[:, ::-1], mask[:, ::-1], 2).cells == pytest.approx(cells[..., ::-1], abs=1e-4)


def test_cells_are_means_and_shares_of_a_picture_of_four_by_four():
    image = np.zeros((4, 4, 3), np.uint8)
    image[0] = 8
    mask = np.zeros((4, 4), np.uint8)
    mask[1, :2] = 1
    layout = lay_out(image, mask, 1)
    # Mean 2, deviation sqrt(12).
    assert layout.cells[0, :, 0] == pytest.approx(np.array([6, -2, -2, -2]) / 12**0.5)
    assert not layout.cells[1].any()
    assert layout.cells[4].tolist() == [[0, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert layout.areas.tolist() == [2 / 16]
    assert layout.brightness == pytest.approx([-2 / 12**0.5])


def pair(image, mask, rng, *, radius=6, bright=60, sure=True):
    left, right = (10, 22), (42, 54)
    sides = (left, right) if sure or rng.random() < 0.5 else (right, left)
    disc(image, mask, rng, columns=sides[0], rows=(28, 36), class_id=1, radius=6)
    disc(image, mask, rng, columns=sides[1], rows=(28, 36), class_id=2, radius=radius, bright=bright)


def mirrored(draw, count=40):
    layouts = pictures(draw, count=count, classes=2)
    return mirrored_classes(layouts, np.arange(count))


def test_a_left_and_a_right_organ_mirror_each_other():
    assert mirrored(pair) == [(0, 1)]
    assert mirrored(pair, count=FEWEST - 1) == []


@pytest.mark.parametrize("difference", [{"radius": 12}, {"bright": -60}, {"sure": False}])
def test_classes_that_differ_in_size_or_brightness_or_change_sides_are_no_mirror_images(difference):
    assert mirrored(lambda *given: pair(*given, **difference)) == []


def test_one_above_the_other_is_no_mirror_image():
    def draw(image, mask, rng):
        disc(image, mask, rng, columns=(20, 30), rows=(10, 20), class_id=1)
        disc(image, mask, rng, columns=(32, 42), rows=(44, 54), class_id=2)

    assert mirrored(draw) == []


def test_planes_that_overlap_are_looked_at_each():
    planes = np.zeros((8, 8, 2), np.uint8)
    planes[:, :, 0] = 1
    planes[:, :2, 1] = 1
    layout = lay_out(np.zeros((8, 8, 1), np.uint8), planes, 2)
    assert layout.areas.tolist() == [1.0, 0.25]
    assert layout.cells[5].sum(axis=0).tolist() == [1, 0, 0, 0]
