"""Scores of a model: predict the original pictures, count against the original masks.

Layer: inference. Validation during training and the final evaluation both use `score`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import tee
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap, read_target
from limner.data.samples import image_location, image_locations
from limner.errors import DataError
from limner.inference.drawing import predicted
from limner.inference.inputs import ModelInput, check_parts
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.metrics import (
    ERROR_METRICS,
    METRICS,
    POLICY,
    REGRESSION_POLICY,
    Counts,
    ErrorSummary,
    ErrorSums,
    Summary,
    aggregate,
    aggregate_errors,
    cases,
    counts,
    error_sums,
    plane_counts,
)
from limner.threads import ordered_map
from limner.types import Task

Progress = Callable[[int, int], None]
"""Called with the number of pictures done and of all pictures."""

OnPrediction = Callable[[int, np.ndarray, dict[str, np.ndarray], Prediction], None]
"""Called with a sample's position, its picture as in `ModelInput`, truth by target, and prediction."""


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

    def summary(self) -> Summary:
        """Means, pooled scores and cases per class."""
        return aggregate(self.table, task=self.task)


@dataclass(frozen=True, eq=False)
class NumberScores:
    """Errors of one regression target.

    Attributes:
        unit: Unit of the numbers.
        low: Lowest value in the training samples, in the unit.
        high: Highest.
        samples: Positions of the samples that have numbers of this target.
        table: Sums per such sample, see `limner.metrics.ErrorSums`, of the original picture.
    """

    unit: str
    low: float
    high: float
    samples: list[int]
    table: Float64[np.ndarray, "samples 6"]

    def summary(self) -> ErrorSummary:
        """Means and pooled errors."""
        return aggregate_errors(self.table)

    def score(self, error: float) -> float:
        """An RMSE as a score: 1 for none, 0 for the whole range of the training values and more."""
        return error if math.isnan(error) else max(0.0, 1 - error / (self.high - self.low))


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Counts per image and class, errors per image, and what follows from them.

    Attributes:
        ids: Names of the samples.
        groups: Their groups.
        targets: Counts by target with classes.
        numbers: Errors by regression target.
    """

    ids: list[str]
    groups: list[str]
    targets: dict[str, TargetScores]
    numbers: dict[str, NumberScores] = field(default_factory=dict)

    @property
    def selection(self) -> float | None:
        """One number, the higher the better, by which epochs are compared; None where nothing is defined.

        The mean over targets of: the mean Dice of the foreground classes (0 to 1), and for regression
        1 − RMSE / (high − low), at least 0, where the RMSE is the mean over images and `low` to `high` is
        the range of the training values. Targets without a defined score are left out.
        """
        scores = [target.summary().mean.dice for target in self.targets.values()]
        scores += [target.score(target.summary().mean.rmse) for target in self.numbers.values()]
        return _mean(scores)

    def headline(self) -> dict[str, float | None]:
        """Few numbers for a line per epoch; what is undefined is None.

        `dice` and `iou` are means over the targets with classes. Where there are regression targets, `rmse`
        and `mae` in the unit, with the target's name where there are several, and `score`: the `selection`.
        """
        found: dict[str, float | None] = {}
        if self.targets or not self.numbers:
            means = [target.summary().mean for target in self.targets.values()]
            found |= {"dice": _mean([mean.dice for mean in means]), "iou": _mean([mean.iou for mean in means])}
        for name, target in self.numbers.items():
            mean, suffix = target.summary().mean, f"_{name}" if len(self.numbers) > 1 else ""
            found |= {f"rmse{suffix}": _number(mean.rmse), f"mae{suffix}": _number(mean.mae)}
        return found | ({"score": self.selection} if self.numbers else {})

    def summary(self, *, split: str = "", data_hash: str = "") -> dict[str, Any]:
        """The content of `summary.json`; what is undefined is None.

        Args:
            split: Which samples these are.
            data_hash: Fingerprint of the data.
        """
        return {
            "n_images": len(self.ids),
            "policy": POLICY * bool(self.targets or not self.numbers) + REGRESSION_POLICY * bool(self.numbers),
            "data_hash": data_hash,
            "split": split,
            "targets": {
                **{name: _target_summary(target) for name, target in self.targets.items()},
                **{name: _number_summary(target) for name, target in self.numbers.items()},
            },
        }

    def rows(self) -> Iterator[dict[str, str | int | float | None]]:
        """The lines of `per_image.csv`: one per image, target and class; what is undefined is None.

        Those of regression targets have no class but errors in the unit, and their number of known pixels.
        """
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
        for name, numbers in self.numbers.items():
            yield from self._number_rows(name, numbers)

    def _number_rows(self, name: str, target: NumberScores) -> Iterator[dict[str, str | int | float | None]]:
        sums = ErrorSums.from_table(target.table)
        errors = {metric: function(sums) for metric, function in ERROR_METRICS.items()}
        for place, sample in enumerate(target.samples):
            yield {
                "id": self.ids[sample],
                "group": self.groups[sample],
                "target": name,
                **{metric: _number(float(values[place])) for metric, values in errors.items()},
                "pixels": int(sums.pixels[place]),
            }


def join_tables(tables: Sequence[ScoreTable]) -> ScoreTable:
    """The scores of several sets of samples as those of one, in their order; targets must be the same."""
    starts = np.cumsum([0, *(len(table.ids) for table in tables)]).tolist()

    def joined(parts: Sequence[TargetScores | NumberScores]) -> dict[str, Any]:
        samples = [int(start) + place for start, part in zip(starts, parts, strict=False) for place in part.samples]
        return {"samples": samples, "table": np.concatenate([part.table for part in parts])}

    first = tables[0]
    return ScoreTable(
        [name for table in tables for name in table.ids],
        [group for table in tables for group in table.groups],
        {
            name: replace(found, **joined([table.targets[name] for table in tables]))
            for name, found in first.targets.items()
        },
        {
            name: replace(found, **joined([table.numbers[name] for table in tables]))
            for name, found in first.numbers.items()
        },
    )


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

    Pictures and masks are read from their files, ahead of the network.

    Args:
        predictor: Predicts.
        catalog: Samples; where a target's location is empty, the sample does not count for it.
        label_maps: Meaning of the masks, by target.
        probabilities: Whether the predictions given to `on_prediction` hold probabilities.
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
    samples: dict[str, list[int]] = {name: [] for name in label_maps}
    read_ahead = ordered_map(read, range(len(catalog)))
    for sample, prediction in _predicted(predictor, read_ahead, probabilities=probabilities):
        for name, mask in sample.truth.items():
            tables[name].append(_count(mask, predicted(prediction, name), label_maps[name]))
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
            for name, label_map in label_maps.items()
            if label_map.task != "regression"
        },
        {
            name: NumberScores(
                label_map.unit, label_map.low, label_map.high, samples[name], np.array(tables[name]).reshape(-1, 6)
            )
            for name, label_map in label_maps.items()
            if label_map.task == "regression"
        },
    )


def _predicted(
    predictor: Predictor, samples: Iterator[_Sample], *, probabilities: bool
) -> Iterator[tuple[_Sample, Prediction]]:
    # The predictor runs a batch ahead; tee keeps just the samples in between.
    ours, theirs = tee(samples)
    predictions = predictor.predict_inputs((sample.image for sample in theirs), probabilities=probabilities)
    return zip(ours, predictions, strict=True)


def _count(
    truth: np.ndarray, prediction: np.ndarray, label_map: LabelMap
) -> Int64[np.ndarray, "classes 4"] | Float64[np.ndarray, 6]:
    if label_map.task == "regression":
        return error_sums(truth, prediction).table
    if label_map.task == "multilabel":
        return plane_counts(truth, prediction).table
    return counts(truth, prediction, classes=label_map.num_classes).table


def _stacked(tables: list[np.ndarray], label_map: LabelMap) -> Int64[np.ndarray, "samples classes 4"]:
    return np.array(tables, dtype=np.int64).reshape(-1, label_map.num_classes, 4)


def _target_summary(target: TargetScores) -> dict[str, Any]:
    found = target.summary()
    classes = [
        {"name": name, "id": index, **_numbers(asdict(found.classes[index]))} for index, name in enumerate(target.names)
    ]
    return {"task": target.task, "mean": _numbers(asdict(found.mean)), "classes": classes}


def _number_summary(target: NumberScores) -> dict[str, Any]:
    said = {"task": "regression", "unit": target.unit, "low": target.low, "high": target.high}
    return said | _numbers(asdict(target.summary()))


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _numbers(value) if isinstance(value, dict) else _number(value) for key, value in values.items()}


def _number(value: float | int) -> float | int | None:
    """A plain number for JSON and CSV, which know no NaN."""
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else float(value)


def _mean(values: list[float]) -> float | None:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else None


def _check_inputs(predictor: Predictor, catalog: Catalog) -> bool:
    """Whether samples have several inputs, as the model must have then."""
    parts = predictor.meta.inputs.parts
    if not parts and len(catalog.inputs) != 1:
        raise DataError(
            "one picture per sample", f"the inputs {', '.join(catalog.inputs) or 'none'}", "Keep one input column."
        )
    if parts:
        check_parts(catalog.inputs, predictor.meta.inputs)
    return bool(parts)


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
