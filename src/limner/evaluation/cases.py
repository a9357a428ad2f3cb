"""Example cases of an evaluation: which images stand for the best, the middle and the worst, and their pictures.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from limner.data.labels import LabelMap
from limner.files import output_error, write_bytes, write_text
from limner.images import encode_webp, resize_image, resize_mask
from limner.inference.drawing import draw_target, predicted, show_inputs
from limner.inference.prediction import Prediction
from limner.inference.scoring import ScoreTable
from limner.metrics import Counts, ErrorSums, dice, foreground, rmse
from limner.render import ERROR_LEGEND, WRONG_CLASS, color_stops, errors, number_errors

_SIDE = 320
_QUALITY = 82
_MOST = 3

Kind = Literal["best", "median", "worst"]


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
    """

    kind: Kind
    number: int
    place: int
    rank: int
    ranked: int
    score: float


def image_scores(table: ScoreTable) -> Float64[np.ndarray, " images"]:
    """Dice of each image: the mean over its foreground classes where defined, then over targets; NaN where none is.

    Regression targets count with their `NumberScores.score` of the image's RMSE.
    """
    targets = np.full((len(table.targets) + len(table.numbers), len(table.ids)), np.nan)
    for row, target in zip(targets, table.targets.values(), strict=False):
        values = dice(Counts.from_table(target.table))
        row[target.samples] = _defined_mean(values[:, list(foreground(target.task, values.shape[1]))], axis=1)
    for row, numbers in zip(targets[len(table.targets) :], table.numbers.values(), strict=True):
        errors = rmse(ErrorSums.from_table(numbers.table))
        row[numbers.samples] = [numbers.score(float(error)) for error in errors]
    return _defined_mean(targets, axis=0)


def choose_cases(scores: Float64[np.ndarray, " images"], most: int = _MOST) -> list[Case]:
    """The best, middle and worst images, up to `most` of each and none twice; ties keep the catalog's order.

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
    return [
        Case(kind, number, order[rank], rank + 1, count, float(scores[order[rank]]))
        for kind, chosen in ranks.items()
        for number, rank in enumerate(chosen, start=1)
    ]


class Gallery:
    """Small pictures of samples: image or inputs, and per target truth, prediction and errors.

    Args:
        label_maps: Meaning of the masks, by target.
        parts: Channels by input, where there are several.
    """

    def __init__(self, label_maps: Mapping[str, LabelMap], parts: Mapping[str, int] | None = None) -> None:
        self._label_maps = label_maps
        self._parts = dict(parts or {})
        self._panels: dict[int, dict[str, bytes]] = {}

    def draw(self, place: int, image: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Prediction) -> None:
        """Draw a sample and keep it as encoded pictures; the place is its position in the catalog.

        Args:
            place: Position of the sample.
            image: `height width channels`, of several inputs as `ModelInput.picture`.
            truth: Masks and numbers by target, as the label map encodes them.
            prediction: Masks and numbers of the same size.
        """
        height, width = image.shape[:2]
        scale = min(1.0, _SIDE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        panels = {name: resize_image(shown, size) for name, shown in show_inputs(image, self._parts).inputs.items()}
        small = list(panels.values())[-1]
        for name, target in truth.items():
            suffix = f" of {name}" if len(self._label_maps) > 1 else ""
            label_map = self._label_maps[name]
            true, found = resize_mask(target, size), resize_mask(predicted(prediction, name), size)
            panels[f"truth{suffix}"] = draw_target(small, true, label_map)
            panels[f"prediction{suffix}"] = draw_target(small, found, label_map)
            if label_map.task == "regression":
                panels[f"errors{suffix}"] = number_errors(true, found, _most_error(label_map.low, label_map.high))
            else:
                panels[f"errors{suffix}"] = errors(true, found, small)
        self._panels[place] = {name: encode_webp(panel, _QUALITY) for name, panel in panels.items()}

    @property
    def inputs(self) -> int:
        """How many of the panels, the first ones, are inputs."""
        return max(1, len(self._parts))

    def panels(self, place: int) -> dict[str, bytes]:
        """WebP pictures by name, in reading order."""
        return self._panels[place]


def write_cases(folder: Path, cases: Sequence[Case], gallery: Gallery, table: ScoreTable) -> None:
    """Write the pictures of the cases and `cases.json`, which lists them; those of an earlier evaluation go.

    Raises:
        OutputError: A file cannot be written.
    """
    _clear(folder)
    records = []
    several = len(table.targets) + len(table.numbers) > 1
    for case in cases:
        panels = []
        for position, (name, data) in enumerate(gallery.panels(case.place).items()):
            # Names of inputs and targets need not be fit for file names, so several are told apart by number.
            if position < gallery.inputs:
                stem = "image" if gallery.inputs == 1 else f"input_{position + 1}"
            else:
                number = f"{(position - gallery.inputs) // 3 + 1}_" if several else ""
                stem = number + name.split()[0]
            file = f"{case.kind}_{case.number}_{stem}.webp"
            write_bytes(folder / file, data)
            panels.append({"name": name, "file": file})
        records.append(_record(case, table) | {"panels": panels})
    content: dict[str, Any] = {"legend": _legend(table), "cases": records}
    if table.numbers:
        content |= {"measure": "score", "scales": _scales(table)}
    write_text(folder / "cases.json", json.dumps(content, indent=2))


def _legend(table: ScoreTable) -> list[dict[str, str]]:
    """Colours of the error pictures; a single class cannot be taken for another."""
    if not table.targets:
        return []
    binary = all(target.task == "binary" for target in table.targets.values())
    return [
        {"name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for name, color in ERROR_LEGEND
        if not (binary and color == WRONG_CLASS)
    ]


def _scales(table: ScoreTable) -> list[dict[str, Any]]:
    """Colours of the maps of numbers and of their errors."""
    scales = []
    for name, numbers in table.numbers.items():
        most = _most_error(numbers.low, numbers.high)
        for what, low, high, colors in (
            (name, numbers.low, numbers.high, color_stops("viridis")),
            (f"errors of {name}", 0.0, most, color_stops("magma")),
        ):
            scales.append({"name": what, "low": low, "high": high, "unit": numbers.unit, "colors": colors})
    return scales


def _most_error(low: float, high: float) -> float:
    """The error that is drawn lightest: a quarter of the range."""
    return (high - low) / 4


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
        "scores": scores,
    }


def _clear(folder: Path) -> None:
    for kind in ("best", "median", "worst"):
        for path in folder.glob(f"{kind}_*.webp"):
            try:
                path.unlink()
            except OSError as error:
                raise output_error(path, error) from error


def _defined_mean(values: Float64[np.ndarray, "rows columns"], axis: int) -> Float64[np.ndarray, " _"]:
    """Mean along an axis of what is not NaN; NaN, without a warning, where nothing is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=axis)
    means = np.full(count.shape, np.nan)
    np.divide(np.where(defined, values, 0).sum(axis=axis), count, out=means, where=count > 0)
    return means
