"""Calibrate a model on pictures it did not learn from: temperatures, thresholds, and how far both can be trusted.

Layer: part of `evaluation`. The numbers are those of `metrics.calibration` and `metrics.thresholds`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from limner.bundle import BundleMeta, TargetSpec
from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap
from limner.errors import DataError
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.scoring import Progress, TargetScores, score
from limner.metrics import Counts, dice
from limner.metrics.calibration import Reliability, fit_temperature, likelihood_loss, reliability, temper
from limner.metrics.expectation import fit_curve
from limner.metrics.thresholds import Choice, Goal, choose, margin_counts, raise_odds, truth_pixels
from limner.types import IGNORE

MOST_IMAGES = 200
"""Pictures that a calibration looks at; of more, as many are spread evenly."""

# Pixels, times classes, that are kept of all pictures together, and of one at least.
_BUDGET, _FEWEST = 2_000_000, 256
_FEW_IMAGES = 5
# A temperature must lessen the mean loss of a picture by so many standard errors.
_ERRORS = 2.0


@dataclass(frozen=True)
class Fit:
    """How well probabilities of one target fit the truth.

    Attributes:
        reliability: How often answers of some confidence are right.
        loss: Mean negative log-likelihood of the truth, in nats.
    """

    reliability: Reliability
    loss: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        table = self.reliability
        return {
            "ece": _plain(table.ece),
            "nll": _plain(self.loss),
            "count": table.count.tolist(),
            "confidence": [round(float(value), 6) for value in table.confidence],
            "frequency": [round(float(value), 6) for value in table.frequency],
        }


@dataclass(frozen=True)
class TargetCalibration:
    """What was found out about one target.

    Attributes:
        temperature: To give probabilities with; 1 leaves them as they are.
        because: Why it is that, as a sentence.
        images: Pictures that were looked at.
        before: The fit without it.
        after: The fit with it.
        choices: Thresholds by class name, where a goal was given.
        curve: What promises of Dice were worth, see `TargetSpec.dice_curve`; empty of too few pictures.
    """

    temperature: float
    because: str
    images: int
    before: Fit
    after: Fit
    choices: Mapping[str, Choice] = field(default_factory=dict)
    curve: Sequence[tuple[float, float]] = ()

    def thresholds(self, spec: TargetSpec) -> list[float]:
        """By class id as bundles keep them: on the tempered scale; empty where all are 0.5."""
        if all(choice.threshold == 0.5 for choice in self.choices.values()):
            return []
        chosen = {name: raise_odds(choice.threshold, 1 / self.temperature) for name, choice in self.choices.items()}
        return [chosen.get(name, 0.5) for name in spec.names]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "temperature": self.temperature,
            "because": self.because,
            "n_images": self.images,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "dice_curve": [list(point) for point in self.curve],
            "thresholds": {
                name: {
                    "threshold": raise_odds(choice.threshold, 1 / self.temperature),
                    "before": _plain(choice.before),
                    "after": _plain(choice.after),
                    "because": choice.because,
                }
                for name, choice in self.choices.items()
            },
        }


class Probe:
    """Collects from predictions what calibration needs: of many pictures fewer pixels each, but a few of every one.

    Args:
        targets: What is predicted; regression targets are passed over.
        images: How many pictures there will be.
        goal: What thresholds are for; None collects nothing for them.
        seed: Chooses the pixels.
    """

    def __init__(
        self, targets: Mapping[str, TargetSpec], images: int, *, goal: Goal | None = None, seed: int = 0
    ) -> None:
        self._specs = {name: spec for name, spec in targets.items() if spec.task != "regression"}
        self._images = max(images, 1)
        self._goal = goal
        self._random = np.random.default_rng(seed)
        self._probs: dict[str, list[np.ndarray]] = {name: [] for name in self._specs}
        self._truth: dict[str, list[np.ndarray]] = {name: [] for name in self._specs}
        self._counts: dict[str, list[np.ndarray]] = {name: [] for name in self._specs}
        self._pixels: dict[str, list[np.ndarray]] = {name: [] for name in self._specs}

    def add(self, truth: Mapping[str, np.ndarray], prediction: Prediction) -> None:
        """Take in one picture; the prediction must hold probabilities."""
        for name, spec in self._specs.items():
            if name not in truth:
                continue
            probs, mask = prediction.probs[name], truth[name]
            self._sample(name, spec, probs, mask)
            if self._goal is not None:
                self._counts[name].append(margin_counts(probs, mask, spec.task))
                self._pixels[name].append(truth_pixels(mask, len(probs), spec.task))

    def _sample(self, name: str, spec: TargetSpec, probs: np.ndarray, mask: np.ndarray) -> None:
        planes = mask if spec.task == "multilabel" else mask[..., None]
        known = np.flatnonzero((planes != IGNORE).all(axis=2))
        count = max(_FEWEST, _BUDGET // (self._images * len(probs)))
        if len(known) > count:
            known = self._random.choice(known, count, replace=False)
        self._probs[name].append(probs.reshape(len(probs), -1).T[known])
        found = planes.reshape(-1, planes.shape[2])[known]
        self._truth[name].append(found if spec.task == "multilabel" else found[:, 0])

    def fits(self, temperatures: Mapping[str, float]) -> dict[str, Fit]:
        """How well the probabilities fit, by target, if tempered so; targets without a known pixel are left out."""
        return {name: self._fit(name, temperatures[name]) for name in self._specs if self._known(name)}

    def calibrations(self) -> dict[str, TargetCalibration]:
        """What the pictures say, by target; targets without a known pixel are left out."""
        return {name: self._calibrate(name, spec) for name, spec in self._specs.items() if self._known(name)}

    def _known(self, name: str) -> bool:
        return any(len(truth) for truth in self._truth[name])

    def _fit(self, name: str, temperature: float) -> Fit:
        task = self._specs[name].task
        probs, truth = np.concatenate(self._probs[name]), np.concatenate(self._truth[name])
        probs = temper(probs, temperature, task) if temperature != 1 else probs
        return Fit(reliability(probs, truth, task), likelihood_loss(probs, truth, task))

    def _calibrate(self, name: str, spec: TargetSpec) -> TargetCalibration:
        images = len(self._truth[name])
        before = self._fit(name, 1.0)
        choices = self._choices(name, spec)
        if images < _FEW_IMAGES:
            because = f"{images} pictures are too few to calibrate by; {_FEW_IMAGES} are needed"
            return TargetCalibration(1.0, because, images, before, before, choices)
        probs, truth = np.concatenate(self._probs[name]), np.concatenate(self._truth[name])
        temperature = round(fit_temperature(probs, truth, spec.task), 4)
        after = self._fit(name, temperature)
        gain, error = self._gain(name, temperature)
        said = f"ECE {before.reliability.ece:.4f} without, {after.reliability.ece:.4f} with {temperature:g}"
        if after.reliability.ece >= before.reliability.ece or gain <= _ERRORS * error:
            because = f"{said}: by picture no more than chance, so none is applied"
            return TargetCalibration(1.0, because, images, before, before, choices)
        return TargetCalibration(temperature, said, images, before, after, choices)

    def _gain(self, name: str, temperature: float) -> tuple[float, float]:
        """By how much the temperature lessens the loss of a picture on average, and the standard error of that."""
        task = self._specs[name].task
        gains = [
            likelihood_loss(probs, truth, task) - likelihood_loss(temper(probs, temperature, task), truth, task)
            for probs, truth in zip(self._probs[name], self._truth[name], strict=True)
            if len(truth)
        ]
        error = float(np.std(gains, ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else math.inf
        return float(np.mean(gains)), error

    def _choices(self, name: str, spec: TargetSpec) -> dict[str, Choice]:
        if self._goal is None:
            return {}
        counts, pixels = np.stack(self._counts[name]), np.stack(self._pixels[name])
        # Rows of a binary target are its foreground's alone; the background of exclusive classes keeps 0.5.
        names = {0: spec.names[1]} if spec.task == "binary" else dict(enumerate(spec.names))
        if spec.task == "multiclass":
            del names[0]
        return {label: choose(counts[:, row], pixels[:, row], self._goal) for row, label in names.items()}


def calibrate(
    predictor: Predictor,
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    goal: Goal | None = None,
    progress: Progress | None = None,
) -> dict[str, TargetCalibration]:
    """Find temperatures and thresholds on pictures that the model did not learn from.

    Args:
        predictor: The model; its bundle's own temperatures and thresholds must be those of `uncalibrated`.
        catalog: The pictures, such as the validation samples; `MOST_IMAGES` of them are looked at.
        label_maps: Meaning of the masks, by target.
        goal: What thresholds are for; None leaves them at 0.5.
        progress: Told the number of pictures done and of all.

    Raises:
        DataError: There are no samples, or a file cannot be read.
    """
    if not len(catalog):
        raise DataError(
            "samples to calibrate on", "there are none", "Name data whose masks are known, or train with --val."
        )
    part = catalog.subset(spread(np.arange(len(catalog)), MOST_IMAGES))
    probe = Probe(predictor.meta.targets, len(part), goal=goal)

    def look(index: int, picture: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Prediction) -> None:
        probe.add(truth, prediction)

    plain = predictor.meta
    table = score(predictor, part, label_maps, probabilities=True, doubts=True, progress=progress, on_prediction=look)
    found = probe.calibrations()
    if (meta := calibrated(plain, found)) != plain:
        # Promises are those of the masks and probabilities as they will be.
        predictor.meta = meta
        table = score(predictor, part, label_maps, doubts=True)
        predictor.meta = plain
    return {name: replace(target, curve=_curve(table.targets[name])) for name, target in found.items()}


def _curve(scores: TargetScores) -> list[tuple[float, float]]:
    """What promises of Dice were worth, over the pictures and classes in which something was answered."""
    assert scores.expected is not None
    own = list(scores.foreground)
    counts = Counts.from_table(scores.table[:, own])
    promised, real = scores.expected[:, own], dice(counts)
    answered = (counts.tp + counts.fp > 0) & ~np.isnan(real)
    return fit_curve(promised[answered], real[answered])


def uncalibrated(meta: BundleMeta) -> BundleMeta:
    """The description without what a calibration found."""
    plain = {"temperature": 1.0, "thresholds": [], "dice_curve": []}
    targets = {name: spec.model_copy(update=plain) for name, spec in meta.targets.items()}
    return meta.model_copy(update={"targets": targets})


def calibrated(meta: BundleMeta, found: Mapping[str, TargetCalibration]) -> BundleMeta:
    """The description with what a calibration found; targets that it does not name stay as they are."""
    targets = dict(meta.targets)
    for name, calibration in found.items():
        spec = targets[name]
        values = {
            "temperature": calibration.temperature,
            "thresholds": calibration.thresholds(spec),
            "dice_curve": list(calibration.curve),
        }
        targets[name] = spec.model_copy(update=values)
    return meta.model_copy(update={"targets": targets})


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
