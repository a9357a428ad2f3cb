"""Several models as one: each prepares the picture in its own way, and their probabilities are averaged.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

import numpy as np
import torch

from limner.bundle import BundleMeta, PostStep, TargetSpec
from limner.errors import BundleError, ResourceError
from limner.images import read_image
from limner.inference.answers import temper
from limner.inference.engine import memory_errors
from limner.inference.familiarity import Strangeness
from limner.inference.inputs import Given, ModelInput
from limner.inference.opinion import Opinion
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.result import attempt_prediction, resize_planes
from limner.inference.runtimes import OutOfMemory


@dataclass(frozen=True, eq=False)
class SharedInput(ModelInput):
    """One picture as each of several models wants it; `pixels` are those of the first.

    Attributes:
        each: By model.
    """

    each: tuple[ModelInput, ...]


class SeveralModels(Predicting):
    """Predicts with several models of one meaning, which may differ in network, size and normalisation.

    Each model's probabilities are brought to the picture's own size and divided by its own temperature; their mean
    decides. A threshold is the mean of the models' thresholds; of the steps after it those are done that all models
    have. What promises of Dice are worth was found for each model alone, and is not applied.

    Args:
        models: Two or more.
        names: Of the models, for messages.

    Raises:
        BundleError: They predict other things, or take other pictures.
    """

    def __init__(self, models: Sequence[Predictor], names: Sequence[str]) -> None:
        _check_alike([model.meta for model in models], names)
        self._models = list(models)
        self.meta = _together([model.meta for model in models])
        self.engine_name = ", ".join(dict.fromkeys(model.engine_name for model in models))
        self.tta = models[0].tta

    def make_input(self, picture: Given | Mapping[str, Given], where: str = "the picture") -> SharedInput:
        """See `Predicting`."""
        if isinstance(picture, (str, Path)):
            picture, where = read_image(str(picture)), str(picture)  # once for all
        first = self._models[0].make_input(picture, where)
        others = [model.make_input(picture, where) for model in self._models[1:]]
        return SharedInput(first.picture, first.pixels, first.where, (first, *others))

    def strangeness(self, picture: ModelInput) -> Strangeness | None:
        """That of the model to which the picture is the strangest."""
        pairs = zip(self._models, _each(picture), strict=True)
        known = [found for model, own in pairs if (found := model.strangeness(own)) is not None]
        return max(known, key=lambda found: found.ratio, default=None)

    def attempt_inputs(
        self, inputs: Iterable[ModelInput], *, probabilities: bool = True, doubts: bool = False
    ) -> Iterator[Prediction | ResourceError]:
        """See `Predicting`."""
        # Each model makes batches of its own, at most one ahead; tee keeps the pictures in between.
        ours, *theirs = tee(inputs, 1 + len(self._models))
        streams = [
            model.attempt_opinions(_of(place, own))
            for place, (model, own) in enumerate(zip(self._models, theirs, strict=True))
        ]
        for picture, *found in zip(ours, *streams, strict=True):
            opinion = self._joined([said for _, said in found], picture)
            if isinstance(opinion, ResourceError):
                yield opinion
                continue
            yield attempt_prediction(
                opinion,
                self.meta.targets,
                picture,
                torch.device("cpu"),
                probabilities=probabilities,
                doubts=doubts,
                steps=self.meta.post_processing,
            )

    def _joined(self, found: Sequence[Opinion | ResourceError], picture: ModelInput) -> Opinion | ResourceError:
        """What all models say, at the picture's own size, on the CPU."""
        together = Opinion()
        for model, opinion in zip(self._models, found, strict=True):
            if isinstance(opinion, ResourceError):
                return opinion
            try:
                with memory_errors(model.engine.device):
                    together.take(self._as_shown(model, opinion, picture), self.meta.targets)
            except OutOfMemory as error:
                return ResourceError(
                    f"enough memory for the probabilities of '{picture.where}'",
                    str(error),
                    "Close other programs, use device=cpu, or cut the picture into parts.",
                )
        return together

    def _as_shown(self, model: Predictor, opinion: Opinion, picture: ModelInput) -> dict[str, torch.Tensor]:
        """A model's probabilities as it gives them alone; numbers on the scale that all share."""
        shown = {}
        for name, spec in model.meta.targets.items():
            numbers = resize_planes(opinion.mean(name), picture.size)
            if spec.task == "regression":
                ours = self.meta.targets[name]
                numbers = (spec.low + numbers * (spec.high - spec.low) - ours.low) / (ours.high - ours.low)
            else:
                numbers = temper(numbers, spec)
            shown[name] = numbers.cpu()
        return shown


def _of(place: int, pictures: Iterable[ModelInput]) -> Iterator[ModelInput]:
    """Pictures as the model at `place` wants them."""
    return (_each(picture)[place] for picture in pictures)


def _each(picture: ModelInput) -> tuple[ModelInput, ...]:
    assert isinstance(picture, SharedInput)
    return picture.each


def _check_alike(metas: Sequence[BundleMeta], names: Sequence[str]) -> None:
    """Refuse models that do not predict the same things of the same pictures, and say in what they differ."""
    first = _meaning(metas[0])
    for meta, name in zip(metas[1:], names[1:], strict=True):
        own = _meaning(meta)
        lines = [
            f"{what}: {own.get(what, 'none')}, not {first.get(what, 'none')}"
            for what in [*first, *(what for what in own if what not in first)]
            if own.get(what) != first.get(what)
        ]
        if lines:
            raise BundleError(
                f"models that predict the same things of the same pictures as '{names[0]}'",
                f"'{name}' differs in {'; '.join(lines)}",
                "Name models that were trained on the same classes and kind of pictures, or predict with each alone.",
            )


def _meaning(meta: BundleMeta) -> dict[str, str]:
    """What must be the same, in words."""
    inputs = meta.inputs
    found = {"targets": ", ".join(sorted(meta.targets))}
    for name, spec in meta.targets.items():
        classes = f" of {', '.join(spec.names)}" if spec.task != "regression" else f" in '{spec.unit}'"
        found[f"the target '{name}'"] = f"{spec.task}{classes}"
    if inputs.parts:
        found["inputs"] = ", ".join(f"{name} ({count} channels)" for name, count in sorted(inputs.parts.items()))
    return found | {"values of pixels": inputs.dtype, "the plane of volumes": inputs.plane or "none"}


def _together(metas: Sequence[BundleMeta]) -> BundleMeta:
    """The first description, with what all models share of the rest."""
    targets = {name: _target([meta.targets[name] for meta in metas]) for name in metas[0].targets}
    steps: list[PostStep] = [
        step for step in metas[0].post_processing if all(step in meta.post_processing for meta in metas)
    ]
    return metas[0].model_copy(update={"targets": targets, "post_processing": steps, "views": [], "familiar": None})


def _target(specs: Sequence[TargetSpec]) -> TargetSpec:
    chosen = [spec.thresholds or [0.5] * len(spec.names) for spec in specs]
    means = np.mean(chosen, axis=0).tolist() if any(spec.thresholds for spec in specs) else []
    span = {"low": min(spec.low for spec in specs), "high": max(spec.high for spec in specs)}
    return specs[0].model_copy(update={"temperature": 1.0, "thresholds": means, "dice_curve": [], **span})
