"""Counts, errors and measures of every sample, and what follows from them: means, rows, summaries.

Layer: inference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from limner.inference.measuring import Measuring
from limner.inference.summaries import (
    AGGREGATES,
    group_means,
    group_rows,
    interval_record,
    interval_summaries,
    mean_over_classes,
    number,
    numbers,
)
from limner.metrics import (
    ERROR_METRICS,
    MEASURES,
    METRICS,
    POLICY,
    POOLED,
    REGRESSION_POLICY,
    Counts,
    ErrorSummary,
    ErrorSums,
    Measured,
    Summary,
    aggregate,
    aggregate_errors,
    cases,
    foreground,
)
from limner.metrics.aggregate import defined_mean
from limner.metrics.expectation import compare_expectation
from limner.types import Task


@dataclass(frozen=True, eq=False)
class TargetScores:
    """Counts of one target.

    Attributes:
        task: What the target is.
        names: Class names by id.
        samples: Positions of the samples that have a mask of this target.
        table: Per such sample and class tp, fp, fn and tn in pixels of the original picture.
        measures: Per such sample and class what `limner.metrics.measure` found; None where it was not asked.
        expected: Per such sample and class the Dice that the model itself expected; None where it was not asked.
    """

    task: Task
    names: tuple[str, ...]
    samples: list[int]
    table: Int64[np.ndarray, "samples classes 4"]
    measures: Float64[np.ndarray, "samples classes 11"] | None = None
    expected: Float64[np.ndarray, "samples classes"] | None = None

    @property
    def foreground(self) -> range:
        """Ids of the classes that the target's mean includes."""
        return foreground(self.task, len(self.names))

    def values(self) -> dict[str, Float64[np.ndarray, "samples classes"]]:
        """Every score of every sample and class, by metric; NaN where undefined."""
        table = Counts.from_table(self.table)
        found = {metric: function(table) for metric, function in METRICS.items()}
        if self.measures is not None:
            measured = Measured.from_table(self.measures)
            found |= {metric: function(measured) for metric, function in MEASURES.items()}
        return found

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
    table: Float64[np.ndarray, "samples 11"]

    def summary(self) -> ErrorSummary:
        """Means and pooled errors."""
        return aggregate_errors(self.table)

    def values(self) -> dict[str, Float64[np.ndarray, "samples 1"]]:
        """Every error of every sample, by metric, as of a single class; NaN where undefined."""
        sums = ErrorSums.from_table(self.table)
        return {metric: function(sums)[:, None] for metric, function in ERROR_METRICS.items()}

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
        measuring: How outlines were measured; None where they were not.
    """

    ids: list[str]
    groups: list[str]
    targets: dict[str, TargetScores]
    numbers: dict[str, NumberScores] = field(default_factory=dict)
    measuring: Measuring | None = None

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
            found |= {f"rmse{suffix}": number(mean.rmse), f"mae{suffix}": number(mean.mae)}
        return found | ({"score": self.selection} if self.numbers else {})

    def summary(self, *, split: str = "", data_hash: str = "") -> dict[str, Any]:
        """The content of `summary.json`; what is undefined is None.

        Args:
            split: Which samples these are.
            data_hash: Fingerprint of the data.
        """
        measured = self.measuring is not None and bool(self.targets)
        policy = POLICY * bool(self.targets or not self.numbers)
        policy += self.measuring.options.policy if self.measuring is not None and measured else ""
        policy += REGRESSION_POLICY * bool(self.numbers)
        return {
            "n_images": len(self.ids),
            "policy": policy,
            "data_hash": data_hash,
            "split": split,
            "aggregates": AGGREGATES,
            "intervals": interval_record(self.groups),
            **({"distances": self.measuring.to_dict()} if self.measuring is not None and measured else {}),
            "targets": {
                **{name: _target_summary(target, self._groups(target)) for name, target in self.targets.items()},
                **{name: _number_summary(target, self._groups(target)) for name, target in self.numbers.items()},
            },
        }

    def rows(self) -> Iterator[dict[str, str | int | float | None]]:
        """The lines of `per_image.csv`: one per image, target and class; what is undefined is None.

        Those of regression targets have no class but errors in the unit, and their number of known pixels.
        """
        for name, target in self.targets.items():
            table = Counts.from_table(target.table)
            scores = target.values()
            kinds = cases(table)
            measured = None if target.measures is None else Measured.from_table(target.measures)
            for place, sample in enumerate(target.samples):
                for index, class_name in enumerate(target.names):
                    at = place, index
                    yield {
                        "id": self.ids[sample],
                        "group": self.groups[sample],
                        "target": name,
                        "class": class_name,
                        **{metric: number(float(values[at])) for metric, values in scores.items()},
                        "expected_dice": None if target.expected is None else number(float(target.expected[at])),
                        "tp": int(table.tp[at]),
                        "fp": int(table.fp[at]),
                        "fn": int(table.fn[at]),
                        "case": str(kinds[at]),
                        **self._objects(measured, at, counted=index in target.foreground),
                    }
        for name, errors in self.numbers.items():
            yield from self._number_rows(name, errors)

    def group_rows(self) -> Iterator[dict[str, str | int | float | None]]:
        """The lines of `per_group.csv`: one per group, target and class; none where no group has several images."""
        both: dict[str, TargetScores | NumberScores] = {**self.targets, **self.numbers}
        for name, target in both.items():
            groups = self._groups(target)
            if _several(groups):
                names = target.names if isinstance(target, TargetScores) else [""]
                yield from group_rows(name, names, target.values(), groups)

    def _groups(self, target: TargetScores | NumberScores) -> list[str]:
        return [self.groups[sample] for sample in target.samples]

    def _objects(self, measured: Measured | None, at: tuple[int, int], *, counted: bool) -> dict[str, str | int]:
        if self.measuring is None or measured is None or not counted:
            return {}
        objects = {f"object_{kind}": int(getattr(measured, f"object_{kind}")[at]) for kind in ("tp", "fp", "fn")}
        return {**objects, "unit": self.measuring.unit}

    def _number_rows(self, name: str, target: NumberScores) -> Iterator[dict[str, str | int | float | None]]:
        sums = ErrorSums.from_table(target.table)
        errors = {metric: function(sums) for metric, function in ERROR_METRICS.items()}
        for place, sample in enumerate(target.samples):
            yield {
                "id": self.ids[sample],
                "group": self.groups[sample],
                "target": name,
                **{metric: number(float(values[place])) for metric, values in errors.items()},
                "pixels": int(sums.pixels[place]),
            }


def _target_summary(target: TargetScores, groups: Sequence[str]) -> dict[str, Any]:
    found, values, counted = target.summary(), target.values(), target.foreground
    pooled = _pooled_measures(target)
    class_intervals, intervals = interval_summaries(values, counted, groups)
    means = {metric: defined_mean(scores) for metric, scores in values.items()}
    classes = []
    for index, name in enumerate(target.names):
        entry = {"name": name, "id": index, **numbers(asdict(found.classes[index]))}
        entry |= {metric: number(float(means[metric][index])) for metric in means if metric not in METRICS}
        entry["pooled"] |= {metric: number(float(scores[index])) for metric, scores in pooled.items()}
        classes.append(entry | {"intervals": class_intervals[index]})
    summary = {"task": target.task, "mean": mean_over_classes(means, counted), "intervals": intervals}
    if _several(groups):
        by_group = {metric: defined_mean(scores) for metric, scores in group_means(values, groups)[1].items()}
        summary["group_mean"] = mean_over_classes(by_group, counted)
        for index, entry in enumerate(classes):
            entry["group_mean"] = {metric: number(float(scores[index])) for metric, scores in by_group.items()}
    return summary | _expectation(target) | {"classes": classes}


def _expectation(target: TargetScores) -> dict[str, Any]:
    """How well the model knew beforehand, image by image, how it would do; nothing where it was not asked."""
    if target.expected is None:
        return {}
    own = list(target.foreground)
    expected, real = (defined_mean(values[:, own].T) for values in (target.expected, target.values()["dice"]))
    return {"expectation": numbers(asdict(compare_expectation(expected, real)))}


def _pooled_measures(target: TargetScores) -> dict[str, Float64[np.ndarray, " classes"]]:
    if target.measures is None:
        return {}
    # Of no image the sums are 0, as those of images without the class.
    together = Measured.from_table(target.measures.sum(axis=0))
    return {metric: MEASURES[metric](together) for metric in POOLED}


def _number_summary(target: NumberScores, groups: Sequence[str]) -> dict[str, Any]:
    said = {"task": "regression", "unit": target.unit, "low": target.low, "high": target.high}
    values = target.values()
    found = said | numbers(asdict(target.summary())) | {"intervals": interval_summaries(values, [0], groups)[1]}
    if _several(groups):
        by_group = group_means(values, groups)[1]
        found["group_mean"] = {metric: number(float(defined_mean(scores)[0])) for metric, scores in by_group.items()}
    return found


def _several(groups: Sequence[str]) -> bool:
    """Whether a group has several images."""
    named = [group for group in groups if group]
    return len(set(named)) < len(named)


def _mean(values: list[float]) -> float | None:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else None
