"""Parts of a network that do not learn for a while.

Layer: training.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from limner.errors import ConfigError
from limner.models import EncoderUNet, UNet
from limner.training.phase_choices import ENCODER


def find_part(model: nn.Module, name: str) -> nn.Module:
    """The part of a network that `training.freeze` calls `name`: a target's branch, or the encoder.

    The `encoder` of a `UNet` with branches is what all of them share.

    Raises:
        ConfigError: The network has no such part.
    """
    branches = model.branches if isinstance(model, UNet) else nn.ModuleDict()
    if name == ENCODER and (isinstance(model, EncoderUNet) or len(branches)):
        part = model.encoder
        assert isinstance(part, nn.Module)
        return part
    if f"to_{name}" in branches:
        return branches[f"to_{name}"]
    if name == ENCODER:
        found, remedy = "a network whose encoder is not a part of its own", "Use model.name=encoder_unet"
    else:
        found, remedy = "targets that share everything but their heads", "Set model.shared_levels, with model.name=unet"
    raise ConfigError(
        f"a network in which '{name}' can be frozen", found, f"{remedy}; or take '{name}' out of training.freeze."
    )


class Freezer:
    """Stops parts of a network from learning, and lets them go on.

    Args:
        model: The network, all of which learns that is to learn at any time.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._learning = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def freeze(self, names: Iterable[str]) -> list[nn.Module]:
        """Freeze these parts, and no others; call it at the start of every epoch, as it also sets modes.

        Norms of a frozen part keep their statistics and its dropout is off: it is in evaluation mode.

        Returns:
            The frozen parts.
        """
        for parameter in self._learning:
            parameter.requires_grad_(True)
        self._model.train()
        parts = [find_part(self._model, name) for name in names]
        for part in parts:
            part.eval()
            for parameter in part.parameters():
                parameter.requires_grad_(False)
                # Else the optimiser would make one more step with what the last batch left.
                parameter.grad = None
        return parts
