"""Measure a model on samples whose masks are known, and write the result.

Layer: part of `evaluation`.

    OUT/per_image.csv    counts, scores and case per image, target and class
    OUT/per_group.csv    mean scores per group, target and class, where groups have several images
    OUT/properties.csv   what each image and its objects are like
    OUT/cases/           the best, middle, worst and doubtful images as pictures, and `cases.json`
    OUT/table.png        the same on one picture
    OUT/summary.json     means with intervals, where it fails; written last: where it is, the rest is complete
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.errors import DataError
from limner.evaluation.calibrate import Probe
from limner.evaluation.cases import Case, choose_cases, expected_scores, image_scores, write_cases
from limner.evaluation.failures import find_failures
from limner.evaluation.gallery import Gallery
from limner.evaluation.properties import PROPERTIES_NAME, Properties, measure_properties, write_properties
from limner.evaluation.table import write_table
from limner.files import output_error, write_rows, write_text
from limner.inference.inputs import split_parts
from limner.inference.measuring import measuring
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.scoring import Progress, ScoreTable, score
from limner.metrics import ERROR_METRICS, MEASURES, METRICS
from limner.types import Spacing

_SCORES = (*METRICS, *MEASURES)
_OBJECTS = ("object_tp", "object_fp", "object_fn")
_COLUMNS = ("id", "group", "target", "class", *_SCORES, "expected_dice", "unit", "tp", "fp", "fn", *_OBJECTS, "case")
_GROUP_COLUMNS = ("group", "target", "class", "n_images", *_SCORES)
_NUMBER_COLUMNS = (*ERROR_METRICS, "pixels")  # of regression targets, where there are any

# So few images are drawn while they are scored; of more, the chosen ones are predicted a second time, which costs
# less than drawing all and, unlike a running choice, finds the exact median in flat memory.
_DRAW_ALL = 32


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model scored.

    Attributes:
        summary: The content of `summary.json`.
        rows: The lines of `per_image.csv`.
        folder: Where they were written.
        table: What they were worked out from.
    """

    summary: dict[str, Any]
    rows: list[dict[str, str | int | float | None]]
    folder: Path
    table: ScoreTable


def evaluate(
    predictor: Predictor,
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    out: Path,
    *,
    split: str = "test",
    data_hash: str = "",
    spacing: Spacing | None = None,
    tolerance: float | None = None,
    miss_distance: float | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score every sample of a catalog at its original size and write the result to a folder.

    Args:
        predictor: The model.
        catalog: The samples, all of which are scored.
        label_maps: Meaning of the masks, by target.
        out: Folder to write to; results of an earlier evaluation are replaced.
        split: What the samples are: `train`, `val`, `test`, or `all`. Written down; chooses nothing.
        data_hash: Fingerprint of the data, written down.
        spacing: Size of all pixels in mm, see `limner.inference.measuring.measuring`.
        tolerance: Of surface Dice, see there.
        miss_distance: HD95 and ASSD of a miss or false alarm, see there.
        progress: Told the number of pictures done and of all.

    Raises:
        DataError: There are no samples, a file cannot be read, or the masks are not what the model predicts.
        OutputError: The results cannot be written.
    """
    if not len(catalog):
        raise DataError("samples to score", f"no {split} samples", "Choose another split, or give other data.")
    parts = predictor.meta.inputs.parts
    gallery = Gallery(label_maps, parts)
    properties: list[Properties] = []
    few = len(catalog) <= _DRAW_ALL
    probe = Probe(predictor.meta.targets, len(catalog))

    def look(index: int, picture: np.ndarray, truth: dict[str, np.ndarray], prediction: Prediction) -> None:
        probe.add(truth, prediction)
        masks = [mask for name, mask in truth.items() if label_maps[name].task != "regression"]
        properties.append(measure_properties(list(split_parts(picture, parts).values())[-1], masks))
        if few:
            gallery.draw(index, picture, truth, prediction, prediction.uncertainty)

    scored = score(
        predictor,
        catalog,
        label_maps,
        probabilities=True,
        doubts=True,
        measuring=measuring(catalog, spacing=spacing, tolerance=tolerance, miss_distance=miss_distance),
        progress=progress,
        on_prediction=look,
    )
    cases = choose_cases(image_scores(scored), expected=expected_scores(scored))
    if not few:
        places = [case.place for case in cases]

        def draw(number: int, picture: np.ndarray, truth: dict[str, np.ndarray], prediction: Prediction) -> None:
            gallery.draw(places[number], picture, truth, prediction, prediction.uncertainty)

        score(
            predictor,
            catalog.subset(places),
            label_maps,
            doubts=True,
            on_prediction=draw,
        )
    summary = scored.summary(split=split, data_hash=data_hash)
    for name, fitted in _calibration(probe, predictor).items():
        summary["targets"][name]["calibration"] = fitted
    return write_evaluation(
        out, scored, cases, gallery, rows=list(scored.rows()), summary=summary, properties=properties
    )


def write_evaluation(
    out: Path,
    scored: ScoreTable,
    cases: Sequence[Case],
    gallery: Gallery,
    *,
    rows: list[dict[str, str | int | float | None]],
    summary: dict[str, Any],
    properties: Sequence[Properties] = (),
) -> Evaluation:
    """Write the files of an evaluation.

    Args:
        out: Folder to write to.
        scored: The scores.
        cases: The images that stand for others, which the gallery has drawn.
        gallery: Their pictures.
        rows: Lines of `per_image.csv`; those of the scores, perhaps with further columns before them.
        summary: Content of `summary.json`, to which comes where the model fails.
        properties: What each image is like; empty where they were not looked at.

    Raises:
        OutputError: A file cannot be written.
    """
    columns = _COLUMNS + _NUMBER_COLUMNS * bool(scored.numbers)
    further = tuple(name for name in (rows[0] if rows else ()) if name not in columns)
    write_rows(out / "per_image.csv", further + columns, rows)
    _write_groups(out / "per_group.csv", list(scored.group_rows()), _NUMBER_COLUMNS[:-1] * bool(scored.numbers))
    if properties:
        scores = image_scores(scored)
        write_properties(out / PROPERTIES_NAME, scored.ids, scored.groups, properties, scores.tolist())
        measure = "score" if scored.numbers else "Dice"
        summary = summary | {"failures": find_failures(scores, properties, scored.groups, measure=measure)}
    else:
        _remove(out / PROPERTIES_NAME)
    write_cases(out / "cases", cases, gallery, scored)
    write_table(out)
    write_text(out / "summary.json", json.dumps(summary, indent=2))
    return Evaluation(summary, rows, out, scored)


def _write_groups(path: Path, rows: Sequence[Mapping[str, Any]], more: Sequence[str]) -> None:
    """Write the table, or take away that of an earlier evaluation."""
    if rows:
        write_rows(path, (*_GROUP_COLUMNS, *more), rows)
    else:
        _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def _calibration(probe: Probe, predictor: Predictor) -> dict[str, dict[str, Any]]:
    """How well probabilities fit the truth, by target, without and with the bundle's temperature."""
    temperatures = {name: spec.temperature for name, spec in predictor.meta.targets.items()}
    after = probe.fits(dict.fromkeys(temperatures, 1.0))
    # The predictions are tempered; this takes it back.
    tempered = any(temperature != 1 for temperature in temperatures.values())
    before = probe.fits({name: 1 / of for name, of in temperatures.items()}) if tempered else after
    return {
        name: {"temperature": temperatures[name], "before": before[name].to_dict(), "after": after[name].to_dict()}
        for name in after
    }
