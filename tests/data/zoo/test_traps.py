"""Where each trap that silently spoils trainings elsewhere is met: a reader's index of these tests.

Each row says what goes wrong with data in other tools, and names the tests that hold what Limner does about it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limner
from limner.data.prepare import prepare

Refuses = Callable[..., Any]

TESTS = Path(__file__).parents[2]

TRAPS = {
    "0 and 255 taken for ids, 255 for 'ignore'": (
        "data/zoo/test_mask_values.py::test_two_numbers",
        "data/zoo/test_mask_values.py::test_255_beside_small_numbers_is_asked_about",
        "data/zoo/test_mask_values.py::test_255_as_a_class_when_told_so",
    ),
    "class ids with gaps, or of 16 bits": ("data/zoo/test_mask_values.py::test_several_numbers",),
    "unknown ids clamped to the last class": ("data/zoo/test_mask_values.py::test_a_stray_value_in_one_mask_is_named",),
    "palette expanded, 1-bit scaled": (
        "data/zoo/test_mask_values.py::test_a_palette_keeps_its_colours_for_drawing",
        "data/zoo/test_mask_values.py::test_two_numbers",
        "images/test_hostile_files.py::test_a_tiff_of_two_colours",
    ),
    "one channel of colours read as the class": ("data/zoo/test_mask_values.py::test_colours",),
    "anti-aliased and JPEG masks": (
        "data/zoo/test_mask_values.py::test_two_levels_with_dirt_between_are_cut_in_the_middle",
    ),
    "opacity, one-hot, float, GIF": (
        "data/zoo/test_mask_values.py::test_opacity_alone",
        "data/zoo/test_mask_values.py::test_one_hot_arrays",
        "data/zoo/test_mask_values.py::test_floating_point_zeros_and_ones",
        "data/zoo/test_mask_values.py::test_gif",
    ),
    "run lengths": ("data/zoo/test_projects.py::test_run_lengths_are_masks",),
    "paired by order when the counts agree": (
        "data/zoo/test_pairs.py::test_equal_counts_with_one_missing_on_each_side_are_not_paired_by_order",
        "data/zoo/test_matching.py::test_pairs_out_of_step_by_one",
    ),
    "endings that differ": ("data/zoo/test_pairs.py::test_names_that_differ_as_names_do",),
    "unmatched and ambiguous files": (
        "data/zoo/test_pairs.py::test_a_missing_mask",
        "data/zoo/test_pairs.py::test_two_masks_for_one_image",
    ),
    "image turned by its EXIF, mask not": (
        "data/zoo/test_form.py::test_a_turned_picture_with_an_unturned_mask_of_other_size",
        "data/zoo/test_form.py::test_pictures_upside_down_whose_masks_were_drawn_on_what_is_stored",
        "data/zoo/test_form.py::test_turned_pictures_whose_masks_were_drawn_upright_are_fine",
    ),
    "16 bits cut to 8": (
        "data/zoo/test_form.py::test_sixteen_bits_are_kept",
        "data/zoo/test_form.py::test_twelve_bits_cut_to_the_highest_eight",
        "data/zoo/test_form.py::test_bit_depths_that_are_mixed",
    ),
    "slices, frames and tiles on both sides of a split": (
        "data/zoo/test_leaks.py::test_groups_that_names_suggest_are_told",
        "data/zoo/test_traps.py::test_groups_never_part",
    ),
    "exact and near copies on both sides": (
        "data/zoo/test_leaks.py::test_a_picture_that_trains_and_validates",
        "data/zoo/test_leaks.py::test_copies_never_part_when_limner_splits",
    ),
    "image 512×500, mask 512×512": ("data/zoo/test_traps.py::test_a_mask_twelve_columns_too_wide",),
    "odd sizes refused": (
        "data/zoo/test_form.py::test_odd_sizes",
        "data/zoo/test_traps.py::test_odd_sizes_train_predict_and_evaluate",
    ),
    "image turned by augmentation, mask not": (
        "augment/test_geometry.py::test_image_and_mask_stay_in_step",
    ),
    "masks that are all background after a wrong mapping": (
        "data/zoo/test_mask_values.py::test_masks_of_one_value",
        "data/zoo/test_content.py::test_training_samples_without_foreground",
    ),
    "tiny foreground": ("data/zoo/test_content.py::test_foreground_under_half_a_percent",),
    "masks that are all 'ignore'": ("data/zoo/test_hostile.py::test_masks_that_are_all_ignored",),
    "eight images, none of which validate": ("data/zoo/test_traps.py::test_eight_samples_have_one_to_validate",),
    "depth read as a mask": ("data/zoo/test_mask_values.py::test_depth_is_no_mask",),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_is_met_by_tests_that_exist(trap: str) -> None:
    for name in TRAPS[trap]:
        file, _, test = name.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def test_a_mask_twelve_columns_too_wide(zoo: Any, refuses: Refuses) -> None:
    zoo.fill(lambda ids: np.pad(ids * 255, ((0, 0), (0, 12))), size=(512, 500), count=4)
    refuses("sizes-differ", says="is 512×512")


def test_groups_never_part(zoo: Any) -> None:
    for number, (_, picture, ids) in enumerate(zoo.draw(24)):
        name = f"patient{number // 4}_slice{number % 4}"
        zoo.save(f"images/{name}.png", picture)
        zoo.save(f"masks/{name}.png", ids * 255)
    catalog = prepare(zoo.root, group=r"(patient\d+)").catalog
    splits: dict[str, set[str]] = {}
    for name, split in zip(catalog.ids, catalog.splits, strict=True):
        splits.setdefault(name.partition("_")[0], set()).add(split)
    assert len(splits) == 6
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) >= {"train", "val"}


def test_eight_samples_have_one_to_validate(zoo: Any) -> None:
    zoo.fill(count=8)
    assert prepare(zoo.root).catalog.split_counts()["val"] >= 1


@pytest.mark.slow
def test_odd_sizes_train_predict_and_evaluate(zoo: Any, small_train: Callable[..., limner.Run]) -> None:
    zoo.fill(size=(250, 333), count=6)
    run = small_train(zoo.root, zoo.root.parent / "run")
    prediction = limner.load(run.folder).predict(zoo.root / "images/00.png")
    assert prediction.mask.shape == (250, 333)
    assert 0 <= run.summary["targets"]["mask"]["mean"]["dice"] <= 1
