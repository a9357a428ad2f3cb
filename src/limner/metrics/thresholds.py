"""Thresholds on probabilities, chosen for a goal from what images of known truth say.

Layer: metrics. Pure NumPy; no torch, no files.

A class is answered where its *margin* exceeds its threshold. The margin of a class of its own (binary,
multilabel) is its probability; that of one of several exclusive classes is `p / (p + r)` with the probability r of
its strongest rival. Either way 0.5 is the usual answer: the likelier of two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from limner.errors import ConfigError
from limner.types import IGNORE, Task

Kind: TypeAlias = Literal["max-dice", "area", "recall", "precision"]

# Even in logits, so that the sure ends, where networks answer, are resolved as finely as the middle.
EDGES: Float64[np.ndarray, " edges"] = 1 / (1 + np.exp(-np.linspace(-8, 8, 257)))
"""Thresholds that are tried, ascending; the middle one is 0.5."""

USUAL = len(EDGES) // 2
"""Place of 0.5 among `EDGES`."""

# A threshold other than 0.5 must be better by so many standard errors of the paired difference.
_ERRORS = 1.0


@dataclass(frozen=True)
class Goal:
    """What thresholds are for.

    Attributes:
        kind: `max-dice`: the highest mean Dice. `area`: predicted areas that add up to the true ones.
            `recall`, `precision`: at least `least` on average, and otherwise as much of the other as possible.
        least: In (0, 1]; 0 for the first two.
    """

    kind: Kind
    least: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Goal:
        """Read `max-dice`, `area`, `recall>=0.95` or `precision>=0.9`.

        Raises:
            ConfigError: It is none of these.

        Example:
            >>> Goal.parse("recall>=0.95")
            Goal(kind='recall', least=0.95)
        """
        if text in ("max-dice", "area"):
            return cls("max-dice" if text == "max-dice" else "area")
        found = re.fullmatch(r"(recall|precision)\s*>=\s*([0-9.]+)", text.strip())
        try:
            least = float(found[2]) if found else 0.0
        except ValueError:
            least = 0.0
        if found is None or not 0 < least <= 1:
            raise ConfigError(
                "a goal: max-dice, area, recall>=0.95 or precision>=0.9",
                repr(text),
                "Write one of them, in quotes because of the >.",
            )
        return cls("recall" if found[1] == "recall" else "precision", least)

    def __str__(self) -> str:
        return f"{self.kind}>={self.least:g}" if self.least else self.kind


@dataclass(frozen=True)
class Choice:
    """The threshold of one class.

    Attributes:
        place: Place among `EDGES`.
        before: What the goal measures at 0.5: mean Dice, mean recall or precision, or predicted over true area.
        after: The same at the threshold.
        because: The evidence, as a sentence.
    """

    place: int
    before: float
    after: float
    because: str

    @property
    def threshold(self) -> float:
        """As a margin."""
        return float(EDGES[self.place])


def raise_odds(threshold: float, power: float) -> float:
    """The threshold whose odds are those of another to a power: tempering with T moves thresholds by 1 / T.

    Example:
        >>> raise_odds(0.8, 0.5), raise_odds(0.5, 3.0)
        (0.6666666666666666, 0.5)
    """
    odds: float = (threshold / (1 - threshold)) ** power
    return odds / (1 + odds)


def margins(
    probs: Shaped[np.ndarray, "classes height width"], task: Task
) -> Shaped[np.ndarray, "classes height width"]:
    """What thresholds are compared with, per class: see above."""
    if task != "multiclass":
        return probs
    ordered = np.partition(probs, -2, axis=0)
    highest, second = ordered[-1], ordered[-2]
    rival = np.where(probs == highest, second, highest)
    return np.asarray(probs / np.maximum(probs + rival, np.finfo(np.float32).tiny))


def margin_counts(
    probs: Shaped[np.ndarray, "classes height width"], truth: Shaped[np.ndarray, "height width *planes"], task: Task
) -> Int64[np.ndarray, "classes 2 edges"]:
    """Pixels of one image above each of `EDGES`, outside and inside the truth of each class.

    Args:
        probs: Of the classes; of a binary target the foreground's alone.
        truth: Class ids, or planes for multilabel; ignored pixels are left out.
        task: Of the target.
    """
    result = np.zeros((len(probs), 2, len(EDGES)), np.int64)
    for index, margin in enumerate(margins(probs, task)):
        known, inside = _inside(truth, index, task)
        # `side="left"`: a margin that equals an edge is not above it.
        place = np.searchsorted(EDGES, margin[known], side="left")
        table = np.bincount(place + inside[known] * (len(EDGES) + 1), minlength=2 * (len(EDGES) + 1))
        above = table.reshape(2, -1)[:, :0:-1].cumsum(axis=1)[:, ::-1]
        result[index] = above
    return result


def truth_pixels(truth: Shaped[np.ndarray, "height width *planes"], classes: int, task: Task) -> Int64[np.ndarray, _]:
    """Pixels of each class in the truth of one image; of a binary target the foreground's alone."""
    found = []
    for index in range(classes):
        known, inside = _inside(truth, index, task)
        found.append(int((inside & known).sum()))
    return np.array(found, np.int64)


def choose(counts: Int64[np.ndarray, "images 2 edges"], pixels: Int64[np.ndarray, " images"], goal: Goal) -> Choice:
    """The threshold of one class that serves a goal on some images.

    Args:
        counts: `margin_counts` of the class, of each image.
        pixels: Its `truth_pixels`, of each image.
        goal: What it is for.
    """
    fp, tp = (counts[:, side].astype(np.float64) for side in (0, 1))
    fn = pixels[:, None] - tp
    if goal.kind == "max-dice":
        return _best_dice(_ratio(2 * tp, 2 * tp + fp + fn))
    if goal.kind == "area":
        total = float(pixels.sum())
        if not total:
            return Choice(USUAL, np.nan, np.nan, "none of the images has the class")
        shares = (tp + fp).sum(axis=0) / total
        place = int(np.argmin(np.abs(shares - 1)))
        sentence = f"predicted areas add up to {shares[USUAL]:.3f} of the true ones at 0.5, to {shares[place]:.3f} here"
        return Choice(place, float(shares[USUAL]), float(shares[place]), sentence)
    return _at_least(_ratio(tp, tp + fn) if goal.kind == "recall" else _ratio(tp, tp + fp), goal)


def _best_dice(dice: Float64[np.ndarray, "images edges"]) -> Choice:
    means = _means(dice)
    if np.isnan(means[USUAL]):
        return Choice(USUAL, np.nan, np.nan, "none of the images has the class")
    place = int(np.nanargmax(means))
    gain = dice[:, place] - dice[:, USUAL]
    gain = gain[~np.isnan(gain)]
    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else np.inf
    said = f"mean Dice {means[USUAL]:.4f} at 0.5, {means[place]:.4f} at best"
    if place == USUAL or means[place] - means[USUAL] <= _ERRORS * error:
        return Choice(USUAL, float(means[USUAL]), float(means[USUAL]), f"{said}: no more than chance, so 0.5 is kept")
    return Choice(place, float(means[USUAL]), float(means[place]), said)


def _at_least(values: Float64[np.ndarray, "images edges"], goal: Goal) -> Choice:
    """The highest threshold that reaches a recall, or the lowest that reaches a precision."""
    means = _means(values)
    if np.isnan(means[USUAL]):
        return Choice(USUAL, np.nan, np.nan, "none of the images has the class")
    reached = np.flatnonzero(np.nan_to_num(means) >= goal.least)
    before = float(means[USUAL])
    if not len(reached):
        best = float(np.nanmax(means))
        sentence = f"no threshold reaches a mean {goal.kind} of {goal.least:g} (at most {best:.3f}), so 0.5 is kept"
        return Choice(USUAL, before, before, sentence)
    place = int(reached[-1] if goal.kind == "recall" else reached[0])
    sentence = f"mean {goal.kind} {before:.3f} at 0.5, {means[place]:.3f} here"
    return Choice(place, before, float(means[place]), sentence)


def _ratio(part: np.ndarray, whole: np.ndarray) -> Float64[np.ndarray, "images edges"]:
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _means(values: Float64[np.ndarray, "images edges"]) -> Float64[np.ndarray, " edges"]:
    """Mean over the images where it is defined; NaN where it is for none."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    sums = np.where(known, values, 0).sum(axis=0)
    return np.asarray(np.divide(sums, count, out=np.full(len(count), np.nan), where=count > 0))


def _inside(truth: np.ndarray, index: int, task: Task) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Where the truth of a class is known, and where it is the class."""
    plane = truth[..., index] if task == "multilabel" else truth
    return plane != IGNORE, plane == (index if task == "multiclass" else 1)
