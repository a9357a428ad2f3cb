"""What a user gets: probabilities and masks at the picture's own size.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from torch import Tensor
from torch.nn import functional

from limner.bundle import PostStep, TargetSpec
from limner.errors import ConfigError
from limner.inference.answers import decide, planes_of, temper
from limner.inference.doubt import entropy, expected_dice
from limner.inference.opinion import Opinion
from limner.inference.postprocess import tidy
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
        uncertainty: Per target, in [0, 1]: the entropy of a pixel's probabilities; of regression the standard
            deviation over the looks, as a share of the range of the training values. Empty if not asked for.
        expected_dice: Per target with classes, by class id: Dice to expect of the mask, without knowing the truth;
            NaN for the background. Empty if not asked for.
    """

    masks: dict[str, UInt8[np.ndarray, "height width *classes"]]
    probs: dict[str, Float32[np.ndarray, "classes height width"]]
    values: dict[str, Float32[np.ndarray, "height width"]]
    uncertainty: dict[str, Float32[np.ndarray, "height width"]] = field(default_factory=dict)
    expected_dice: dict[str, Float64[np.ndarray, " classes"]] = field(default_factory=dict)

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

    @property
    def score(self) -> float:
        """Dice to expect of the whole: the mean over foreground classes, then over targets; NaN where unknown."""
        means = [float(np.nanmean(found)) for found in self.expected_dice.values() if not np.isnan(found).all()]
        return sum(means) / len(means) if means else float("nan")


def make_prediction(
    opinion: Opinion,
    targets: Mapping[str, TargetSpec],
    size: Size,
    *,
    probabilities: bool = False,
    doubts: bool = False,
    steps: Sequence[PostStep] = (),
) -> Prediction:
    """Probabilities at the network's scale → at the picture's size → masks.

    Probabilities are resized, not masks: outlines come out smooth, and thresholds are applied once. The
    temperature acts last and on probabilities alone: a calibrated model draws the same masks.

    Args:
        opinion: What the networks say, on any device.
        targets: What the targets mean.
        size: Size of the picture.
        probabilities: Whether to keep the probabilities.
        doubts: Whether to say how sure it is.
        steps: What is done to masks after the threshold.
    """
    prediction = Prediction({}, {}, {})
    for name, spec in targets.items():
        numbers = _resize(opinion.mean(name), size)
        if spec.task == "regression":
            prediction.values[name] = (spec.low + numbers[0] * (spec.high - spec.low)).cpu().numpy()
            if doubts and opinion.looks > 1:
                deviation = _resize(opinion.deviation(name), size)[0].clamp(0, 1)
                prediction.uncertainty[name] = deviation.cpu().numpy()
            continue
        mask = decide(numbers, spec)
        prediction.masks[name] = tidy(mask.cpu().numpy(), spec, [step for step in steps if step.target == name])
        if not probabilities and not doubts:
            continue
        probs = temper(numbers, spec)
        if probabilities:
            prediction.probs[name] = probs.cpu().numpy()
        if doubts:
            final = torch.from_numpy(prediction.masks[name]).to(probs.device)
            prediction.uncertainty[name] = entropy(probs, spec).cpu().numpy()
            prediction.expected_dice[name] = expected_dice(probs, planes_of(final, spec), spec)
    return prediction


def _resize(
    numbers: Float[Tensor, "classes height width"], size: Size
) -> Float[Tensor, "classes new_height new_width"]:
    height, width = numbers.shape[-2:]
    if (height, width) == size:
        return numbers
    shrinks = size[0] < height or size[1] < width
    return functional.interpolate(numbers[None], size, mode="bilinear", align_corners=False, antialias=shrinks)[0]
