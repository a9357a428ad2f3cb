"""Label maps are applied strictly and survive being saved."""

import json

import numpy as np
import pytest

from limner.data.labels import LabelMap, read_target
from limner.errors import DataError
from limner.images import StoredMask
from limner.types import IGNORE

BLACK, ORANGE, BLUE = (0, 0, 0), (230, 159, 0), (86, 180, 233)


def make(values, **options):
    settings = {"task": "binary", "names": ("background", "foreground"), "colors": (BLACK, ORANGE)}
    return LabelMap(**{**settings, "encoding": "values", "values": values, **options})


TASKS = [
    make(((0,), (255,))),
    make(((0,), (255,)), ignore=(9,), because="seen"),
    make(((0.0,), (0.5,)), reading="alpha"),
    make((((0, 0, 0),), ((255, 0, 0), (254, 0, 0))), encoding="colors", ignore=((1, 1, 1),)),
    make(((0,), (1,)), encoding="planes", task="multilabel"),
    make(((0,), ("other",))),
]


@pytest.mark.parametrize("label_map", TASKS)
def test_a_map_survives_json(label_map):
    assert LabelMap.from_dict(json.loads(json.dumps(label_map.to_dict()))) == label_map


@pytest.mark.parametrize("change", [{"version": 2}, {"surprise": 1}, {"values": None, "task": None, "version": None}])
def test_a_foreign_map_is_refused(change):
    with pytest.raises(DataError, match="label map of version 1"):
        LabelMap.from_dict({**TASKS[0].to_dict(), **change})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_numbers_become_ids(dtype):
    array = np.array([[0, 255, 7]], dtype)
    assert make(((0,), (255,)), ignore=(7,)).encode(StoredMask(array), "a").tolist() == [[0, 1, IGNORE]]


def test_large_numbers_become_ids():
    array = np.array([[0, 70_000]], np.int32)
    assert make(((0,), (70_000,))).encode(StoredMask(array), "a").tolist() == [[0, 1]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_an_unknown_number_is_named_with_its_file(dtype):
    array = np.array([[0, 255, 3, 3, 7]], dtype)
    with pytest.raises(DataError) as caught:
        make(((0,), (255,)), ignore=(9,)).encode(StoredMask(array), "some/a.png")
    message = str(caught.value)
    assert "'some/a.png'" in message
    assert "3 in 2 pixel(s)" in message
    assert "7 in 1 pixel(s)" in message
    assert "0 = background, 255 = foreground, 9 = ignored" in message
    assert "data.ignore_values" in message


def test_an_unknown_colour_is_named():
    label_map = make((((0, 0, 0),), ((255, 0, 0),)), encoding="colors")
    array = np.array([[[0, 0, 0], [0, 9, 0]]], np.uint8)
    with pytest.raises(DataError, match=r"\[0,9,0\] in 1 pixel"):
        label_map.encode(StoredMask(array), "a.png")


def test_numbers_that_no_class_names_can_be_one_class():
    array = np.array([[0, 1, 40_000]], np.uint16)
    assert make(((0,), ("other",))).encode(StoredMask(array), "a").tolist() == [[0, 1, 1]]


def test_a_threshold_cuts_at_its_value():
    label_map = make(((0,), (128,)), encoding="threshold")
    assert label_map.encode(StoredMask(np.array([[0, 127, 128, 255]], np.uint8)), "a").tolist() == [[0, 0, 1, 1]]
    with pytest.raises(DataError, match="nan"):
        label_map.encode(StoredMask(np.array([[np.nan]], np.float32)), "a")


def test_planes_must_agree_with_the_map():
    label_map = make(((0,), (1,)), encoding="planes")
    both = np.ones((2, 2, 2), np.uint8)
    with pytest.raises(DataError, match="none or several"):
        label_map.encode(StoredMask(both), "a")
    with pytest.raises(DataError, match="2 planes"):
        label_map.encode(StoredMask(np.zeros((2, 2, 3), np.uint8)), "a")


def test_a_folder_of_masks_is_their_union(tmp_path):
    for number in range(3):
        mask = np.zeros((4, 4), np.uint8)
        mask[number, number] = 255
        np.save(tmp_path / f"{number}.npy", mask)
    ids = read_target(f"{tmp_path}/", make(((0,), (255,))))
    assert ids.tolist() == np.diag([1, 1, 1, 0]).tolist()


def test_a_folder_needs_a_binary_map(tmp_path):
    np.save(tmp_path / "0.npy", np.zeros((4, 4), np.uint8))
    label_map = make(((0,), (1,), (2,)), task="multiclass", names=("a", "b", "c"), colors=(BLACK, ORANGE, BLUE))
    with pytest.raises(DataError, match="one object per file"):
        read_target(f"{tmp_path}/", label_map)


def test_a_single_file_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 255]], np.uint8))
    assert read_target(str(tmp_path / "a.npy"), make(((0,), (255,)))).tolist() == [[0, 1]]
