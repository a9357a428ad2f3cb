from __future__ import annotations

import zipfile

import numpy as np
import pytest

from limner.data.layouts import find_samples
from limner.examples import write_example
from limner.examples.composites import draw_animal, draw_landscape, write_composites
from limner.images import read_image


def test_the_projects_layout_with_its_trap(tmp_path):
    folder = write_example("depth", tmp_path / "depth", count=144)

    assert {path.name for path in folder.iterdir()} == {
        *("README.txt", "bg", "fg", "fg_bg_1.zip", "fg_bg_2.zip"),
        *("fg_bg_mask_1.zip", "fg_bg_mask_2.zip", "fg_bg_depth_1.zip", "fg_bg_depth_2.zip"),
    }
    assert len(list((folder / "bg").iterdir())) == 12
    with zipfile.ZipFile(folder / "fg_bg_2.zip") as archive:
        assert archive.namelist()[0] == "fg_bg_2/73.jpg"
    found = find_samples(folder)
    assert len(found.catalog) == 144
    assert any("starting anew with the first background in every archive" in note for note in found.notes)
    assert found.apart == ("background", "foreground")


def test_folders_hold_what_the_archives_hold(tmp_path):
    write_composites(tmp_path / "archives", 36, 0, (64, 64))
    write_composites(tmp_path / "folders", 36, 0, (64, 64), archives=False)
    packed, loose = (find_samples(tmp_path / name).catalog for name in ("archives", "folders"))

    assert packed.ids == loose.ids
    assert packed.facts == loose.facts
    for column in ("composite",):
        np.testing.assert_array_equal(read_image(packed.inputs[column][7]), read_image(loose.inputs[column][7]))


@pytest.mark.parametrize("count", [1, 7, 10, 36])
def test_any_number_of_composites(tmp_path, count):
    folder = write_example("depth", tmp_path / "depth", count=count)
    drawn = sum(
        len(zipfile.ZipFile(path).namelist()) for path in folder.glob("fg_bg*.zip") if path.stem[6:] in ("_1", "_2", "")
    )
    assert drawn == count


def test_landscapes_and_animals_differ():
    scenes = [draw_landscape(np.random.default_rng(number), (64, 64)) for number in range(4)]
    animals = [draw_animal(np.random.default_rng(number), 64) for number in range(4)]

    assert all(np.abs(scenes[0].astype(int) - scene).mean() > 8 for scene in scenes[1:])
    for animal in animals:
        share = (animal[..., 3] > 127).mean()
        assert 0.25 < share < 0.8
        assert animal[..., 3].max() == 255
