"""The truth in the forms that losses need, and means that leave ignored pixels out.

Layer: losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from limner.types import Task

Total: TypeAlias = Callable[[Tensor], Tensor]
"""Adds a sum over the samples of this process to those of the others that share the batch, for the gradient too."""


def own(value: Tensor) -> Tensor:
    """The total of a batch that is all here."""
    return value


@dataclass(frozen=True)
class Truth:
    """A batch of targets of one task.

    Attributes:
        target: Ids `b h w`, planes `b c h w`, or numbers (regression); see `limner.losses`.
        task: What the numbers mean.
        classes: Channels of the logits.
        ignore_index: Id of pixels that take no part. Regression ignores what is not finite instead.
        total: Makes sums over the samples those of the whole batch, of which other processes may have parts.
    """

    target: Shaped[Tensor, "batch ..."]
    task: Task
    classes: int
    ignore_index: int
    total: Total = own

    def planes(self) -> Bool[Tensor, "batch {self.classes} height width"]:
        """One plane per channel of the logits: whether the pixel is of that class."""
        if self.task == "multilabel":
            return self.target == 1
        if self.task == "binary":
            return (self.target == 1)[:, None]
        ids = torch.arange(self.classes, device=self.target.device)
        return self.target[:, None] == ids[:, None, None]

    def valid(self) -> Bool[Tensor, "batch _ height width"]:
        """Whether the pixel takes part; one plane, or one per class (multilabel)."""
        valid = self.target != self.ignore_index
        return valid if self.task == "multilabel" else valid[:, None]

    def pixel_weights(self, class_weights: Float[Tensor, " _"] | None) -> Float[Tensor, "batch _ height width"]:
        """The class weight of each pixel (1 without weights), 0 where it is ignored."""
        valid = self.valid()
        if class_weights is None:
            return valid.float()
        if self.task == "multilabel":
            return valid * class_weights[:, None, None]
        ids = torch.where(valid[:, 0], self.target, 0).long()
        return valid * class_weights[ids][:, None]


@runtime_checkable
class Term(Protocol):
    """One named loss; its fields are its options."""

    def __call__(
        self, logits: Float[Tensor, "batch channels height width"], truth: Truth, class_weights: Tensor | None
    ) -> Float[Tensor, ""]:
        """The loss of a batch, in the dtype of `logits`."""
        ...


def weighted_mean(
    values: Float[Tensor, "*shape"], weights: Float[Tensor, "*shape"], total: Total = own
) -> Float[Tensor, ""]:
    """`Σ values · weights / Σ weights`; 0, still joined to the graph, where all weights are 0.

    Args:
        values: What the mean is of.
        weights: 0 or more each.
        total: Makes both sums those of the whole batch.
    """
    smallest = torch.finfo(weights.dtype).tiny
    sums = total(torch.stack([(values * weights).sum(), weights.sum()]))
    return sums[0] / sums[1].clamp(min=smallest)


def class_mean(
    losses: Float[Tensor, "batch classes"],
    counted: Bool[Tensor, "batch classes"],
    truth: Truth,
    class_weights: Float[Tensor, " _"] | None,
    *,
    background: bool,
) -> Float[Tensor, ""]:
    """Mean over images and classes of losses that exist per image and class.

    Args:
        losses: Loss per image (or one row for a whole batch) and class.
        counted: Which of them take part.
        truth: Gives the task. For `binary` the one plane is the foreground, so weights change nothing.
        class_weights: Weight per class, or None.
        background: Whether class 0 of a multiclass task takes part.
    """
    weights = counted.to(losses.dtype)
    if class_weights is not None:
        weights = weights * (class_weights[1:] if truth.task == "binary" else class_weights)
    if truth.task == "multiclass" and not background:
        losses, weights = losses[:, 1:], weights[:, 1:]
    return weighted_mean(losses, weights, truth.total)
