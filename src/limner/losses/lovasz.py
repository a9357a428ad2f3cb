"""The Lovász losses: the convex extension of `1 - IoU`.

Layer: losses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from limner.errors import ConfigError
from limner.losses.truth import Truth, class_mean, own


@dataclass(frozen=True)
class Lovasz:
    """Lovász loss: hinge errors for binary and multilabel, softmax errors for multiclass.

    Berman, Triki and Blaschko 2018, "The Lovász-Softmax loss" (arXiv 1705.08790), equations 8–12.
    For multiclass only classes that are present take part, background included, as in the paper.
    Deviation: the weights of algorithm 1 are written in closed form, because its difference of
    neighbouring Jaccard losses loses most of its digits in float32 for pictures of a million pixels.

    Attributes:
        batch: Take the batch as one picture, as for the IoU of a data set; otherwise the mean over
            images.
        background: Let class 0 of a multiclass task take part. On: a picture of nothing but
            background would otherwise have no class at all, and false alarms would cost nothing.
    """

    batch: bool = False
    background: bool = True

    def __call__(
        self, logits: Float[Tensor, "batch channels height width"], truth: Truth, class_weights: Tensor | None
    ) -> Float[Tensor, ""]:
        """The loss of a batch, 0 or more; at most 1 for multiclass."""
        if self.batch and truth.total is not own:
            raise ConfigError(
                "a loss whose sums several processes can share",
                "the Lovász loss of a batch as one picture, which sorts all its pixels",
                "Train in one process, or with batch=False.",
            )
        valid = truth.valid().expand_as(logits)
        planes = truth.planes() & valid
        if truth.task == "multiclass":
            errors = (planes.to(logits.dtype) - logits.softmax(dim=1)).abs()
        else:
            errors = 1 - torch.where(planes, logits, -logits)
        # Ignored pixels sort last, where they change no other pixel's weight.
        errors = errors.masked_fill(~valid, -torch.inf)
        losses = lovasz_extension(self._rows(errors), self._rows(planes))
        counted = self._rows(planes if truth.task == "multiclass" else valid).any(dim=-1)
        return class_mean(losses, counted, truth, class_weights, background=self.background)

    def _rows(self, values: Tensor) -> Tensor:
        """`b c h w` → `b c pixels`, or `1 c pixels` of the whole batch."""
        rows = values.flatten(2)
        return rows.transpose(0, 1).flatten(1)[None] if self.batch else rows


def lovasz_extension(
    errors: Float[Tensor, "*rows pixels"], positive: Bool[Tensor, "*rows pixels"]
) -> Float[Tensor, "*rows"]:
    """The Lovász extension of the Jaccard loss at the positive part of `errors`.

    Args:
        errors: Error of each pixel; below 0 counts as 0.
        positive: Whether the pixel is of the class.

    Returns:
        Per row, `Σ errors_k · w_k` with errors sorted downward and `w_k` the rise of the Jaccard loss
        when the k-th pixel goes wrong too.
    """
    errors, order = errors.sort(dim=-1, descending=True)
    weights = jaccard_rises(positive.gather(-1, order)).to(errors.dtype)
    return (functional.relu(errors) * weights).sum(dim=-1)


def jaccard_rises(positive: Bool[Tensor, "*rows pixels"]) -> Float[Tensor, "*rows pixels"]:
    """How much the Jaccard loss of each row rises as its pixels go wrong one after the other.

    With P positives in all, of which `left` are still right, a wrong positive leaves the union and
    takes `1 / union`; a wrong negative widens it and takes `left / (union · (union - 1))`.

    Example:
        >>> jaccard_rises(torch.tensor([[True, False, True]]))
        tensor([[0.5000, 0.1667, 0.3333]])
    """
    seen = positive.cumsum(dim=-1)
    total = seen[..., -1:]
    ranks = torch.arange(1, positive.shape[-1] + 1, device=positive.device)
    union = total + ranks - seen
    wrong_negative = (total - seen) / union / (union - 1).clamp(min=1)
    rises = torch.where(positive, 1 / union, wrong_negative)
    # Without any positive the first mistake takes all there is.
    return torch.where((total == 0) & (ranks == 1), 1.0, rises)
