"""Heads: one small convolution per target, from features to logits.

Layer: models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.errors import ConfigError

DEFAULT_TARGET = "mask"


class Heads(nn.Module):
    """Logits of every target, by name, from the same features.

    Args:
        in_channels: Channels of the features.
        targets: Channels of each target's logits, by name; see `as_targets`.
        double: Give logits of twice the size of the features: a transposed 4×4 convolution of stride 2
            in place of a 1×1 convolution.
    """

    def __init__(self, in_channels: int, targets: Mapping[str, int], *, double: bool = False) -> None:
        super().__init__()
        # The prefix keeps targets named like a method of the container ("values", "type") possible.
        self.convs = nn.ModuleDict(
            {
                f"to_{name}": nn.ConvTranspose2d(in_channels, count, 4, stride=2, padding=1)
                if double
                else nn.Conv2d(in_channels, count, 1)
                for name, count in targets.items()
            }
        )

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> dict[str, Float[Tensor, "batch _ _ _"]]:
        """`{target: logits}` at the size of the features, or twice it."""
        return {name.removeprefix("to_"): conv(features) for name, conv in self.convs.items()}


def as_targets(out_channels: int | Mapping[str, int]) -> dict[str, int]:
    """Channels by target name; a bare number is the one target `mask`.

    Raises:
        ConfigError: There is no target, a name holds a dot or is empty, or a number is below 1.

    Example:
        >>> as_targets(2)
        {'mask': 2}
        >>> as_targets({"mask": 3, "depth": 1})
        {'mask': 3, 'depth': 1}
    """
    targets = {DEFAULT_TARGET: out_channels} if isinstance(out_channels, int) else dict(out_channels)
    if not targets:
        raise ConfigError("out_channels names a target", "no target", "Give a number, or {target: number}.")
    for name, count in targets.items():
        if not name or "." in name:
            raise ConfigError(
                "a target's name has letters and no dot", f"the target '{name}'", "Rename the target; 'mask' is usual."
            )
        if count < 1:
            raise ConfigError(
                "out_channels is 1 or more",
                f"{count} for target '{name}'",
                "Give 1 for a binary target, else the classes.",
            )
    return targets


@torch.no_grad()
def set_first_logits(model: nn.Module, logits: Mapping[str, Sequence[float]]) -> None:
    """Set the biases of fresh heads: what the network answers before it has learned anything.

    Args:
        model: A network of the table. Where heads are summed from level to level (`sums_heads`), the
            coarsest alone is set, as its logits reach all others.
        logits: Per target a number for each channel. Other targets are left as they are.
    """
    heads = [module for module in model.modules() if isinstance(module, Heads)]
    for head in heads[-1:] if getattr(model, "sums_heads", False) else heads:
        for name, conv in head.convs.items():
            biases = logits.get(name.removeprefix("to_"))
            if biases is not None:
                assert isinstance(conv.bias, Tensor)
                conv.bias.copy_(torch.tensor(biases))
