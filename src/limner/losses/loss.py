"""The loss that training calls: a weighted sum of terms in float32.

Layer: losses.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from limner.errors import ConfigError
from limner.losses.truth import Term, Total, Truth, own
from limner.types import Task


class Loss(nn.Module):
    """A weighted sum of losses of one task; made by `create_loss`.

    Called with logits and target, see `limner.losses` for their shapes. All arithmetic is float32,
    whatever the logits' dtype and autocast say. It never waits for the device.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        terms: Sequence[tuple[float, Term]],
        *,
        task: Task,
        class_weights: Sequence[float] | None,
        ignore_index: int,
        total: Total = own,
    ) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.task: Task = task
        self.ignore_index = ignore_index
        self.total = total
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(
        self, logits: Float[Tensor, "batch channels height width"], target: Shaped[Tensor, "batch ..."]
    ) -> Float[Tensor, ""]:
        """The loss of a batch; 0 with a graph where every pixel is ignored.

        Raises:
            ConfigError: The number of class weights is not the number of classes.
            ValueError: The shapes of logits and target do not go together.
        """
        weights = self._weights_for(logits)
        _check_shapes(logits, target, self.task)
        truth = Truth(target, self.task, logits.shape[1], self.ignore_index, self.total)
        with torch.autocast(logits.device.type, enabled=False):
            values = logits.float()
            total = values.new_zeros(())
            for share, term in self.terms:
                total = total + share * term(values, truth, weights)
        return total

    def _weights_for(self, logits: Tensor) -> Tensor | None:
        if self.class_weights is None:
            return None
        classes = 2 if self.task == "binary" else logits.shape[1]
        if len(self.class_weights) != classes:
            raise ConfigError(
                f"one class weight for each of the {classes} classes",
                f"{len(self.class_weights)} class weights",
                "Give a weight per class, the background's first (a binary task has two).",
            )
        # Kept where it is needed, so that no later step copies it again.
        self.class_weights = self.class_weights.to(logits.device)
        return self.class_weights


def _check_shapes(logits: Tensor, target: Tensor, task: Task) -> None:
    batch, channels, height, width = logits.shape
    if task == "binary" and channels != 1:
        raise ValueError(f"Expected 1 logit channel for a binary task, but got {channels}")
    flat, planes = (batch, height, width), (batch, channels, height, width)
    expected = flat if task in ("binary", "multiclass") else planes
    fits = target.shape == expected or (task == "regression" and channels == 1 and target.shape == flat)
    if not fits:
        raise ValueError(f"Expected a {task} target of shape {tuple(expected)}, but got {tuple(target.shape)}")
