"""Data for a training that starts from a trained bundle.

Layer: workflow.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from limner.config import Config
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared
from limner.training.start import adopt_data, known_numbers
from limner.types import Progress
from limner.workflow.settings import prepare_data


def prepare_from(config: Config, bundle: Path, progress: Progress) -> Prepared:
    """Find, check and split the data, and understand them as a bundle does.

    Args:
        config: Settings.
        bundle: The bundle a training is to start from.
        progress: Told of the progress.

    Raises:
        DataError: See `limner.data.prepare`; or the pictures are of another kind than the bundle's.
        ConfigError: Contradictory settings.
    """
    found = prepare_data(config, progress, labels=known_numbers(bundle))
    adopted = adopt_data(found, bundle, given=_given(config, found))
    if {name: _meaning(label_map) for name, label_map in adopted.label_maps.items()} == {
        name: _meaning(label_map) for name, label_map in found.label_maps.items()
    }:
        return adopted
    # Other ids: shares of classes and the like must be counted anew.
    again = prepare_data(config, progress, labels=adopted.label_maps)
    return adopt_data(again, bundle, given=_given(config, again))


def _given(config: Config, data: Prepared) -> set[str]:
    """Targets whose classes the settings give."""
    options = config.data.targets or {}
    given = {name for name, option in options.items() if option.class_names or option.values or option.ignore_values}
    if config.data.class_names or config.data.values or config.data.ignore_values:
        given.add(next(iter(data.label_maps)))
    return given


def _meaning(label_map: LabelMap) -> LabelMap:
    """A label map without what changes no id."""
    return replace(label_map, names=(), colors=(), because="", unit="", low=0.0, high=1.0)
