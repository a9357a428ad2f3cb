"""Scores of a model: predict the original pictures, count against the original masks.

Layer: inference. Validation during training and the final evaluation both use `score`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import tee

import numpy as np
from jaxtyping import Float64, Int64

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap, read_target
from limner.data.samples import image_location, image_locations
from limner.errors import DataError
from limner.inference.drawing import predicted
from limner.inference.inputs import ModelInput, check_parts
from limner.inference.measuring import Measuring
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction
from limner.inference.score_table import NumberScores, ScoreTable, TargetScores
from limner.metrics import counts, error_sums, foreground, measure, plane_counts
from limner.metrics.measures import COLUMNS as MEASURE_COLUMNS
from limner.metrics.regression import COLUMNS as ERROR_COLUMNS
from limner.threads import ordered_map

__all__ = ["NumberScores", "OnPrediction", "Progress", "ScoreTable", "TargetScores", "score"]

Progress = Callable[[int, int], None]
"""Called with the number of pictures done and of all pictures."""

OnPrediction = Callable[[int, np.ndarray, dict[str, np.ndarray], Prediction], None]
"""Called with a sample's position, its picture as in `ModelInput`, truth by target, and prediction."""


@dataclass(frozen=True, eq=False)
class _Sample:
    index: int
    image: ModelInput
    truth: dict[str, np.ndarray]


def score(
    predictor: Predicting,
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    probabilities: bool = False,
    doubts: bool = False,
    measuring: Measuring | None = None,
    progress: Progress | None = None,
    on_prediction: OnPrediction | None = None,
) -> ScoreTable:
    """Predict every sample of a catalog and count against its masks, at the pictures' own size.

    Pictures and masks are read from their files, ahead of the network.

    Args:
        predictor: Predicts.
        catalog: Samples; where a target's location is empty, the sample does not count for it.
        label_maps: Meaning of the masks, by target.
        probabilities: Whether the predictions given to `on_prediction` hold probabilities.
        doubts: Whether it is kept how well the model expected to do, and the predictions say how sure they are.
        measuring: How outlines are measured, too: milliseconds per image and class. Default: pixels are
            counted alone, which is what validation after every epoch needs.
        progress: Told after each picture.
        on_prediction: Shown each picture with its masks and prediction, in the catalog's order.

    Raises:
        DataError: A file cannot be read, a mask has another size than its picture, or inputs or label
            maps are not those of the model.
        ResourceError: A picture does not fit in memory.
    """
    _check_classes(predictor, label_maps)
    several = _check_inputs(predictor, catalog)

    def read(index: int) -> _Sample:
        image = predictor.make_input(image_locations(catalog, index) if several else image_location(catalog, index))
        found = {name: catalog.targets[name][index] for name in label_maps}
        truth = {name: read_target(location, label_maps[name]) for name, location in found.items() if location}
        for name, mask in truth.items():
            _check_size(image, mask, found[name])
        return _Sample(index, image, truth)

    tables: dict[str, list[np.ndarray]] = {name: [] for name in label_maps}
    measures: dict[str, list[np.ndarray]] = {name: [] for name in label_maps}
    expected: dict[str, list[np.ndarray]] = {name: [] for name in label_maps}
    samples: dict[str, list[int]] = {name: [] for name in label_maps}
    read_ahead = ordered_map(read, range(len(catalog)))
    for sample, prediction in _predicted(predictor, read_ahead, probabilities=probabilities, doubts=doubts):
        for name, mask in sample.truth.items():
            found = predicted(prediction, name)
            tables[name].append(_count(mask, found, label_maps[name]))
            if measuring is not None and label_maps[name].task != "regression":
                measures[name].append(_measure(mask, found, label_maps[name], measuring, sample.index))
            if name in prediction.expected_dice:
                expected[name].append(prediction.expected_dice[name])
            samples[name].append(sample.index)
        if on_prediction is not None:
            on_prediction(sample.index, sample.image.picture, sample.truth, prediction)
        if progress is not None:
            progress(sample.index + 1, len(catalog))
    return ScoreTable(
        list(catalog.ids),
        list(catalog.groups),
        {
            name: TargetScores(
                label_map.task,
                label_map.names,
                samples[name],
                _stacked(tables[name], label_map),
                None
                if measuring is None
                else np.array(measures[name], np.float64).reshape(-1, label_map.num_classes, len(MEASURE_COLUMNS)),
                np.array(expected[name], np.float64).reshape(-1, label_map.num_classes) if doubts else None,
            )
            for name, label_map in label_maps.items()
            if label_map.task != "regression"
        },
        {
            name: NumberScores(
                label_map.unit,
                label_map.low,
                label_map.high,
                samples[name],
                np.array(tables[name], np.float64).reshape(-1, len(ERROR_COLUMNS)),
            )
            for name, label_map in label_maps.items()
            if label_map.task == "regression"
        },
        measuring,
    )


def _predicted(
    predictor: Predicting, samples: Iterator[_Sample], *, probabilities: bool, doubts: bool
) -> Iterator[tuple[_Sample, Prediction]]:
    # The predictor runs a batch ahead; tee keeps just the samples in between.
    ours, theirs = tee(samples)
    predictions = predictor.predict_inputs(
        (sample.image for sample in theirs), probabilities=probabilities, doubts=doubts
    )
    return zip(ours, predictions, strict=True)


def _count(
    truth: np.ndarray, prediction: np.ndarray, label_map: LabelMap
) -> Int64[np.ndarray, "classes 4"] | Float64[np.ndarray, 11]:
    if label_map.task == "regression":
        return error_sums(truth, prediction).table
    if label_map.task == "multilabel":
        return plane_counts(truth, prediction).table
    return counts(truth, prediction, classes=label_map.num_classes).table


def _measure(
    truth: np.ndarray, prediction: np.ndarray, label_map: LabelMap, measuring: Measuring, sample: int
) -> Float64[np.ndarray, "classes 11"]:
    classes = foreground(label_map.task, label_map.num_classes)
    return measure(truth, prediction, classes, measuring.options, spacing=measuring.spacing(sample))


def _stacked(tables: list[np.ndarray], label_map: LabelMap) -> Int64[np.ndarray, "samples classes 4"]:
    return np.array(tables, dtype=np.int64).reshape(-1, label_map.num_classes, 4)


def _check_inputs(predictor: Predicting, catalog: Catalog) -> bool:
    """Whether samples have several inputs, as the model must have then."""
    parts = predictor.meta.inputs.parts
    if not parts and len(catalog.inputs) != 1:
        raise DataError(
            "one picture per sample", f"the inputs {', '.join(catalog.inputs) or 'none'}", "Keep one input column."
        )
    if parts:
        check_parts(catalog.inputs, predictor.meta.inputs)
    return bool(parts)


def _check_classes(predictor: Predicting, label_maps: Mapping[str, LabelMap]) -> None:
    for name, label_map in label_maps.items():
        spec = predictor.meta.targets.get(name)
        if spec is None or spec.task != label_map.task or list(spec.names) != list(label_map.names):
            known = ", ".join(
                f"{target}: {spec.task} {', '.join(spec.names)}" for target, spec in predictor.meta.targets.items()
            )
            raise DataError(
                f"masks of the classes the model predicts ({known})",
                f"{name}: {label_map.task} {', '.join(label_map.names)}",
                "Use data with the classes of the training data, or train a model on these.",
            )


def _check_size(image: ModelInput, mask: np.ndarray, where: str) -> None:
    if mask.shape[:2] != image.size:
        height, width = mask.shape[:2]
        raise DataError(
            f"the mask of '{image.where}' has its size, {image.size[0]}×{image.size[1]}",
            f"'{where}' is {height}×{width}",
            "Resize the mask, or correct the pair.",
        )
