"""The example data sets by name, and how to write one.

Layer: examples, above the data sets.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from limner.errors import ConfigError, did_you_mean
from limner.examples.cars import write_car_parts, write_cars
from limner.examples.cells import write_cells
from limner.examples.coins import write_coins
from limner.examples.composites import write_composites
from limner.examples.lesions import write_lesions
from limner.examples.spines import write_spines
from limner.examples.tissue import write_tissue
from limner.examples.traced_hearts import write_traced_hearts
from limner.files import require_empty
from limner.types import Size

EXAMPLES: dict[str, Callable[..., None]] = {
    "cells": write_cells,
    "tissue": write_tissue,
    "coins": write_coins,
    "hearts": write_traced_hearts,
    "cars": write_cars,
    "car_parts": write_car_parts,
    "lesions": write_lesions,
    "spines": write_spines,
    "depth": write_composites,
}
"""Name → function of (folder, count, seed, size), of which all but the folder have defaults;
`size` is height and width in pixels, 64 or more.
The first line of its docstring says what it draws."""


_LEAST = 64


def write_example(
    name: str, folder: str | Path, *, count: int | None = None, seed: int = 0, size: Size | None = None
) -> Path:
    """Draw an example data set into a new or empty folder.

    The same name, count, seed and size give the same files byte for byte (as long as the libraries that
    compress them stay the same); more pictures leave the first ones as they were.

    Args:
        name: A name in `EXAMPLES`.
        folder: Where to; made if it is not there.
        count: Number of pictures, at least 1; None is the data set's own, 60 to 80.
        seed: Not negative; another seed draws other pictures.
        size: Height and width in pixels, 64 or more; None is the data set's own. Where sizes differ, they
            lie around it.

    Returns:
        The folder.

    Raises:
        ConfigError: Unknown name (the nearest is named), or an impossible count, seed or size.
        OutputError: The folder holds something already, or cannot be written.
    """
    if name not in EXAMPLES:
        remedy = f"{did_you_mean(name, EXAMPLES, cutoff=0.4)}The examples are {', '.join(EXAMPLES)}."
        raise ConfigError("the name of an example data set", f"'{name}'", remedy)
    if count is not None and count < 1:
        raise ConfigError("at least 1 picture", f"a count of {count}", "Ask for 1 or more, or leave the count out.")
    if seed < 0:
        raise ConfigError("a seed of 0 or more", f"{seed}", "Choose a whole number that is not negative.")
    if size is not None and min(size) < _LEAST:
        raise ConfigError(f"at least {_LEAST} pixels each way", f"a size of {size[0]}×{size[1]}", "Ask for more.")
    folder = Path(folder)
    require_empty(folder)
    wishes = {"count": count, "size": size}
    EXAMPLES[name](folder, seed=seed, **{wish: value for wish, value in wishes.items() if value is not None})
    return folder
