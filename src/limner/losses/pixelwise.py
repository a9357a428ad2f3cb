"""Losses that are a mean over pixels: cross-entropy, focal, and the two of regression.

Layer: losses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from limner.errors import ConfigError
from limner.losses.truth import Truth, weighted_mean


@dataclass(frozen=True)
class CrossEntropy:
    """Minus the log-probability of the true class; `bce` and `ce`.

    Softmax for multiclass, a sigmoid per plane for binary and multilabel. The mean over valid pixels
    is weighted by each pixel's class weight, as in `torch.nn.CrossEntropyLoss`.
    """

    def __call__(
        self, logits: Float[Tensor, "batch channels height width"], truth: Truth, class_weights: Tensor | None
    ) -> Float[Tensor, ""]:
        """The loss of a batch, 0 or more."""
        return weighted_mean(_cross_entropy(logits, truth), truth.pixel_weights(class_weights), truth.total)


@dataclass(frozen=True)
class Focal:
    """Cross-entropy that turns away from what is already easy: `(1 - p)^gamma · ce`.

    `p` is the probability given to the truth. Lin et al. 2017, "Focal Loss for Dense Object
    Detection" (arXiv 1708.02002), equation 5. Deviation: the mean is over valid pixels weighted by
    class weight, not a sum over anchors.

    Attributes:
        gamma: How much easy pixels fade; 0 is cross-entropy, 2 is the paper's.
        alpha: Weight in [0, 1] of positive pixels, negative ones having `1 - alpha`. Binary and
            multilabel only; multiclass has class weights.
    """

    gamma: float = 2.0
    alpha: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gamma) and self.gamma >= 0):
            raise ConfigError("gamma of the focal loss is 0 or more", f"gamma = {self.gamma}", "2 is usual.")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise ConfigError("alpha of the focal loss is in [0, 1]", f"alpha = {self.alpha}", "0.25 is usual.")

    def __call__(
        self, logits: Float[Tensor, "batch channels height width"], truth: Truth, class_weights: Tensor | None
    ) -> Float[Tensor, ""]:
        """The loss of a batch, 0 or more."""
        cross_entropy = _cross_entropy(logits, truth)
        # 1 - p without cancellation; the floor keeps the slope finite where gamma < 1 and p = 1.
        doubt = (-torch.expm1(-cross_entropy)).clamp(min=1e-12)
        losses = doubt**self.gamma * cross_entropy
        if self.alpha is not None:
            losses = losses * torch.where(truth.planes(), self.alpha, 1 - self.alpha)
        return weighted_mean(losses, truth.pixel_weights(class_weights), truth.total)


@dataclass(frozen=True)
class AbsoluteError:
    """Mean `|prediction - truth|` in the truth's unit; `l1`. Pixels whose truth is not finite take no part."""

    def __call__(
        self, logits: Float[Tensor, "batch channels height width"], truth: Truth, class_weights: Tensor | None
    ) -> Float[Tensor, ""]:
        """The loss of a batch, 0 or more. There are no classes to weight."""
        difference, known = _difference(logits, truth)
        return weighted_mean(difference.abs(), known, truth.total)


@dataclass(frozen=True)
class SquaredError:
    """Mean `(prediction - truth)²`; `mse`. Pixels whose truth is not finite take no part."""

    def __call__(
        self, logits: Float[Tensor, "batch channels height width"], truth: Truth, class_weights: Tensor | None
    ) -> Float[Tensor, ""]:
        """The loss of a batch, 0 or more. There are no classes to weight."""
        difference, known = _difference(logits, truth)
        return weighted_mean(difference.square(), known, truth.total)


def _cross_entropy(
    logits: Float[Tensor, "batch channels height width"], truth: Truth
) -> Float[Tensor, "batch _ height width"]:
    if truth.task == "multiclass":
        losses = functional.cross_entropy(
            logits, truth.target.long(), ignore_index=truth.ignore_index, reduction="none"
        )
        return losses[:, None]
    return functional.binary_cross_entropy_with_logits(logits, truth.planes().to(logits.dtype), reduction="none")


def _difference(logits: Tensor, truth: Truth) -> tuple[Tensor, Tensor]:
    target = truth.target if truth.target.ndim == logits.ndim else truth.target[:, None]
    known = torch.isfinite(target)
    # Unknown truth is replaced before the subtraction: NaN · 0 would still be NaN going backward.
    return logits - torch.where(known, target, 0).to(logits.dtype), known.to(logits.dtype)
