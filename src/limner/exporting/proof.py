"""The proof of an export: the file and the predictor on the same pictures, and the limits they must keep.

Layer: exporting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from limner.bundle import TargetSpec
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.errors import LimnerError
from limner.exporting.reader import ExportedModel
from limner.inference.inputs import split_parts
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.metrics import counts, dice, foreground, plane_counts
from limner.types import Progress

MEAN_LIMIT = 1e-4
"""Most mean difference of probabilities, or of numbers as a share of their range, in float32."""

DICE_LIMIT = 0.005
"""Most Dice that may be lost against the truth, and in numbers most growth of the error as a share of the range."""


@dataclass(frozen=True)
class TargetProof:
    """One target; differences of probabilities, of a regression target's numbers as a share of their range.

    Attributes:
        max_difference: The largest of any pixel.
        mean_difference: Over all pixels of all pictures.
        dice: Mean over foreground classes and pictures where the class is in truth or prediction, of the predictor;
            None of a regression target, or where there is no such picture.
        dice_exported: The same of the file.
        error: Mean absolute error of a regression target as a share of its range, of the predictor; else None.
        error_exported: The same of the file.
    """

    max_difference: float
    mean_difference: float
    dice: float | None = None
    dice_exported: float | None = None
    error: float | None = None
    error_exported: float | None = None

    @property
    def loss(self) -> float:
        """What the file is worse by: in Dice, or in the error; below 0 where it is better."""
        if self.dice is not None and self.dice_exported is not None:
            return self.dice - self.dice_exported
        if self.error is not None and self.error_exported is not None:
            return self.error_exported - self.error
        return 0.0


@dataclass(frozen=True)
class Proof:
    """What the comparison found.

    Attributes:
        pictures: How many were predicted by both.
        source: What they are.
        precision: In which the file computes.
        computed: In which it did here; a CPU without bf16 proves nothing about it.
        targets: By name.
    """

    pictures: int
    source: str
    precision: str
    computed: str
    targets: Mapping[str, TargetProof]

    def problems(self) -> list[str]:
        """A line for each limit that is not kept; empty for an export that is good."""
        found = []
        for name, target in self.targets.items():
            if not np.isfinite(target.max_difference):
                found.append(f"{name}: answers that are no numbers")
            elif self.precision == "float32" and target.mean_difference >= MEAN_LIMIT:
                found.append(
                    f"{name}: mean difference {target.mean_difference:.2g} (max {target.max_difference:.2g}), "
                    f"limit {MEAN_LIMIT:g}"
                )
            if target.loss >= DICE_LIMIT:
                what = "Dice" if target.error is None else "error, as a share of the range,"
                found.append(f"{name}: {what} worse by {target.loss:.4f}, limit {DICE_LIMIT:g}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        targets = {name: {**asdict(target), "loss": target.loss} for name, target in self.targets.items()}
        return {
            "pictures": self.pictures,
            "source": self.source,
            "precision": self.precision,
            "computed": self.computed,
            "targets": targets,
        }


class ProofError(LimnerError):
    """An exported file does not answer as the predictor does, within the limits."""


def prove(
    predictor: Predictor,
    exported: ExportedModel | Predicting,
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    source: str,
    precision: str,
    computed: str,
    progress: Progress | None = None,
) -> Proof:
    """Predict every sample of a catalog with both.

    Args:
        predictor: The model, in float32.
        exported: The file, or the same model in another precision.
        catalog: Samples with masks.
        label_maps: Meaning of the masks, by target.
        source: What the samples are, in words.
        precision: See `Proof`.
        computed: See `Proof`.
        progress: Told after each picture.

    Raises:
        DataError: As `limner.inference.scoring.score`.
    """
    tallies = {name: _Tally(spec) for name, spec in predictor.meta.targets.items()}

    def compare(_: int, picture: np.ndarray, truth: Mapping[str, np.ndarray], wanted: Prediction) -> None:
        parts = split_parts(picture, predictor.meta.inputs.parts)
        found = exported.predict(dict(parts) if len(parts) > 1 else picture)
        for name, tally in tallies.items():
            tally.add(name, wanted, found, truth.get(name))

    report = None if progress is None else lambda done, total: progress("prove", done, total)
    score(predictor, catalog, label_maps, probabilities=True, progress=report, on_prediction=compare)
    return Proof(len(catalog), source, precision, computed, {name: tally.result() for name, tally in tallies.items()})


class _Tally:
    """Sums over pictures, of one target."""

    def __init__(self, spec: TargetSpec) -> None:
        self.spec = spec
        self.largest = 0.0
        self.means: list[float] = []
        self.dices: tuple[list[float], list[float]] = [], []
        self.errors: tuple[list[float], list[float]] = [], []

    def add(self, name: str, wanted: Prediction, found: Prediction, truth: np.ndarray | None) -> None:
        spec = self.spec
        regression = spec.task == "regression"
        span = spec.high - spec.low if regression else 1.0
        one, other = (wanted.values, found.values) if regression else (wanted.probs, found.probs)
        difference = np.abs(one[name] - other[name]) / span
        # Unlike Python's max, NumPy's keeps NaN, which is a problem to be found.
        self.largest = float(np.maximum(self.largest, difference.max()))
        self.means.append(float(difference.mean(dtype=np.float64)))
        if truth is None:
            return
        for place, prediction in enumerate((wanted, found)):
            if regression:
                error = np.abs(prediction.values[name] - truth)[np.isfinite(truth)] / span
                self.errors[place].extend([float(error.mean())] if error.size else [])
                continue
            mask = prediction.masks[name]
            counted = plane_counts(truth, mask) if spec.task == "multilabel" else counts(truth, mask, len(spec.names))
            self.dices[place].extend(float(dice(counted)[index]) for index in foreground(spec.task, len(spec.names)))

    def result(self) -> TargetProof:
        return TargetProof(
            self.largest,
            float(np.mean(self.means)),
            *(_mean(values) for values in self.dices),
            *(_mean(values) for values in self.errors),
        )


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else None
