"""What `summary.json`, `per_image.csv` and `per_group.csv` say of one target, from the scores of its images.

Layer: inference. Names say how numbers were put together: `mean` over images (macro), `pooled` over the pixels,
lengths or objects of all images together (micro), `group_mean` over groups of images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64, Int64

from limner.metrics import bootstrap, units
from limner.metrics.aggregate import defined_mean
from limner.metrics.intervals import FEWEST, LEVEL, RESAMPLES, ROUGH

Values: TypeAlias = Mapping[str, Float64[np.ndarray, "samples classes"]]
"""Scores by metric; NaN where undefined."""

AGGREGATES = {
    "mean": "macro: the mean over images where the score is defined; of a target, then over its foreground classes",
    "pooled": "micro: the pixels, lengths, objects or areas of all images added first",
    "group_mean": "the mean over groups of the means of their images",
}


def interval_record(groups: Sequence[str]) -> dict[str, Any]:
    """How the intervals of a set of images were made."""
    grouped = len(set(units(groups).tolist())) < len(groups)
    return {
        "level": LEVEL,
        "over": "groups" if grouped else "images",
        "method": f"BCa bootstrap of {'whole groups' if grouped else 'images'}, widened for small samples",
        "resamples": RESAMPLES,
        "seed": 0,
        "fewest": FEWEST,
        "rough": ROUGH,
    }


def interval_summaries(
    values: Values, counted: Sequence[int], groups: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Intervals by metric, of each class and of the mean over the classes that count.

    Args:
        values: Scores.
        counted: Classes that count.
        groups: Group of each sample.
    """
    found = bootstrap(np.stack(list(values.values()), axis=-1), counted, units(groups))
    n_classes = len(found.classes)
    classes = [_by_metric(values, found.classes[index], found.class_units[index]) for index in range(n_classes)]
    return classes, _by_metric(values, found.mean, found.mean_units)


def group_means(
    values: Values, groups: Sequence[str]
) -> tuple[list[str], dict[str, Float64[np.ndarray, "groups classes"]]]:
    """Names of the groups, and by metric their means; an image without a group is one of its own, without a name."""
    unit = units(groups)
    names = [""] * (int(unit.max(initial=-1)) + 1)
    for number, group in zip(unit, groups, strict=True):
        names[number] = group
    return names, {
        metric: np.stack([defined_mean(scores[unit == number]) for number in range(len(names))])
        if names
        else scores[:0]
        for metric, scores in values.items()
    }


def group_rows(
    target: str, classes: Sequence[str], values: Values, groups: Sequence[str]
) -> Iterator[dict[str, str | int | float | None]]:
    """The lines of `per_group.csv`: one per group and class, with means over the group's images."""
    names, means = group_means(values, groups)
    sizes: Int64[np.ndarray, " groups"] = np.bincount(units(groups), minlength=len(names))
    for place, group in enumerate(names):
        for index, class_name in enumerate(classes):
            yield {
                "group": group,
                "target": target,
                "class": class_name,
                "n_images": int(sizes[place]),
                **{metric: number(float(scores[place, index])) for metric, scores in means.items()},
            }


def mean_over_classes(means: Mapping[str, Float64[np.ndarray, " classes"]], counted: Sequence[int]) -> dict[str, Any]:
    """The mean over the classes that count of each metric."""
    return {metric: number(float(defined_mean(scores[list(counted)]))) for metric, scores in means.items()}


def numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with plain numbers for JSON and CSV, which know no NaN."""
    return {key: numbers(value) if isinstance(value, dict) else number(value) for key, value in values.items()}


def number(value: float | int) -> float | int | None:
    """A plain number; None for NaN."""
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else float(value)


def _by_metric(
    values: Values, ends: Float64[np.ndarray, "metrics 2"], n_units: Int64[np.ndarray, " metrics"]
) -> dict[str, Any]:
    return {
        metric: {"low": number(float(ends[place, 0])), "high": number(float(ends[place, 1])), "n": int(n_units[place])}
        for place, metric in enumerate(values)
    }
