"""What a user gets: probabilities and masks at the picture's own size.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from torch.nn import functional

from limner.bundle import TargetSpec
from limner.errors import ConfigError
from limner.metrics.thresholds import raise_odds
from limner.types import Size


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one picture; every array has the picture's own height and width.

    Attributes:
        masks: Per target: class ids `height width` (binary, multiclass), or planes of 0 and 1
            `height width classes` (multilabel).
        probs: Per target, in [0, 1]: one plane, of the class (binary); one per class id that together
            sum to 1 (multiclass); one per class (multilabel). Empty if not asked for.
        values: Per regression target: the predicted numbers, in the target's unit.
    """

    masks: dict[str, UInt8[np.ndarray, "height width *classes"]]
    probs: dict[str, Float32[np.ndarray, "classes height width"]]
    values: dict[str, Float32[np.ndarray, "height width"]]

    @property
    def mask(self) -> UInt8[np.ndarray, "height width *classes"]:
        """The mask of the target `mask`, or of the only one.

        Raises:
            ConfigError: There are several targets and none is called `mask`, or none has a mask.
        """
        if "mask" in self.masks:
            return self.masks["mask"]
        if len(self.masks) != 1:
            raise ConfigError(
                "one target with a mask", f"{', '.join(self.masks) or 'none'}", "Name the one you want: masks[name]."
            )
        return next(iter(self.masks.values()))


def make_prediction(
    logits: Mapping[str, Float32[Tensor, "_ height width"]],
    targets: Mapping[str, TargetSpec],
    size: Size,
    *,
    probabilities: bool,
) -> Prediction:
    """Logits at the network's scale → probabilities at the picture's size → masks.

    Probabilities are resized, not masks: outlines come out smooth, and thresholds are applied once. The
    temperature acts last and on probabilities alone: a calibrated model draws the same masks.

    Args:
        logits: Per target, `classes height width`, on any device.
        targets: What the targets mean.
        size: Size of the picture.
        probabilities: Whether to keep the probabilities.
    """
    prediction = Prediction({}, {}, {})
    for name, spec in targets.items():
        numbers = _resize(_activate(logits[name], spec), size)
        if spec.task == "regression":
            prediction.values[name] = (spec.low + numbers[0] * (spec.high - spec.low)).cpu().numpy()
            continue
        prediction.masks[name] = _decide(numbers, spec).cpu().numpy()
        if probabilities:
            prediction.probs[name] = _temper(numbers, spec).cpu().numpy()
    return prediction


def _activate(
    logits: Float32[Tensor, "classes height width"], spec: TargetSpec
) -> Float32[Tensor, "classes height width"]:
    if spec.task == "regression":
        return logits
    return logits.softmax(dim=0) if spec.task == "multiclass" else logits.sigmoid()


def _resize(
    numbers: Float[Tensor, "classes height width"], size: Size
) -> Float[Tensor, "classes new_height new_width"]:
    height, width = numbers.shape[-2:]
    if (height, width) == size:
        return numbers
    shrinks = size[0] < height or size[1] < width
    return functional.interpolate(numbers[None], size, mode="bilinear", align_corners=False, antialias=shrinks)[0]


def _temper(
    probs: Float32[Tensor, "classes height width"], spec: TargetSpec
) -> Float32[Tensor, "classes height width"]:
    """Probabilities as if the logits had been divided by the temperature."""
    if spec.temperature == 1:
        return probs
    if spec.task == "multiclass":
        return (probs.clamp_min(1e-30).log() / spec.temperature).softmax(dim=0)
    logits: Tensor = torch.special.logit(probs, eps=2**-24) / spec.temperature
    return logits.sigmoid()


def _decide(probs: Float32[Tensor, "classes height width"], spec: TargetSpec) -> UInt8[Tensor, "height width *classes"]:
    """Masks of probabilities that were not tempered, so that the temperature alone changes no mask."""
    # Where they cut before tempering as they do after it; 0.5 stays 0.5 exactly.
    cuts = [raise_odds(threshold, spec.temperature) for threshold in spec.thresholds]
    if spec.task == "multiclass":
        if cuts:
            odds = [(1 - cut) / cut for cut in cuts]
            probs = probs * torch.tensor(odds, device=probs.device)[:, None, None]
        return probs.argmax(dim=0).to(torch.uint8)
    # A binary network has one plane, of class 1.
    own = cuts[1:] if spec.task == "binary" else cuts
    above = torch.tensor(own or [0.5] * len(probs), device=probs.device)[:, None, None]
    # Not "at least": at 0.5 exactly the background wins, as the first class does in argmax.
    planes = (probs > above).to(torch.uint8)
    return planes[0] if spec.task == "binary" else planes.permute(1, 2, 0).contiguous()
