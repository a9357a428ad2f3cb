"""From what the networks say to what a user gets.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from limner.bundle import PostStep, TargetSpec
from limner.errors import ResourceError
from limner.inference.answers import decide, planes_of, temper
from limner.inference.doubt import entropy, expected_dice
from limner.inference.engine import memory_errors
from limner.inference.inputs import ModelInput
from limner.inference.opinion import Opinion
from limner.inference.postprocess import tidy
from limner.inference.prediction import Prediction
from limner.inference.runtimes import OutOfMemory
from limner.types import Size


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
        numbers = resize_planes(opinion.mean(name), size)
        if spec.task == "regression":
            prediction.values[name] = (spec.low + numbers[0] * (spec.high - spec.low)).cpu().numpy()
            if doubts and opinion.looks > 1:
                deviation = resize_planes(opinion.deviation(name), size)[0].clamp(0, 1)
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


def attempt_prediction(
    opinion: Opinion,
    targets: Mapping[str, TargetSpec],
    picture: ModelInput,
    device: torch.device,
    *,
    probabilities: bool,
    doubts: bool,
    steps: Sequence[PostStep],
) -> Prediction | ResourceError:
    """As `make_prediction`, but what does not fit in memory gives its error."""
    try:
        with memory_errors(device):
            return make_prediction(
                opinion, targets, picture.size, probabilities=probabilities, doubts=doubts, steps=steps
            )
    except OutOfMemory as error:
        return ResourceError(
            f"enough memory for the probabilities of '{picture.where}' ({picture.size[0]}×{picture.size[1]})",
            str(error),
            "Close other programs, use device=cpu, or cut the picture into parts.",
        )


def resize_planes(
    numbers: Float[Tensor, "classes height width"], size: Size
) -> Float[Tensor, "classes new_height new_width"]:
    """Planes at another size: bilinear when growing, antialiased when shrinking."""
    height, width = numbers.shape[-2:]
    if (height, width) == size:
        return numbers
    shrinks = size[0] < height or size[1] < width
    return functional.interpolate(numbers[None], size, mode="bilinear", align_corners=False, antialias=shrinks)[0]
