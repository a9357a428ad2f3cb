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
    probs: Float32[Tensor, "planes height width"], answer: Bool[Tensor, "planes height width"]
) -> Float64[np.ndarray, " planes"]:
    """Dice that probabilities promise for an answer: twice the expected overlap, by the expected areas.

    The ratio of the two expectations stands for the expectation of the ratio, which is near it for objects of many
    pixels. NaN where nothing is answered.

    Example:
        >>> answer = torch.tensor([[[True, False]]])
        >>> promised_dice(torch.tensor([[[0.9, 0.3]]]), answer).round(4).tolist()  # 2 · 0.9 / (1 + 1.2)
        [0.8182]
    """
    flat, answered = probs.flatten(1), answer.flatten(1)
    overlap = (flat * answered).sum(dim=1, dtype=torch.float64)
    areas = flat.sum(dim=1, dtype=torch.float64) + answered.sum(dim=1)
    promised: np.ndarray = (
        torch.where(answered.any(dim=1), 2 * overlap / areas.clamp_min(1e-12), torch.nan).cpu().numpy()
    )
    return promised


def expected_dice(
    probs: Float32[Tensor, "planes height width"], answer: Bool[Tensor, "planes height width"], spec: TargetSpec
) -> Float64[np.ndarray, " classes"]:
    """Dice to expect of each class id; NaN of the background.

    Of a class that is answered, what was found on validation pictures of that promise (`TargetSpec.dice_curve`), or
    the promise itself. Of one that is not, the chance that there is nothing, taken as 1 − its highest probability.

    Args:
        probs: As they are shown, tempered.
        answer: The mask's planes.
        spec: What they mean.
    """
    promised = promised_dice(probs, answer)
    curve = np.array(spec.dice_curve or [(0, 0), (1, 1)])
    nothing = 1 - probs.flatten(1).amax(dim=1).double().cpu().numpy()
    found = np.where(np.isnan(promised), nothing, np.interp(promised, curve[:, 0], curve[:, 1]))
    if spec.task == "binary":
        return np.array([np.nan, found[0]])
    return np.where(np.arange(len(found)) == 0, np.nan, found) if spec.task == "multiclass" else found
