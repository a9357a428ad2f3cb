"""Steps after the threshold, chosen only where samples that a model did not see ask for them.

Layer: part of `evaluation`. Every candidate step is tried on every out-of-fold prediction; one is taken up where the
Dice of images rises on average, and the interval of the difference, narrowed for the number of candidates
(Bonferroni), leaves out 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from limner.bundle import PostStep, TargetSpec
from limner.inference.postprocess import change
from limner.metrics import bootstrap_differences, foreground, units
from limner.types import IGNORE

LEVEL = 0.95

_RESAMPLES = 10_000
_TOUCHING = np.ones((3, 3), bool)
# Objects smaller than this share of a small true one (the 5th percentile of their areas).
_SHARES = (0.25, 0.5, 1.0)
_SMALL = 0.05


@dataclass(frozen=True)
class Trial:
    """What a step would do.

    Attributes:
        step: It.
        better: By how much the mean Dice of images rises with it; negative where it falls.
        low: Low end of the interval; None where there is none.
        high: High end.
        n: Images, or groups, that were compared.
        taken: Whether there is evidence for it.
    """

    step: PostStep
    better: float
    low: float | None
    high: float | None
    n: int
    taken: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        step = self.step
        known = {"target": step.target, "class": step.label, "step": step.step}
        values = {"better": self.better, "low": self.low, "high": self.high, "n": self.n, "taken": self.taken}
        return known | ({"area": step.area} if step.step == "min_area" else {}) | values


class Trials:
    """Collects what candidate steps do to predictions.

    Args:
        steps: The candidates.
        targets: What is predicted.
    """

    def __init__(self, steps: Sequence[PostStep], targets: Mapping[str, TargetSpec]) -> None:
        self.steps = list(steps)
        self._targets = targets
        self._before: list[np.ndarray] = []
        self._after: list[np.ndarray] = []
        self._groups: list[str] = []
        self._folds: list[int] = []

    def add(self, fold: int, group: str, truth: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray]) -> None:
        """Take in a picture, with masks on which no step was done."""
        before, after = np.full(len(self.steps), np.nan), np.full(len(self.steps), np.nan)
        for place, step in enumerate(self.steps):
            if step.target in truth:
                spec = self._targets[step.target]
                found, true, known = _planes(masks[step.target], truth[step.target], spec, step.label)
                before[place] = _dice(found & known, true & known)
                after[place] = _dice(change(found, step) & known, true & known)
        # Rightly drawing nothing is perfect beside a false alarm; beside itself it says nothing.
        neither = np.isnan(before) & np.isnan(after)
        self._before.append(np.where(neither, np.nan, np.where(np.isnan(before), 1.0, before)))
        self._after.append(np.where(neither, np.nan, np.where(np.isnan(after), 1.0, after)))
        self._groups.append(group)
        self._folds.append(fold)

    def judge(self, *, without: int | None = None) -> list[Trial]:
        """What the candidates are worth.

        Args:
            without: A fold whose pictures do not count: steps that are chosen so may be scored on it.
        """
        if not self.steps or not self._before:
            return []
        chosen = [place for place, fold in enumerate(self._folds) if fold != without]
        before, after = (np.array(values)[chosen] for values in (self._before, self._after))
        unit = units([self._groups[place] for place in chosen])
        level = 1 - (1 - LEVEL) / len(self.steps)
        ends = bootstrap_differences(after, before, unit, level=level, resamples=_RESAMPLES)
        trials = []
        for place, step in enumerate(self.steps):
            known = ~np.isnan(before[:, place])
            better = float((after - before)[known, place].mean()) if known.any() else 0.0
            low, high = (None if math.isnan(end) else float(end) for end in ends[place])
            n = len(set(unit[known].tolist()))
            trials.append(Trial(step, better, low, high, n, low is not None and low > 0))
        return trials


def candidate_steps(
    targets: Mapping[str, TargetSpec], areas: Mapping[tuple[str, str], Sequence[int]]
) -> list[PostStep]:
    """Steps that are worth a try.

    Args:
        targets: What is predicted.
        areas: Of true objects in pixels, by target and class.
    """
    steps = []
    for target, spec in targets.items():
        if spec.task == "regression":
            continue
        for index in foreground(spec.task, len(spec.names)):
            label = spec.names[index]
            steps += [PostStep(target=target, label=label, step=kind) for kind in ("fill_holes", "largest")]
            if known := areas.get((target, label)):
                small = float(np.quantile(known, _SMALL))
                limits = sorted({round(small * share) for share in _SHARES} - {0, 1})
                steps += [PostStep(target=target, label=label, step="min_area", area=limit) for limit in limits]
    return steps


def chosen_steps(trials: Sequence[Trial]) -> list[PostStep]:
    """The steps to do: of each class the best way to leave out objects, if there is one, then to fill holes.

    Example:
        >>> step = PostStep(target="mask", label="cell", step="largest")
        >>> chosen_steps([Trial(step, 0.02, 0.01, 0.03, 50, True)]) == [step]
        True
    """
    taken = [trial for trial in trials if trial.taken]
    steps = []
    for target, label in dict.fromkeys((trial.step.target, trial.step.label) for trial in taken):
        own = [trial for trial in taken if (trial.step.target, trial.step.label) == (target, label)]
        leaving = [trial for trial in own if trial.step.step != "fill_holes"]
        steps += [max(leaving, key=lambda trial: trial.better).step] if leaving else []
        steps += [trial.step for trial in own if trial.step.step == "fill_holes"]
    return steps


def object_areas(mask: np.ndarray, spec: TargetSpec) -> dict[str, list[int]]:
    """Areas in pixels of the objects of a true mask, by class."""
    found = {}
    for index in foreground(spec.task, len(spec.names)):
        plane = mask[..., index] == 1 if spec.task == "multilabel" else mask == index
        found[spec.names[index]] = np.bincount(ndimage.label(plane, _TOUCHING)[0].ravel())[1:].tolist()
    return found


def _planes(
    mask: np.ndarray, truth: np.ndarray, spec: TargetSpec, label: str
) -> tuple[Bool[np.ndarray, "height width"], Bool[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    """Where a class is predicted, where it is, and where that is known."""
    index = spec.names.index(label)
    if spec.task == "multilabel":
        return mask[..., index] == 1, truth[..., index] == 1, truth[..., index] != IGNORE
    return mask == index, truth == index, truth != IGNORE


def _dice(found: Bool[np.ndarray, "height width"], true: Bool[np.ndarray, "height width"]) -> float:
    total = int(found.sum()) + int(true.sum())
    return 2 * int((found & true).sum()) / total if total else math.nan
