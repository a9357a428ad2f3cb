"""Where a model fails: groups of test images, made by what they are like, that score worse than the others.

Layer: part of `evaluation`, above `properties`.

Of each property the lowest and the highest third of the images are taken (or those with yes, or those of one group),
and their mean score is compared with that of all other images, by bootstrap. The middle third is not: a model that is
good at both ends rarely fails between them. Looking at many parts finds some that are worse by chance; so every
interval is made at the level 1 − 0.05 / comparisons (Bonferroni): all of them together hold with 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64

from limner.evaluation.properties import Properties
from limner.metrics import bootstrap_differences, units
from limner.metrics.intervals import FEWEST, LEVEL

Part = Literal["low", "high", "yes", "no", "group"]

LEAST = 0.02
"""A smaller difference is not worth a word, however sure."""

_NUMBERS = ("area", "objects", "brightness", "contrast", "sharpness", "pixels")
_MOST_GROUPS = 20  # the largest; each further one would make all intervals wider
_RESAMPLES = 10_000  # intervals at a level near 1 need the far ends


@dataclass(frozen=True, eq=False)
class _Split:
    """Images that a property sets apart from the others: `inside`, of those it is `known` of.

    `limit` is the number between the two; `other` says what the others are, where they are worth a name, too.
    """

    name: str
    part: Part
    inside: Bool[np.ndarray, " images"]
    known: Bool[np.ndarray, " images"]
    limit: float = math.nan
    group: str = ""
    other: Part | None = None


def find_failures(
    scores: Float64[np.ndarray, " images"],
    properties: Sequence[Properties],
    groups: Sequence[str],
    *,
    measure: str = "Dice",
) -> dict[str, Any]:
    """Compare parts of the images with the rest, as `summary.json` keeps it.

    Args:
        scores: Of the images, the higher the better; those without one (NaN) are left out.
        properties: What the images are like.
        groups: What the images belong to; empty where to nothing.
        measure: What the scores are called.

    Returns:
        How it was done, and `compared`: every part with its images, mean, that of the rest, difference and interval,
        the worst first; `stands_out` where it is worse by `LEAST` or more and the interval leaves out 0. Of two parts
        that are the rest of one another the better is left out.
    """
    ranked = ~np.isnan(scores)
    splits = [split for split in _splits(properties, groups, ranked) if _enough(split)]
    by_units = units(groups)
    grouped = len(set(by_units[ranked].tolist())) < int(ranked.sum())
    level = 1 - (1 - LEVEL) / max(1, len(splits))
    compared: list[dict[str, Any]] = []
    # A group is one unit: it is compared with the others image by image.
    for chosen, unit in (
        ([split for split in splits if split.part != "group"], by_units),
        ([split for split in splits if split.part == "group"], np.arange(len(scores))),
    ):
        if chosen:
            inside, rest = (
                np.stack([np.where(side, scores, np.nan) for side in sides], axis=1)
                for sides in zip(*((split.inside, split.known & ~split.inside) for split in chosen), strict=True)
            )
            ends = bootstrap_differences(inside, rest, unit, level=level, resamples=_RESAMPLES)
            compared += [_record(split, scores, *ends[place].tolist()) for place, split in enumerate(chosen)]
    compared.sort(key=lambda entry: entry["difference"])
    return {
        "measure": measure,
        "n_images": int(ranked.sum()),
        "over": "groups" if grouped else "images",
        "level": LEVEL,
        "each_level": level,
        "correction": "Bonferroni",
        "resamples": _RESAMPLES,
        "fewest": FEWEST,
        "least": LEAST,
        "compared": compared,
    }


def _splits(
    properties: Sequence[Properties], groups: Sequence[str], ranked: Bool[np.ndarray, " images"]
) -> Iterator[_Split]:
    for name in _NUMBERS:
        values = np.array([getattr(found, name) for found in properties], np.float64)
        known = ranked & np.isfinite(values)
        if name in ("area", "objects"):
            known &= values > 0  # images without an object are no images of small ones
        yield from _thirds(name, values, known)
    border = np.array([found.border for found in properties], np.float64)
    known = ranked & np.isfinite(border)
    yield _Split("border", "yes", known & (border == 1), known, other="no")
    members = np.array(groups, dtype=object)
    named = sorted({group for group in groups if group})
    sizes = {group: int((ranked & (members == group)).sum()) for group in named}
    for group in sorted(named, key=lambda one: -sizes[one])[:_MOST_GROUPS]:
        yield _Split("group", "group", ranked & (members == group), ranked, group=group)


def _thirds(name: str, values: Float64[np.ndarray, " images"], known: Bool[np.ndarray, " images"]) -> Iterator[_Split]:
    """The lowest and the highest third by a number; one of two parts where so many are alike that these would meet."""
    if not known.any():
        return
    low, high = np.quantile(values[known], [1 / 3, 2 / 3], method="inverted_cdf").tolist()
    # What is above the limit of the highest third must not be empty: its limit is a smaller number then.
    below = values[known & (values < values[known].max())]
    if not below.size:
        return
    high = min(high, float(below.max()))
    if low >= high:
        yield _Split(name, "low", known & (values <= high), known, high, other="high")
        return
    yield _Split(name, "low", known & (values <= low), known, low)
    yield _Split(name, "high", known & (values > high), known, high)


def _enough(split: _Split) -> bool:
    inside = int(split.inside.sum())
    return min(inside, int(split.known.sum()) - inside) >= FEWEST


def _record(split: _Split, scores: Float64[np.ndarray, " images"], low: float, high: float) -> dict[str, Any]:
    inside, rest = split.inside, split.known & ~split.inside
    mean, others = float(scores[inside].mean()), float(scores[rest].mean())
    part = split.part
    if split.other is not None and mean > others:
        # Said of the worse part; the one is the rest of the other.
        part, inside, mean, others, low, high = split.other, rest, others, mean, -high, -low
    difference = mean - others
    return {
        "property": split.name,
        "part": part,
        "limit": _known(split.limit),
        "group": split.group,
        "n_images": int(inside.sum()),
        "mean": mean,
        "rest": others,
        "difference": difference,
        "low": _known(low),
        "high": _known(high),
        "stands_out": difference <= -LEAST and high < 0,
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
