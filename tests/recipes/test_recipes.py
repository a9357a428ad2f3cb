"""Every recipe is whole, and gives way to what the user says."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.config import describe_recipe, load_config, recipe_names, recipe_path
from limner.errors import ConfigError
from limner.examples import EXAMPLES


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_says_what_it_repeats_and_draws_its_data(name):
    recipe = describe_recipe(name)

    assert recipe.title == name
    assert recipe.summary.endswith(".")
    assert recipe.sources
    assert recipe.example is None or recipe.example in EXAMPLES


def test_a_file_wins_over_the_recipe_and_overrides_win_over_both(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("training:\n  lr: 0.01\n  batch: 3\n", encoding="utf-8")

    config = load_config(file, ["training.batch=5"], base=recipe_path("lesion"))

    assert config.training.lr == 0.01
    assert config.training.batch == 5
    assert config.training.loss == "dice"
    assert config.model.name == "improved_unet"


def test_a_split_given_otherwise_replaces_the_recipes(tmp_path: Path):
    base = tmp_path / "recipe.yaml"
    base.write_text("data:\n  split: 90:10\n  seed: 42\n", encoding="utf-8")

    config = load_config(None, ["data.val=5"], base=base)

    assert (config.data.split, config.data.val, config.data.seed) == (None, 5.0, 42)


def test_an_empty_section_of_the_file_leaves_the_recipes(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("training:\n", encoding="utf-8")

    assert load_config(file, base=recipe_path("lesion")).training.loss == "dice"


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'lesion'"):
        recipe_path("leson")


def test_the_command_lists_and_prints_them(limner):
    listing = limner("recipes")
    printed = limner("recipes", "lesion")

    assert all(name in listing.out for name in recipe_names())
    assert printed.out == recipe_path("lesion").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_run_keeps_where_its_settings_come_from(limner, cells, tmp_path: Path):
    small = ["size=[32,32]", "conv_sizes=[2,4,4,4,4]", "steps_per_epoch=1", "batch=2", "epochs=1", "device=cpu"]

    limner("train", cells, "--recipe", "lesion", "-o", tmp_path / "run", *small)

    config = load_config(tmp_path / "run" / "config.yaml")
    assert config.recipe.title == "lesion"
    assert config.training.schedule == "exponential"
