"""How sure a prediction is: of each pixel, and of the whole picture as the Dice that may be expected.

Layer: inference. No truth is needed.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from limner.bundle import TargetSpec


def entropy(probs: Float32[Tensor, "classes height width"], spec: TargetSpec) -> Float32[Tensor, "height width"]:
    """Uncertainty of each pixel in [0, 1]: the entropy of its probabilities, 1 where all answers are alike likely.

    Of several classes that may overlap, that of the least sure one.
    """
    found: Tensor
    if spec.task == "multiclass":
        found = torch.special.entr(probs).sum(dim=0) / math.log(len(probs))
    else:
        found = ((torch.special.entr(probs) + torch.special.entr(1 - probs)) / math.log(2)).amax(dim=0)
    return found.clamp(0, 1)


def promised_dice(
    probs: Float32[Tensor, "classes height width"], planes: Bool[Tensor, "classes height width"]
) -> Float64[np.ndarray, " classes"]:
    """Dice that probabilities promise for an answer: twice the expected overlap, by the expected areas.

    The ratio of the two expectations stands for the expectation of the ratio, which is near it for objects of many
    pixels. Where nothing is answered, it is the chance that there is nothing, taken as 1 − the highest probability.

    Example:
        >>> answer = torch.tensor([[[True, False]]])
        >>> promised_dice(torch.tensor([[[0.9, 0.3]]]), answer).round(4).tolist()  # 2 · 0.9 / (1 + 1.2)
        [0.8182]
    """
    flat, answered = probs.flatten(1), planes.flatten(1)
    overlap = (flat * answered).sum(dim=1, dtype=torch.float64)
    areas = flat.sum(dim=1, dtype=torch.float64) + answered.sum(dim=1)
    nothing = 1 - flat.amax(dim=1).double()
    found = torch.where(answered.any(dim=1), 2 * overlap / areas.clamp_min(1e-12), nothing)
    return found.cpu().numpy()


def expected_dice(promised: Float64[np.ndarray, " planes"], spec: TargetSpec) -> Float64[np.ndarray, " classes"]:
    """Dice to expect of each class id, by what was found on validation pictures of that promise; NaN of background."""
    curve = np.array(spec.dice_curve or [(0, 0), (1, 1)])
    found = np.interp(promised, curve[:, 0], curve[:, 1])
    if spec.task == "binary":
        return np.array([np.nan, found[0]])
    return np.where(np.arange(len(found)) == 0, np.nan, found) if spec.task == "multiclass" else np.asarray(found)
