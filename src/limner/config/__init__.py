"""Settings: what they are called, what they may be, and where a mistake in them stands.

Layer: above `files`. Imports no torch. Only `training`, `workflow` and `cli` know the config object;
every other module takes plain arguments.

`None` means that the plan chooses and says why (`plan.yaml`). Settings come from a YAML file, then
from `section.key=value` overrides, which win. Every key is strict: an unknown one is an error that
names the nearest, a value of another type is not converted.

    sections   the settings, as checked models
    candidates how trainings that are compared are written
    durations  lengths of time
    loading    files, `key=value` overrides, and errors that name file and line
    recipes    settings of published projects, by name
    yaml12     how plain words are read
"""

from limner.config.candidates import split_outside
from limner.config.durations import parse_duration, parse_interval
from limner.config.loading import change, config_from, load_config, parse_override
from limner.config.recipes import describe_recipe, recipe_names, recipe_path
from limner.config.sections import (
    AugmentConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    ExperimentConfig,
    ModelConfig,
    PhaseConfig,
    RecipeConfig,
    TrainingConfig,
)

__all__ = [
    "AugmentConfig",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "ModelConfig",
    "PhaseConfig",
    "RecipeConfig",
    "TrainingConfig",
    "change",
    "config_from",
    "describe_recipe",
    "load_config",
    "parse_duration",
    "parse_interval",
    "parse_override",
    "recipe_names",
    "recipe_path",
    "split_outside",
]
