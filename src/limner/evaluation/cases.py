"""Example cases of an evaluation: which images stand for the best, the middle, the worst and the doubtful.

Layer: part of `evaluation`, above `gallery`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float64

from limner.evaluation.gallery import Gallery, Layer, Picture, hex_color, most_error
from limner.evaluation.layers import UNCERTAINTY_MAP
from limner.files import output_error, write_bytes, write_text
from limner.inference.scoring import ScoreTable
from limner.metrics import Counts, ErrorSums, dice, foreground, rmse
from limner.metrics.aggregate import defined_mean
from limner.render import ERROR_LEGEND, WRONG_CLASS, color_stops

_MOST = 3

Kind = Literal["best", "median", "worst", "doubtful"]


@dataclass(frozen=True)
class Case:
    """One image that stands for others.

    Attributes:
        kind: What it is an example of.
        number: 1 for the most extreme of its kind.
        place: Position in the catalog.
        rank: 1 is the best of all.
        ranked: Number of images with a rank.
        score: Score of the image, see `image_scores`.
        expected: The score that the model expected; NaN where it is not known.
    """

    kind: Kind
    number: int
    place: int
    rank: int
    ranked: int
    score: float
    expected: float = math.nan


def image_scores(table: ScoreTable) -> Float64[np.ndarray, " images"]:
    """Dice of each image: the mean over its foreground classes where defined, then over targets; NaN where none is.

    Regression targets count with their `NumberScores.score` of the image's RMSE.
    """
    targets = np.full((len(table.targets) + len(table.numbers), len(table.ids)), np.nan)
    for row, target in zip(targets, table.targets.values(), strict=False):
        values = dice(Counts.from_table(target.table))
        row[target.samples] = defined_mean(values[:, list(foreground(target.task, values.shape[1]))].T)
    for row, numbers in zip(targets[len(table.targets) :], table.numbers.values(), strict=True):
        errors = rmse(ErrorSums.from_table(numbers.table))
        row[numbers.samples] = [numbers.score(float(error)) for error in errors]
    return defined_mean(targets)


def expected_scores(table: ScoreTable) -> Float64[np.ndarray, " images"]:
    """Dice that the model itself expected of each image, averaged as `image_scores`; NaN where that is not known."""
    targets = np.full((len(table.targets), len(table.ids)), np.nan)
    for row, target in zip(targets, table.targets.values(), strict=True):
        if target.expected is not None:
            row[target.samples] = defined_mean(target.expected[:, list(target.foreground)].T)
    return defined_mean(targets)


def choose_cases(
    scores: Float64[np.ndarray, " images"],
    most: int = _MOST,
    *,
    expected: Float64[np.ndarray, " images"] | None = None,
) -> list[Case]:
    """The best, middle and worst images, up to `most` of each and none twice; ties keep the catalog's order.

    Args:
        scores: Of the images; those without one (NaN) are left out.
        most: Of each kind.
        expected: The scores that the model expected of the images, NaN where unknown. Of the images that are not
            chosen yet, those with the lowest become `doubtful` cases.

    Example:
        >>> [(case.kind, case.place, case.rank) for case in choose_cases(np.array([0.2, np.nan, 0.9, 0.5]))]
        [('best', 2, 1), ('median', 3, 2), ('worst', 0, 3)]
    """
    order = [int(place) for place in np.argsort(-scores, kind="stable") if not np.isnan(scores[place])]
    count = len(order)
    each = max(1, min(most, count // 3))
    # One image is its own best, two are best and worst; from three on each kind has as many as the others.
    ranks: dict[Kind, Sequence[int]] = {
        "best": range(min(each, count)),
        "median": range((count - each) // 2, (count - each) // 2 + each) if count > 2 else (),
        "worst": range(count - 1, count - 1 - each, -1) if count > 1 else (),
    }
    guesses = np.full(len(scores), np.nan) if expected is None else expected
    taken = {rank for chosen in ranks.values() for rank in chosen}
    left = [rank for rank in range(count) if rank not in taken and not np.isnan(guesses[order[rank]])]
    ranks["doubtful"] = sorted(left, key=lambda rank: float(guesses[order[rank]]))[:most]
    return [
        Case(kind, number, order[rank], rank + 1, count, float(scores[order[rank]]), float(guesses[order[rank]]))
        for kind, chosen in ranks.items()
        for number, rank in enumerate(chosen, start=1)
    ]


def write_cases(folder: Path, cases: Sequence[Case], gallery: Gallery, table: ScoreTable) -> None:
    """Write the pictures of the cases and `cases.json`, which lists them; those of an earlier evaluation go.

    Raises:
        OutputError: A file cannot be written.
    """
    _clear(folder)
    records = []
    for case in cases:

        def keep(picture: Picture | Layer, stem: str = f"{case.kind}_{case.number}") -> str:
            file = f"{stem}_{picture.stem}.webp"
            write_bytes(folder / file, picture.data)
            return file

        record = _record(case, table)
        record["panels"] = [
            {"name": panel.name, "file": keep(panel), "beside": panel.beside} for panel in gallery.panels(case.place)
        ]
        view = gallery.view(case.place)
        if view is not None:
            picture, layers = view
            record["view"] = {
                "file": keep(picture),
                "layers": [
                    {"kind": layer.kind, "name": layer.name, "file": keep(layer), "shown": layer.shown}
                    for layer in layers
                ],
            }
        records.append(record)
    scales = _scales(table) + _uncertainty_scale() * gallery.knows_uncertainty
    content: dict[str, Any] = {"legend": _legend(table), "lines": gallery.lines, "cases": records}
    if table.numbers:
        content["measure"] = "score"
    if scales:
        content["scales"] = scales
    write_text(folder / "cases.json", json.dumps(content, indent=2))


def _legend(table: ScoreTable) -> list[dict[str, str]]:
    """Colours of the error pictures; a single class cannot be taken for another."""
    if not table.targets:
        return []
    binary = all(target.task == "binary" for target in table.targets.values())
    return [
        {"name": name, "color": hex_color(color)}
        for name, color in ERROR_LEGEND
        if not (binary and color == WRONG_CLASS)
    ]


def _scales(table: ScoreTable) -> list[dict[str, Any]]:
    """Colours of the maps of numbers and of their errors."""
    scales = []
    for name, numbers in table.numbers.items():
        most = most_error(numbers.low, numbers.high)
        for what, low, high, colors in (
            (name, numbers.low, numbers.high, color_stops("viridis")),
            (f"errors of {name}", 0.0, most, color_stops("magma")),
        ):
            scales.append({"name": what, "low": low, "high": high, "unit": numbers.unit, "colors": colors})
    return scales


def _uncertainty_scale() -> list[dict[str, Any]]:
    return [{"name": "uncertainty", "low": 0.0, "high": 1.0, "unit": "", "colors": color_stops(UNCERTAINTY_MAP)}]


def _record(case: Case, table: ScoreTable) -> dict[str, Any]:
    scores = {}
    for name, target in table.targets.items():
        if case.place in target.samples:
            row = dice(Counts.from_table(target.table[target.samples.index(case.place)]))
            scores[name] = {
                target.names[index]: None if np.isnan(row[index]) else float(row[index])
                for index in foreground(target.task, len(row))
            }
    for name, numbers in table.numbers.items():
        if case.place in numbers.samples:
            error = rmse(ErrorSums.from_table(numbers.table[numbers.samples.index(case.place)]))
            unit = f" ({numbers.unit})" if numbers.unit else ""
            scores[name] = {f"RMSE{unit}": None if np.isnan(error) else float(error)}
    return {
        "kind": case.kind,
        "id": table.ids[case.place],
        "rank": case.rank,
        "ranked": case.ranked,
        "score": case.score,
        "expected": None if np.isnan(case.expected) else case.expected,
        "scores": scores,
    }


def _clear(folder: Path) -> None:
    for kind in get_args(Kind):
        for path in folder.glob(f"{kind}_*.webp"):
            try:
                path.unlink()
            except OSError as error:
                raise output_error(path, error) from error
