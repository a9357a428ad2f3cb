"""Traced copies, and the masks made of them, are recognised and become overlapping classes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from limner.data.labels import read_target
from limner.data.layouts import find_samples
from limner.data.prepare import prepare
from limner.errors import ConfigError, DataError
from limner.examples.traced_hearts import write_traced_hearts
from limner.images import write_image

INKS = ["blue=heart", "green=lv"]


def square(side, size=(24, 24)):
    mask = np.zeros(size, np.uint8)
    mask[4 : 4 + side, 4 : 4 + side] = 255
    return mask


@pytest.fixture
def masks(tmp_path):
    """Two pictures with masks of two inks, as `limner traces` leaves them."""
    noise = np.random.default_rng(0)
    for name in ("a1", "b1"):
        write_image(tmp_path / "images" / "original" / f"{name}.png", noise.integers(0, 255, (24, 24, 3), np.uint8))
        write_image(tmp_path / "images" / "blue" / f"{name}.png", square(12))
        write_image(tmp_path / "images" / "green" / f"{name}.png", square(5))
    return tmp_path


def test_a_folder_for_each_ink_gives_classes_that_overlap(masks):
    found = find_samples(masks)

    assert found.layout == "traces"
    assert found.catalog.ids == ["a1", "b1"]
    label_map = found.labels["mask"]
    assert (label_map.task, label_map.names) == ("multilabel", ("blue", "green"))
    planes = read_target(found.catalog.targets["mask"][0], label_map)
    assert planes.shape == (24, 24, 2)
    assert planes.sum(axis=(0, 1)).tolist() == [144, 25]
    assert planes[5, 5].tolist() == [1, 1]


def test_the_inner_folder_will_do_too(masks):
    assert len(find_samples(masks / "images").catalog) == 2


def test_structures_are_named_by_the_table_or_by_the_user(masks):
    table = "picture,expert,state,ink,structure,area,doubts\na1,,used,blue,heart,144,\na1,,used,green,lv,25,\n"
    (masks / "tracings.csv").write_text(table, encoding="utf-8")

    assert find_samples(masks).labels["mask"].names == ("heart", "lv")
    given = find_samples(masks, options={"inks": ["green=left", "blue=all"]})
    assert given.labels["mask"].names == ("left", "all")


def test_further_experts_are_samples_of_the_same_group(masks):
    for ink, side in (("blue", 11), ("green", 6)):
        write_image(masks / "experts" / "SQ" / ink / "b1.png", square(side))

    found = find_samples(masks)
    assert found.catalog.ids == ["a1", "b1", "b1_SQ"]
    assert found.catalog.groups == ["", "b1", "b1"]
    assert found.catalog.inputs["image"][1] == found.catalog.inputs["image"][2]
    assert find_samples(masks, options={"experts": "first"}).catalog.ids == ["a1", "b1"]


def test_a_missing_mask_is_a_file_without_partner(masks):
    (masks / "images" / "green" / "b1.png").unlink()
    assert find_samples(masks).pairing.unmatched_images == ["b1"]


def test_other_folders_or_many_values_make_it_another_kind_of_data(masks):
    shutil.copytree(masks / "images" / "blue", masks / "images" / "masks")
    assert find_samples(masks).layout == "pairs"
    shutil.rmtree(masks / "images" / "masks")
    write_image(masks / "images" / "blue" / "a1.png", np.arange(576, dtype=np.uint8).reshape(24, 24))
    with pytest.raises(DataError):
        find_samples(masks, layout="traces")


def test_pictures_of_one_patient_stay_together(masks):
    for patient in range(1, 6):
        for frame in (1, 2):
            for folder in ("original", "blue", "green"):
                source = masks / "images" / folder / "a1.png"
                shutil.copy(source, source.with_name(f"P{patient}_{frame}.png"))
    for path in masks.glob("images/*/[ab]1.png"):
        path.unlink()

    found = find_samples(masks)
    assert found.catalog.groups[:3] == ["P1", "P1", "P2"]
    assert any("5 patients" in note for note in found.notes)


@pytest.mark.parametrize("options", [{"ink": []}, {"inks": "blue"}, {"gap": "wide"}, {"experts": "both"}])
def test_impossible_options_are_refused(hearts, options):
    with pytest.raises(ConfigError):
        find_samples(hearts, options=options)


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_traced_hearts(folder, count=3, size=(120, 100))
    return folder


def test_traced_copies_are_trained_on_directly_and_converted_once(hearts, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path))

    told = []
    data = prepare(
        hearts, layout_options={"inks": [*INKS, "red=rv"]}, val=1, test=0, progress=lambda *news: told.append(news)
    )
    assert [news for news in told if news[0] == "trace"] == [("trace", done, 3) for done in (1, 2, 3)]
    assert data.layout == "traces"
    assert data.label_maps["mask"].names == ("heart", "lv", "rv")
    assert sorted(data.catalog.ids) == ["heart_001", "heart_002", "heart_003", "heart_003_SQ"]
    splits = dict(zip(data.catalog.ids, data.catalog.splits, strict=True))
    assert splits["heart_003"] == splits["heart_003_SQ"]
    assert any("agree with a Dice" in note for note in data.notes)
    kept = sorted((tmp_path / "traces").glob("*/images/blue/*.png"))
    before = [path.stat().st_mtime_ns for path in kept]

    again = prepare(hearts, layout_options={"inks": [*INKS, "red=rv"]}, val=1, test=0)
    assert again.catalog.targets == data.catalog.targets
    assert [path.stat().st_mtime_ns for path in kept] == before


def test_an_ink_that_is_not_there_leaves_nothing_and_says_where_to_look(hearts):
    with pytest.raises(DataError, match="sheets"):
        find_samples(hearts, options={"inks": ["yellow=valve", "blue=heart"]})


def test_pictures_without_ink_are_no_tracings(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (24, 24), np.uint8)
    for folder in ("traced", "untraced"):
        write_image(tmp_path / folder / "1.png", np.repeat(noise[..., None], 3, axis=2))
    with pytest.raises(DataError, match="traced copies and of untraced"):
        find_samples(tmp_path, layout="traces")
