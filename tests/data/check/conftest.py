"""Drawn samples and their features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.check.closer import Look
from limner.data.check.features import Features, describe, working_grey
from limner.data.labels import LabelMap
from limner.examples.cells import draw_cells

SIZE = (256, 256)


@pytest.fixture(scope="session")
def cells_map() -> LabelMap:
    return LabelMap("binary", ("background", "cell"), ((0, 0, 0), (255, 0, 0)), "values", ((0,), (1,)))


@pytest.fixture(scope="session")
def drawn() -> list[tuple[np.ndarray, np.ndarray]]:
    """24 pictures of cells, `height width 1`, with their masks of 0 and 1."""
    pairs = [draw_cells(np.random.default_rng((5, number)), SIZE) for number in range(24)]
    return [(image[..., np.newaxis], mask.astype(np.uint8)) for image, mask in pairs]


@pytest.fixture(scope="session")
def features_of(cells_map: LabelMap) -> Callable[..., Features]:
    """Features of pairs of picture and mask."""

    def make(pairs: list[tuple[np.ndarray, np.ndarray | None]]) -> Features:
        return Features.stack([describe(image, {"mask": mask}, {"mask": cells_map}) for image, mask in pairs])

    return make


@pytest.fixture(scope="session")
def look_of() -> Callable[..., Look]:
    """Gives the pictures of such pairs."""
    return lambda pairs: lambda index: working_grey(pairs[index][0])


@pytest.fixture(scope="session")
def catalog_of() -> Callable[..., Catalog]:
    """A catalog of names; nothing lies behind its locations."""

    def make(ids: list[str] | int, **columns: list[str] | dict[str, list[str]]) -> Catalog:
        names = [f"{number:03d}" for number in range(ids)] if isinstance(ids, int) else ids
        places = [f"/{name}.png" for name in names]
        return Catalog(names, {"image": places}, {"mask": places}, **columns)

    return make
