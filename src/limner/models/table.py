"""The table of models, and building one by its name.

Layer: models. Adding a model is one file and one row here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from limner.errors import ConfigError, did_you_mean
from limner.models.blocks import check_choice
from limner.models.encoder_unet import EncoderUNet
from limner.models.improved_unet import ImprovedUNet
from limner.models.unet import UNet

MODELS: dict[str, type[nn.Module]] = {
    "unet": UNet,
    "improved_unet": ImprovedUNet,
    "encoder_unet": EncoderUNet,
}
"""Name → class. Names are written in configurations and bundles, so they are for ever."""


def create_model(name: str, *, in_channels: int, out_channels: int | Mapping[str, int], **kwargs: Any) -> nn.Module:
    """The model called `name` with fresh random weights, in training mode.

    Args:
        name: A key of `MODELS`.
        in_channels: Channels of the images.
        out_channels: Channels of the logits, by target name; a bare number is `{"mask": number}`.
        **kwargs: Keyword arguments of the model's class.

    Raises:
        ConfigError: The name or a keyword is unknown (the message names the nearest and the choices),
            or a value is impossible.

    Example:
        >>> model = create_model("unet", in_channels=1, out_channels=1, conv_sizes=(8, 16))
        >>> sum(parameter.numel() for parameter in model.parameters())
        29481
    """
    settings = model_settings(name, kwargs)
    return MODELS[name](in_channels=in_channels, out_channels=out_channels, **settings)


def model_settings(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every keyword argument of a model's class but its channels: those given, and its own defaults for the rest.

    Raises:
        ConfigError: The name or a keyword is unknown; the message names the nearest and the choices.

    Example:
        >>> model_settings("improved_unet", {"dropout": 0.1})["norm"]
        'instance'
    """
    check_choice("the model", name, tuple(MODELS))
    parameters = inspect.signature(MODELS[name]).parameters
    defaults = {key: value.default for key, value in parameters.items() if key not in ("in_channels", "out_channels")}
    unknown = [key for key in given if key not in defaults]
    if unknown:
        raise ConfigError(
            f"settings that the model '{name}' has",
            f"unknown: {', '.join(unknown)}",
            f"{did_you_mean(unknown[0], defaults)}It has {', '.join(defaults)}.",
        )
    return defaults | dict(given)
