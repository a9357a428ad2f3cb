"""What views of each picture buy, measured picture by picture, and what they cost.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np
from jaxtyping import Float64

from limner.bundle import ViewsSpec
from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap
from limner.errors import DataError
from limner.evaluation.compare import paired_difference
from limner.inference.predictor import Predictor
from limner.inference.scoring import ScoreTable, score
from limner.types import Progress, Tta, no_progress

MOST_PICTURES = 50
"""Pictures that are looked at; of more, as many are spread evenly."""


def measure_views(
    load: Callable[[str], Predictor],
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    source: str,
    progress: Progress = no_progress,
) -> list[ViewsSpec]:
    """Predict pictures with each kind of views, and compare with one plain look at the same pictures.

    Each uses the model's own thresholds and steps after them, so that the gain is the one a user gets.

    Args:
        load: A predictor for a name in `limner.inference.views.TTA`.
        catalog: Samples with masks that the model did not learn from; `MOST_PICTURES` of them are looked at.
        label_maps: Meaning of the masks, by target.
        source: What the samples are, in words.
        progress: Told after each picture.

    Raises:
        DataError: There are no samples, or a file cannot be read.
    """
    if not len(catalog):
        raise DataError("pictures with masks to measure views on", "there are none", "Name data whose masks are known.")
    part = catalog.subset(spread(np.arange(len(catalog)), MOST_PICTURES))
    kinds: tuple[Tta, ...] = get_args(Tta)
    total = (1 + len(kinds)) * len(part)

    def scores(number: int, tta: str) -> tuple[Float64[np.ndarray, "images columns"], float]:
        predictor, before = load(tta), number * len(part)
        # Once beforehand: the first batch pays for what is made ready.
        score(predictor, part.subset([0]), label_maps)
        # On a CPU the work itself, whatever else the machine does meanwhile.
        clock = time.process_time if predictor.engine.device.type == "cpu" else time.perf_counter
        begin = clock()
        table = score(predictor, part, label_maps, progress=lambda done, _: progress("views", before + done, total))
        return _values(table), clock() - begin

    plain, seconds = scores(0, "none")
    measure = "dice" if any(label_map.task != "regression" for label_map in label_maps.values()) else "mae"
    found = []
    for number, tta in enumerate(kinds, start=1):
        values, longer = scores(number, tta)
        gain = paired_difference(values[None], plain[None], part.groups, measure)
        if np.isnan(gain.better):
            continue  # no picture in which a class is, or was found
        found.append(
            ViewsSpec(
                tta=tta,
                measure="dice" if measure == "dice" else "error",
                gain=gain.better,
                low=gain.low,
                high=gain.high,
                times=round(longer / seconds, 2),
                images=len(part),
                source=source,
            )
        )
    return found


def _values(table: ScoreTable) -> Float64[np.ndarray, "images columns"]:
    """Dice of each picture and class, or where there are no classes the errors as shares of the range."""
    columns = []
    for target in table.targets.values():
        dice = target.values()["dice"][:, list(target.foreground)]
        columns.append(_placed(dice, target.samples, len(table.ids)))
    if not columns:
        for numbers in table.numbers.values():
            errors = numbers.values()["mae"] / (numbers.high - numbers.low)
            columns.append(_placed(errors, numbers.samples, len(table.ids)))
    return np.concatenate(columns, axis=1)


def _placed(values: np.ndarray, samples: list[int], count: int) -> np.ndarray:
    placed = np.full((count, values.shape[1]), np.nan)
    placed[samples] = values
    return placed
