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
from limner.inference.prediction import Prediction
from limner.inference.scoring import ScoreTable
from limner.metrics import Counts, dice, foreground
from limner.render import ERROR_LEGEND, WRONG_CLASS, errors, overlay, to_display

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
        score: Dice of the image, see `image_scores`.
    """

    kind: Kind
    number: int
    place: int
    rank: int
    ranked: int
    score: float


def image_scores(table: ScoreTable) -> Float64[np.ndarray, " images"]:
    """Dice of each image: the mean over its foreground classes where defined, then over targets; NaN where none is."""
    targets = np.full((len(table.targets), len(table.ids)), np.nan)
    for row, target in zip(targets, table.targets.values(), strict=True):
        values = dice(Counts.from_table(target.table))
        row[target.samples] = _defined_mean(values[:, list(foreground(target.task, values.shape[1]))], axis=1)
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
    """Small pictures of samples: image, and per target truth, prediction and errors.

    Args:
        label_maps: Meaning of the masks, by target.
    """

    def __init__(self, label_maps: Mapping[str, LabelMap]) -> None:
        self._label_maps = label_maps
        self._panels: dict[int, dict[str, bytes]] = {}

    def draw(self, place: int, image: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Prediction) -> None:
        """Draw a sample and keep it as encoded pictures; the place is its position in the catalog.

        Args:
            place: Position of the sample.
            image: `height width channels`.
            truth: Masks by target, as the label map encodes them.
            prediction: Masks of the same size.
        """
        height, width = image.shape[:2]
        scale = min(1.0, _SIDE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        small = resize_image(to_display(image), size)
        panels = {"image": small}
        for name, mask in truth.items():
            suffix = f" of {name}" if len(self._label_maps) > 1 else ""
            colors = self._label_maps[name].colors
            true, predicted = resize_mask(mask, size), resize_mask(prediction.masks[name], size)
            panels[f"truth{suffix}"] = overlay(small, true, colors)
            panels[f"prediction{suffix}"] = overlay(small, predicted, colors)
            panels[f"errors{suffix}"] = errors(true, predicted, small)
        self._panels[place] = {name: encode_webp(panel, _QUALITY) for name, panel in panels.items()}

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
    for case in cases:
        panels = []
        for position, (name, data) in enumerate(gallery.panels(case.place).items()):
            # A target's name need not be fit for a file name, so several targets are told apart by number.
            target = f"_{(position + 2) // 3}" if len(table.targets) > 1 and position else ""
            file = f"{case.kind}_{case.number}{target}_{name.split()[0]}.webp"
            write_bytes(folder / file, data)
            panels.append({"name": name, "file": file})
        records.append(_record(case, table) | {"panels": panels})
    write_text(folder / "cases.json", json.dumps({"legend": _legend(table), "cases": records}, indent=2))


def _legend(table: ScoreTable) -> list[dict[str, str]]:
    """Colours of the error pictures; a single class cannot be taken for another."""
    binary = all(target.task == "binary" for target in table.targets.values())
    return [
        {"name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for name, color in ERROR_LEGEND
        if not (binary and color == WRONG_CLASS)
    ]


def _record(case: Case, table: ScoreTable) -> dict[str, Any]:
    scores = {}
    for name, target in table.targets.items():
        if case.place in target.samples:
            row = dice(Counts.from_table(target.table[target.samples.index(case.place)]))
            scores[name] = {
                target.names[index]: None if np.isnan(row[index]) else float(row[index])
                for index in foreground(target.task, len(row))
            }
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
