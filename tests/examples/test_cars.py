"""Drawn cars: laid out as the challenge has them, and masks that are what the pictures show."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from limner.examples import write_example
from limner.examples.car_shapes import draw_car
from limner.examples.cars import PARTS, _car_and_view, draw_view
from limner.images import decode_rle, read_image, read_mask, rle_names, row_location

SIZE = (96, 144)


def test_the_folders_and_names_are_those_of_the_challenge(tmp_path):
    folder = write_example("cars", tmp_path / "cars", count=18, size=SIZE)
    images = sorted(path.name for path in (folder / "train").iterdir())
    assert len(images) == 18
    cars = {name[:12] for name in images}
    assert len(cars) == 4
    assert {name[12:] for name in images} == {f"_{view:02d}.jpg" for view in range(1, 6)}
    masks = sorted(path.name for path in (folder / "train_masks").iterdir())
    assert masks == [name.replace(".jpg", "_mask.gif") for name in images]
    assert sorted(rle_names(str(folder / "train_masks.csv"))) == images
    assert {path.name[:12] for path in (folder / "test").iterdir()}.isdisjoint(cars)
    with (folder / "metadata.csv").open() as file:
        assert {row["id"] for row in csv.DictReader(file)} == cars


def test_masks_hold_zero_and_one_with_a_palette_and_the_table_says_the_same(tmp_path):
    folder = write_example("cars", tmp_path / "cars", count=3, size=SIZE)
    for path in (folder / "train").iterdir():
        mask = read_mask(str(folder / "train_masks" / f"{path.stem}_mask.gif"))
        assert set(np.unique(mask.array).tolist()) == {0, 1}
        assert mask.palette is not None
        assert mask.palette[:2].tolist() == [[0, 0, 0], [255, 255, 255]]
        row = read_mask(row_location(str(folder / "train_masks.csv"), path.name, SIZE)).array
        np.testing.assert_array_equal(row, mask.array == 1)


def test_a_car_has_sixteen_pictures_and_the_next_ones_show_other_cars():
    shown = [_car_and_view(number) for number in range(128)]
    assert len(set(shown)) == 128
    assert {car for car, _ in shown[:64]} == {0, 1, 2, 3}
    assert {view for car, view in shown if car == 5} == set(range(1, 17))


@pytest.mark.slow
def test_every_part_is_there_and_a_car_is_whole_and_within_the_picture():
    for seed in range(6):
        car = draw_car(np.random.default_rng(seed))
        for view in (1, 4, 5, 9):
            image, parts = draw_view(car, view, np.random.default_rng(view), SIZE)
            assert image.shape == (*SIZE, 3)
            assert set(np.unique(parts).tolist()) == set(range(len(PARTS)))
            assert 0.05 < (parts > 0).mean() < 0.5
            assert not parts[[0, -1]].any()
            assert not parts[:, [0, -1]].any()


def test_the_side_is_longer_than_the_front_and_views_differ():
    car = draw_car(np.random.default_rng(1))
    widths = [draw_view(car, view, np.random.default_rng(0), SIZE)[1].any(axis=0).sum() for view in (1, 5, 9, 13)]
    assert min(widths[1], widths[3]) > 1.6 * max(widths[0], widths[2])


def test_the_edge_of_the_mask_is_the_edge_of_the_car():
    # Against the bright wall the roof of a dark car is a step: the mask's upper edge must lie on it.
    car = next(car for seed in range(99) if max((car := draw_car(np.random.default_rng(seed))).paint) < 0.1)
    image, parts = draw_view(car, 5, np.random.default_rng(0), (240, 360))
    grey, tops = image.mean(axis=2), (parts > 0).argmax(axis=0)
    columns = np.flatnonzero(parts.any(axis=0))[60:-60:5]
    drops = [grey[tops[column] - 3, column] - grey[tops[column] + 2, column] for column in columns]
    assert np.median(drops) > 40


def test_parts_are_written_with_their_colours_and_without_run_lengths(tmp_path):
    folder = write_example("car_parts", tmp_path / "parts", count=2, size=SIZE)
    mask = read_mask(str(next((folder / "train_masks").iterdir())))
    assert set(np.unique(mask.array).tolist()) == set(range(len(PARTS)))
    assert mask.palette is not None
    assert mask.palette[: len(PARTS)].tolist() == [list(color) for _, color in PARTS]
    assert not (folder / "train_masks.csv").exists()


def test_pictures_have_the_size_of_the_challenge_unless_asked_otherwise(tmp_path):
    folder = write_example("cars", tmp_path / "cars", count=1)
    image = next((folder / "train").iterdir())
    assert read_image(str(image)).shape == (1280, 1918, 3)
    runs = (folder / "train_masks.csv").read_text().splitlines()[1].split(",")[1]
    assert decode_rle(runs, (1280, 1918), "it").any()
