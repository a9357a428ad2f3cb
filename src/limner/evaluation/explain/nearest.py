"""The training pictures that are most like a picture.

Layer: part of `evaluation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limner.bundle import BundleMeta
from limner.data.catalog import Catalog, spread
from limner.data.samples import image_location, image_locations
from limner.errors import DataError
from limner.inference.familiarity import MOST_PICTURES, features
from limner.inference.inputs import ModelInput, read_input

# Features are stored with four digits.
_SAME = 1e-3


@dataclass(frozen=True, eq=False)
class Neighbour:
    """A training picture.

    Attributes:
        id: Its sample.
        distance: Largest difference of a feature, by its spread.
        given: The picture.
    """

    id: str
    distance: float
    given: ModelInput


def nearest(pixels: np.ndarray, meta: BundleMeta, catalog: Catalog | None, count: int) -> list[Neighbour]:
    """The nearest training pictures that can still be read, the nearest first.

    The bundle remembers what some of them are like, and the run which pictures there are: a picture whose numbers are
    not those that are remembered is left out.

    Args:
        pixels: As the network takes them.
        meta: Of the model.
        catalog: Samples of its run; None of a bundle alone.
        count: How many are wanted.
    """
    if meta.familiar is None or catalog is None:
        return []
    known, scale = np.array(meta.familiar.features), np.array(meta.familiar.scale)
    rows = _remembered(catalog, len(known))
    distances = np.abs((known - features(pixels, meta.inputs)) / scale).max(axis=1)
    found: list[Neighbour] = []
    for place in np.argsort(distances) if rows else ():
        given = _read(catalog, rows[place], meta)
        if given is not None and np.abs(features(given.pixels, meta.inputs) - known[place]).max() < _SAME:
            found.append(Neighbour(catalog.ids[rows[place]], float(distances[place]), given))
        if len(found) == count or place == np.argsort(distances)[min(len(known), 3 * count) - 1]:
            break
    return found


def _remembered(catalog: Catalog, count: int) -> Sequence[int]:
    """Places of the samples whose pictures a bundle remembers, in its order; none where it is of other samples."""
    train = np.flatnonzero([split == "train" for split in catalog.splits])
    chosen = spread(train, MOST_PICTURES)
    return chosen if len(chosen) == count else []


def _read(catalog: Catalog, index: int, meta: BundleMeta) -> ModelInput | None:
    try:
        given = image_locations(catalog, index) if meta.inputs.parts else image_location(catalog, index)
        return read_input(given, meta.inputs)
    except DataError:
        return None
