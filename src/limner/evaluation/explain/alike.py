"""What became of test pictures that are like a picture.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from limner.evaluation.explain.findings import Rung, number
from limner.evaluation.properties import PROPERTIES_NAME, measure_properties

_COMPARED = ("brightness", "contrast", "sharpness")
_FEWEST, _SHOWN = 8, 4
_WORSE = 0.15


def alike_rung(evaluation: Path, picture: np.ndarray) -> Rung | None:
    """The scores of the evaluated pictures nearest in brightness, contrast and sharpness; None where too few are known.

    Args:
        evaluation: Folder of an evaluation.
        picture: `height width channels`.
    """
    rows = _rows(evaluation / PROPERTIES_NAME)
    if len(rows) < _FEWEST:
        return None
    table = np.array([[float(row[name]) for name in _COMPARED] for row in rows])
    own = measure_properties(picture, [])
    here = np.array([getattr(own, name) for name in _COMPARED])
    if not np.isfinite(here).all():
        return None
    nearest = np.argsort((((table - here) / (table.std(axis=0) + 1e-6)) ** 2).sum(axis=1))[:_SHOWN]
    scores = np.array([float(row["score"]) for row in rows])
    mean, all_of_them = float(scores[nearest].mean()), float(scores.mean())
    shown = ", ".join(f"{rows[place]['id']} {scores[place]:.2f}" for place in nearest)
    found = f"the evaluated pictures most like it score {mean:.2f} on average, all {all_of_them:.2f} ({shown})"
    numbers = {"mean": number(mean), "all": number(all_of_them)}
    return Rung("test pictures", found, "odd" if mean < all_of_them - _WORSE else "fine", numbers)


def _rows(path: Path) -> list[dict[str, str]]:
    """Lines with all that is compared; none of a table that is absent or damaged."""
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return [row for row in csv.DictReader(file) if all(row.get(name) for name in (*_COMPARED, "score"))]
    except OSError:
        return []
