"""Scores of a model: predict the original pictures, count against the original masks.

Layer: inference. Validation during training and the final evaluation both use `score`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import tee
from typing import Any

import numpy as np
from jaxtyping import Int64

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap, read_target
from limner.errors import DataError
from limner.inference.inputs import ModelInput
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.metrics import METRICS, POLICY, Counts, aggregate, cases, counts, plane_counts
from limner.threads import ordered_map
from limner.types import Task

Progress = Callable[[int, int], None]
"""Called with the number of pictures done and of all pictures."""

OnPrediction = Callable[[int, np.ndarray, dict[str, np.ndarray], Prediction], None]
"""Called with a sample's position, image `height width channels`, masks by target, and prediction."""


@dataclass(frozen=True, eq=False)
class TargetScores:
    """Counts of one target.

    Attributes:
        task: What the target is.
        names: Class names by id.
        samples: Positions of the samples that have a mask of this target.
        table: Per such sample and class tp, fp, fn and tn in pixels of the original picture.
    """

    task: Task
    names: tuple[str, ...]
    samples: list[int]
    table: Int64[np.ndarray, "samples classes 4"]


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Counts per image and class, and what follows from them.

    Attributes:
        ids: Names of the samples.
        groups: Their groups.
        targets: Counts by target.
    """

    ids: list[str]
    groups: list[str]
    targets: dict[str, TargetScores]

    def summary(self, *, split: str = "", data_hash: str = "") -> dict[str, Any]:
        """The content of `summary.json`; what is undefined is None.

        Args:
            split: Which samples these are.
            data_hash: Fingerprint of the data.
        """
        return {
            "n_images": len(self.ids),
            "policy": POLICY,
            "data_hash": data_hash,
            "split": split,
            "targets": {name: _target_summary(target) for name, target in self.targets.items()},
        }

    def rows(self) -> Iterator[dict[str, str | int | float | None]]:
        """The lines of `per_image.csv`: one per image, target and class; what is undefined is None."""
        for name, target in self.targets.items():
            table = Counts.from_table(target.table)
            scores = {metric: function(table) for metric, function in METRICS.items()}
            kinds = cases(table)
            for place, sample in enumerate(target.samples):
                for index, class_name in enumerate(target.names):
                    at = place, index
                    yield {
                        "id": self.ids[sample],
                        "group": self.groups[sample],
                        "target": name,
                        "class": class_name,
                        **{metric: _number(values[at]) for metric, values in scores.items()},
                        "tp": int(table.tp[at]),
                        "fp": int(table.fp[at]),
                        "fn": int(table.fn[at]),
                        "case": str(kinds[at]),
                    }


@dataclass(frozen=True, eq=False)
class _Sample:
    index: int
    image: ModelInput
    truth: dict[str, np.ndarray]


def score(
    predictor: Predictor,
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    probabilities: bool = False,
    progress: Progress | None = None,
    on_prediction: OnPrediction | None = None,
) -> ScoreTable:
    """Predict every sample of a catalog and count against its masks, at the pictures' own size.

    Pictures and masks are read from their files, ahead of the network. Regression targets have no
    counts and are left out.

    Args:
        predictor: Predicts.
        catalog: Samples; where a target's location is empty, the sample does not count for it.
        label_maps: Meaning of the masks, by target.
        probabilities: Whether the predictions given to `on_prediction` hold probabilities.
        progress: Told after each picture.
        on_prediction: Shown each picture with its masks and prediction, in the catalog's order.

    Raises:
        DataError: A file cannot be read, a mask has another size than its picture, or the label maps
            are not those of the model.
        ResourceError: A picture does not fit in memory.
    """
    counted = {name: label_map for name, label_map in label_maps.items() if label_map.task != "regression"}
    _check_classes(predictor, counted)
    images = _image_column(catalog)

    def read(index: int) -> _Sample:
        image = predictor.make_input(images[index])
        found = {name: catalog.targets[name][index] for name in counted}
        truth = {name: read_target(location, counted[name]) for name, location in found.items() if location}
        for name, mask in truth.items():
            _check_size(image, mask, found[name])
        return _Sample(index, image, truth)

    tables: dict[str, list[np.ndarray]] = {name: [] for name in counted}
    samples: dict[str, list[int]] = {name: [] for name in counted}
    read_ahead = ordered_map(read, range(len(catalog)))
    for sample, prediction in _predicted(predictor, read_ahead, probabilities=probabilities):
        for name, mask in sample.truth.items():
            tables[name].append(_count(mask, prediction.masks[name], counted[name]))
            samples[name].append(sample.index)
        if on_prediction is not None:
            on_prediction(sample.index, sample.image.picture, sample.truth, prediction)
        if progress is not None:
            progress(sample.index + 1, len(catalog))
    return ScoreTable(
        list(catalog.ids),
        list(catalog.groups),
        {
            name: TargetScores(label_map.task, label_map.names, samples[name], _stacked(tables[name], label_map))
            for name, label_map in counted.items()
        },
    )


def _predicted(
    predictor: Predictor, samples: Iterator[_Sample], *, probabilities: bool
) -> Iterator[tuple[_Sample, Prediction]]:
    # The predictor runs a batch ahead; tee keeps just the samples in between.
    ours, theirs = tee(samples)
    predictions = predictor.predict_inputs((sample.image for sample in theirs), probabilities=probabilities)
    return zip(ours, predictions, strict=True)


def _count(truth: np.ndarray, prediction: np.ndarray, label_map: LabelMap) -> Int64[np.ndarray, "classes 4"]:
    if label_map.task == "multilabel":
        return plane_counts(truth, prediction).table
    return counts(truth, prediction, classes=label_map.num_classes).table


def _stacked(tables: list[np.ndarray], label_map: LabelMap) -> Int64[np.ndarray, "samples classes 4"]:
    return np.array(tables, dtype=np.int64).reshape(-1, label_map.num_classes, 4)


def _target_summary(target: TargetScores) -> dict[str, Any]:
    found = aggregate(target.table, task=target.task)
    classes = [
        {"name": name, "id": index, **_numbers(asdict(found.classes[index]))} for index, name in enumerate(target.names)
    ]
    return {"task": target.task, "mean": _numbers(asdict(found.mean)), "classes": classes}


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _numbers(value) if isinstance(value, dict) else _number(value) for key, value in values.items()}


def _number(value: float | int) -> float | int | None:
    """A plain number for JSON and CSV, which know no NaN."""
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else float(value)


def _image_column(catalog: Catalog) -> list[str]:
    if len(catalog.inputs) != 1:
        raise DataError(
            "one picture per sample", f"the inputs {', '.join(catalog.inputs) or 'none'}", "Keep one input column."
        )
    return next(iter(catalog.inputs.values()))


def _check_classes(predictor: Predictor, label_maps: Mapping[str, LabelMap]) -> None:
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
