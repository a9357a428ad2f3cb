"""Losses that compare areas: soft Dice and Tversky.

Layer: losses. With TP = Σ p·y, P = Σ p and Y = Σ y over the valid pixels of one image and class,
p being the probability and y the truth (0 or 1):

    Dice     1 - (2 TP + smooth) / (P + Y + smooth)
    Tversky  1 - (2 TP + smooth) / (2 TP + 2 alpha (P - TP) + 2 beta (Y - TP) + smooth)

and then the mean over images and classes. Where the truth is empty, Dice is P / (P + smooth): it
rises with every false alarm, and is not the constant 0 that hides them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limner.errors import ConfigError
from limner.losses.truth import Truth, class_mean


@dataclass(frozen=True)
class Dice:
    """Soft Dice loss in [0, 1]; the formula is at the top of this file.

    Milletari et al. 2016, "V-Net" (arXiv 1606.04797). Deviation: the areas in the denominator are
    not squared.

    Attributes:
        smooth: In pixels, above 0; keeps images without truth defined.
        batch: Sum areas over the whole batch instead of one image; steadier where objects are rare.
        background: Let class 0 of a multiclass task take part. Off, as in the metrics.
    """

    smooth: float = 1.0
    batch: bool = False
    background: bool = False

    def __post_init__(self) -> None:
        _check_smooth(self.smooth)

    def __call__(
        self, logits: Float[Tensor, "batch channels height width"], truth: Truth, class_weights: Tensor | None
    ) -> Float[Tensor, ""]:
        """The loss of a batch, in [0, 1]."""
        tversky = Tversky(0.5, 0.5, self.smooth, self.batch, self.background)
        return tversky(logits, truth, class_weights)


@dataclass(frozen=True)
class Tversky:
    """Dice loss with a price for each kind of mistake; the formula is at the top of this file.

    Salehi et al. 2017, "Tversky loss function for image segmentation" (arXiv 1706.05721); the
    defaults are their best. `alpha = beta = 0.5` is Dice.

    Attributes:
        alpha: Price of a false positive, 0 or more.
        beta: Price of a false negative, 0 or more; above `alpha` it favours finding all.
        smooth: See `Dice`.
        batch: See `Dice`.
        background: See `Dice`.
    """

    alpha: float = 0.3
    beta: float = 0.7
    smooth: float = 1.0
    batch: bool = False
    background: bool = False

    def __post_init__(self) -> None:
        _check_smooth(self.smooth)
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(
                    f"{name} of the Tversky loss is 0 or more", f"{name} = {value}", "0.3 and 0.7 are usual."
                )

    def __call__(
        self, logits: Float[Tensor, "batch channels height width"], truth: Truth, class_weights: Tensor | None
    ) -> Float[Tensor, ""]:
        """The loss of a batch, in [0, 1]."""
        valid = truth.valid()
        planes = truth.planes() & valid
        probs = logits.softmax(dim=1) if truth.task == "multiclass" else logits.sigmoid()
        pixels = (0, 2, 3) if self.batch else (2, 3)
        predicted = torch.where(valid, probs, 0).sum(pixels)
        actual = planes.sum(pixels)
        hits = torch.where(planes, probs, 0).sum(pixels)
        if self.batch:
            predicted, actual, hits = truth.total(torch.stack([predicted, actual.to(hits.dtype), hits]))
        mistakes = self.alpha * (predicted - hits) + self.beta * (actual - hits)
        losses = 1 - (2 * hits + self.smooth) / (2 * hits + 2 * mistakes + self.smooth)
        counted = valid.expand_as(planes).sum(pixels) > 0
        shape = (-1, truth.classes)
        return class_mean(
            losses.reshape(shape), counted.reshape(shape), truth, class_weights, background=self.background
        )


def _check_smooth(smooth: float) -> None:
    if not (math.isfinite(smooth) and smooth > 0):
        raise ConfigError("smooth is above 0", f"smooth = {smooth}", "1 is usual; images without truth need it.")
