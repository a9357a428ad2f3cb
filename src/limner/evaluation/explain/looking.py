"""How a model sees a picture: how strange it is to it, and how sure its answer.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Shaped
from torch import nn

from limner.bundle import BundleMeta, TargetSpec
from limner.evaluation.explain.findings import Sight
from limner.inference.answers import planes_of
from limner.inference.doubt import expected_dice
from limner.inference.familiarity import Familiarity
from limner.inference.inputs import ModelInput
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor

Truth = Mapping[str, np.ndarray]
"""True masks `height width *planes` by target, of one size; empty where none is known."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network with its description, to be asked in several ways.

    Attributes:
        network: The module.
        meta: Its description.
        device: Where it computes.
        precision: In what arithmetic.
    """

    network: nn.Module
    meta: BundleMeta
    device: str = "cpu"
    precision: str = "auto"

    @cached_property
    def familiarity(self) -> Familiarity | None:
        """Its training pictures; None where it does not know them."""
        return Familiarity.of(self.meta.familiar, self.meta.inputs) if self.meta.familiar else None

    def predictor(self, uncertainty: str = "single", **changes: Any) -> Predictor:
        """A predictor whose description is changed as said."""
        meta = self.meta.model_copy(update=changes)
        return Predictor(self.network, meta, device=self.device, precision=self.precision, uncertainty=uncertainty)


@dataclass(frozen=True, eq=False)
class Viewer:
    """Sees pictures with a predictor, without steps after the threshold.

    Attributes:
        model: The model.
        predictor: Its predictor without such steps.
    """

    model: Model
    predictor: Predictor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "predictor", self.model.predictor(post_processing=[]))

    def predict(self, pixels: Shaped[np.ndarray, "height width channels"]) -> Prediction:
        """What it answers about pixels as the network takes them, at their own size."""
        given = ModelInput(pixels, pixels, "the picture")
        return next(self.predictor.predict_inputs([given], doubts=True))

    def answer(self, masks: Mapping[str, np.ndarray], probs: Mapping[str, np.ndarray]) -> Prediction:
        """A part of an answer, or several put together, as an answer of its own."""
        found = Prediction({}, {}, {})
        for name, mask in masks.items():
            spec = self.model.meta.targets[name]
            there = planes_of(torch.from_numpy(np.ascontiguousarray(mask)), spec)
            found.masks[name], found.probs[name] = mask, probs[name]
            found.expected_dice[name] = expected_dice(torch.from_numpy(probs[name]), there, spec)
        return found

    def see(
        self, pixels: Shaped[np.ndarray, "height width channels"], prediction: Prediction, truth: Truth | None = None
    ) -> Sight:
        """How strange these pixels are, and what the answer is worth.

        Args:
            pixels: As the network takes them.
            prediction: Of these pixels, or of others that show the same.
            truth: Of the size of the prediction.
        """
        ratio, because = how_strange(pixels, self.model.familiarity)
        return summarise(prediction, self.model.meta, ratio, because, truth or {})


def how_strange(
    pixels: Shaped[np.ndarray, "height width channels"], familiarity: Familiarity | None
) -> tuple[float, str]:
    """Distance to the training pictures by the limit, and in what it lies; NaN where the model does not know them."""
    if familiarity is None:
        return math.nan, ""
    found = familiarity.strangeness(pixels)
    return found.ratio, found.because


def summarise(prediction: Prediction, meta: BundleMeta, ratio: float, because: str, truth: Truth) -> Sight:
    """An answer in a few numbers, all targets with classes together."""
    promises, areas, highest, dice = [], [], [], []
    for name, spec in meta.targets.items():
        if spec.task == "regression":
            continue
        there = planes(prediction.masks[name], spec)
        expected = prediction.expected_dice[name][first_class(spec) :]
        promises += [float(value) for value, plane in zip(expected, there, strict=True) if plane.any()]
        areas.append(float(np.logical_or.reduce(there).mean()))
        highest.append(float(foreground(prediction, name, spec).max()))
        if name in truth:
            dice += _dice(planes(truth[name], spec), there)
    if not areas:
        return Sight(ratio, because, math.nan, math.nan, math.nan)
    promise = sum(promises) / len(promises) if promises else 0.0
    real = sum(dice) / len(dice) if dice else (1.0 if truth else math.nan)
    return Sight(ratio, because, promise, max(areas), max(highest), real)


def first_class(spec: TargetSpec) -> int:
    """Id of the first class that is no background."""
    return 0 if spec.task == "multilabel" else 1


def planes(
    mask: Shaped[np.ndarray, "height width *classes"], spec: TargetSpec
) -> list[Bool[np.ndarray, "height width"]]:
    """Where each class is, background left out."""
    if spec.task == "multilabel":
        return [mask[..., index] == 1 for index in range(len(spec.names))]
    return [mask == index for index in range(1, len(spec.names))]


def foreground(prediction: Prediction, name: str, spec: TargetSpec) -> Float32[np.ndarray, "classes height width"]:
    """Probabilities of the classes, background left out."""
    probs = prediction.probs[name]
    return probs[1:] if spec.task == "multiclass" else probs


def _dice(
    truth: Sequence[Bool[np.ndarray, "height width"]], answer: Sequence[Bool[np.ndarray, "height width"]]
) -> list[float]:
    """Dice of every class that is in truth or answer."""
    found = []
    for true, said in zip(truth, answer, strict=True):
        both = int(true.sum()) + int(said.sum())
        if both:
            found.append(2 * int((true & said).sum()) / both)
    return found
