"""Recipes: settings that repeat a published project, by name.

Layer: config. A recipe is one YAML file in `limner/recipes`, in the form of any settings file; its
section `recipe` says what it repeats. Adding one is adding a file.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from limner.config.loading import load_config
from limner.config.sections import RecipeConfig
from limner.errors import ConfigError, did_you_mean


@cache
def recipe_names() -> tuple[str, ...]:
    """Names of all recipes, in alphabetical order."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def recipe_path(name: str) -> Path:
    """The settings file of a recipe.

    Raises:
        ConfigError: There is none of that name; the nearest is named.
    """
    names = recipe_names()
    if name not in names:
        remedy = f"{did_you_mean(name, names)}The recipes are {', '.join(names)}; `limner recipes` describes them."
        raise ConfigError("the name of a recipe", f"'{name}'", remedy)
    return _folder() / f"{name}.yaml"


def describe_recipe(name: str) -> RecipeConfig:
    """What a recipe repeats, and which example data set has its layout.

    Raises:
        ConfigError: There is none of that name; the nearest is named.
    """
    return load_config(recipe_path(name)).recipe


def _folder() -> Path:
    return Path(str(resources.files("limner"))) / "recipes"
