"""How single images did, as an evaluation wrote it down: what the example cases were chosen by.

Layer: part of `evaluation`, above `run_folder`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from limner.evaluation.records import ImageRow, SummaryRecord
from limner.evaluation.run_folder import read_evaluation
from limner.metrics.aggregate import defined_mean


def read_ratings(folder: Path) -> tuple[str, list[str], Float64[np.ndarray, "images 2"]]:
    """The split, the ids and per image the score and the expected score of an evaluation; NaN where undefined.

    The rules are those of `limner.evaluation.cases.image_scores` and `expected_scores`.

    Args:
        folder: That holds `summary.json` and `per_image.csv`.

    Raises:
        DataError: There is no evaluation, or it is damaged.
    """
    summary, rows = read_evaluation(folder)
    ids = list(dict.fromkeys(row.id for row in rows))
    by_target: dict[str, list[ImageRow]] = {}
    for row in rows:
        by_target.setdefault(row.target, []).append(row)
    tables = [_rate(summary, name, found, ids) for name, found in by_target.items()]
    if not tables:
        return summary.split, ids, np.full((len(ids), 2), np.nan)
    together = np.stack(tables)
    return summary.split, ids, np.stack([defined_mean(together[..., column]) for column in (0, 1)], axis=-1)


def _rate(
    summary: SummaryRecord, target: str, rows: Sequence[ImageRow], ids: Sequence[str]
) -> Float64[np.ndarray, "images 2"]:
    """Score and expected score of each image by one target; NaN where it has none."""
    numbers = summary.numbers.get(target)
    known = summary.targets.get(target)
    background = (
        {entry.name for entry in known.classes if entry.id == 0} if known and known.task != "multilabel" else ()
    )
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ids}
    for row in rows:
        if numbers is not None:
            found[row.id].append((_score(row.rmse, numbers.low, numbers.high), math.nan))
        elif row.class_name not in background:
            found[row.id].append((_known(row.dice), _known(row.expected_dice)))
    return np.array([defined_mean(np.reshape(values, (-1, 2))) for values in found.values()])


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _score(error: float | None, low: float | None, high: float | None) -> float:
    """As `NumberScores.score`."""
    if error is None or low is None or high is None or high <= low:
        return math.nan
    return max(0.0, 1 - error / (high - low))
