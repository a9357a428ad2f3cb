"""What the user asked for: settings from file, command and Python, and the data they name.

Layer: workflow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from limner.config import Config, DataConfig, load_config, recipe_path
from limner.data.cache import default_cache_dir
from limner.data.catalog import Catalog
from limner.data.check.examine import QUICK, Examination
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared, prepare
from limner.data.shards import is_shards, located, read_part
from limner.data.splits import parse_split
from limner.data.target_options import TargetOptions
from limner.errors import ConfigError
from limner.files import write_bytes
from limner.types import Progress

_SHARE = 0.15
"""Share of validation samples, and of test samples, where none is given."""
_SHARD_FILES = ("samples.csv", "data.json")
_FREE_IN_SHARDS = {"path", "size", "fit", "channels", "cache", "cache_dir", "cache_limit_gb", "check", "spacing"}
"""Settings of `data` that say nothing about which samples there are, and so may be another for every training."""


def separate_settings(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Tell the data set's place from `key=value` settings among a command's words.

    Raises:
        ConfigError: More than one place.
    """
    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    places = [word for word in words if word not in overrides]
    if len(places) > 1:
        raise ConfigError(
            "one data set",
            f"{len(places)}: {', '.join(map(repr, places))}",
            "Give one place, in quotes if there are spaces in it; settings are written key=value.",
        )
    return (places[0] if places else None), overrides


def read_settings(
    config: str | Path | None,
    overrides: Sequence[str],
    settings: Mapping[str, Any] | None,
    *,
    data: str | Path | None = None,
    recipe: str | None = None,
) -> Config:
    """Settings of a recipe, then of a file, then overrides, then what Python gave; checked."""
    base = None if recipe is None else recipe_path(recipe)
    place = {} if data is None else {"data.path": str(data)}
    return load_config(config, overrides, {**place, **(settings or {})}, base=base)


def prepare_data(config: Config, progress: Progress, *, labels: Mapping[str, LabelMap] | None = None) -> Prepared:
    """Find, check and split the data that the settings name.

    Args:
        config: Settings.
        progress: Told of the progress.
        labels: Label maps that are known already.

    Raises:
        ConfigError: They name none.
        DataError: See `limner.data.prepare`.
    """
    data = config.data
    if is_shards(data.path):
        return _read_shards(config)
    arguments = data_arguments(config) | {"labels": labels, "window": data.window, "progress": progress}
    with examination(config, progress) as looking:
        copies = None if data.check == "off" else looking.find_copies
        return prepare(**arguments, folds=data.folds, review=data.review, find_copies=copies, memory=looking.memory)


def _read_shards(config: Config) -> Prepared:
    """The samples of shards that the settings name, as they were when the shards were made.

    Raises:
        DataError: The shards cannot be read.
        ConfigError: A setting that would give other samples than were settled then.
    """
    from limner.training.record import read_data  # imports torch, which splitting alone does not need

    place = str(config.data.path).removeprefix("file://")
    for name in sorted(DataConfig.model_fields.keys() - _FREE_IN_SHARDS):
        asked = getattr(config.data, name)
        if asked != DataConfig.model_fields[name].get_default(call_default_factory=True):
            raise ConfigError(
                f"what was settled when the shards '{place}' were made",
                f"data.{name}={asked}",
                "Leave it out, or make other shards with it.",
            )
    with tempfile.TemporaryDirectory(prefix="limner-shards-") as folder:
        for name in _SHARD_FILES:
            write_bytes(Path(folder) / name, read_part(place, name))
        prepared = read_data(Path(folder))
    catalog = located(prepared.catalog, place)
    # Not kept with the shards, whose files have numbers instead of names.
    pairs = [(name, name) for name in catalog.ids]
    return replace(prepared, catalog=catalog, pairing=replace(prepared.pairing, pairs=pairs))


def examination(config: Config, progress: Progress, *, whole: bool = False) -> Examination:
    """An examination of the data as far as the settings want it; `whole` looks at every picture in any case."""
    most = None if whole else {"off": 0, "quick": QUICK, "full": None}[config.data.check]
    return Examination(cache_dir(config), most=most, progress=progress)


def cache_dir(config: Config) -> Path | None:
    """Where the check keeps what it found in files; None where nothing is to be kept."""
    if not config.data.cache:
        return None
    return Path(config.data.cache_dir) if config.data.cache_dir else default_cache_dir()


def data_arguments(config: Config) -> dict[str, Any]:
    """What the settings say about the data, as arguments of `prepare`.

    Raises:
        ConfigError: They name no data, or contradict one another.
    """
    data = config.data
    if data.path is None and data.images is None:
        raise ConfigError("a data set", "none was given", "Name a folder, .csv or .zip, or --images and --masks.")
    val, test = split_shares(data)
    return {
        "place": data.path,
        "layout": data.layout,
        "layout_options": data.layout_options,
        "images": data.images,
        "masks": data.masks,
        "page": data.page,
        "plane": data.plane,
        "val": val,
        "test": test,
        "seed": data.seed,
        "values": data.values,
        "class_names": data.class_names,
        "ignore_values": data.ignore_values,
        "targets": {name: TargetOptions(**target.model_dump()) for name, target in (data.targets or {}).items()},
        "previous": previous_samples(data.keep_splits),
        "unmatched": data.unmatched,
        "unreadable": data.unreadable,
        "extent": data.scan,
        "group": data.group,
    }


def previous_samples(place: str | None) -> Catalog | None:
    """The samples of an earlier run folder or `samples.csv`, whose splits are kept; None where none is named."""
    if place is None:
        return None
    path = Path(place)
    return Catalog.load(path / "samples.csv" if path.is_dir() else path)


def split_shares(data: DataConfig) -> tuple[float, float]:
    """Validation and test samples, as shares or counts."""
    if data.folds is not None:
        if data.split is not None or data.val is not None:
            given = f"data.split={data.split}" if data.val is None else f"data.val={data.val:g}"
            raise ConfigError(
                "no share of val samples where each fold validates once",
                f"data.folds={data.folds} and {given}",
                "Leave it out; data.test alone may stand beside folds.",
            )
        return 1 / data.folds, data.test or 0.0
    if data.split is None:
        return (_SHARE if data.val is None else data.val), (_SHARE if data.test is None else data.test)
    if data.val is not None or data.test is not None:
        raise ConfigError(
            "either data.split or data.val and data.test",
            f"both: data.split={data.split}, data.val={data.val}, data.test={data.test}",
            "Leave one of them out.",
        )
    _, val, test = parse_split(data.split)
    return val, test
