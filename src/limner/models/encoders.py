"""Encoders from timm: pictures in, features at ever coarser strides out, for any size.

Layer: models. timm takes seconds to import, so it is imported where it is used.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.errors import ConfigError
from limner.models.cpu_gradients import widen_depthwise

_log = logging.getLogger(__name__)

# What timm's constructors raise for networks that cannot give features, or not at this size.
_TIMM_ERRORS = (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
# Tried in turn until the network takes a picture of another size than its weights saw.
_ANY_SIZE: tuple[dict[str, Any], ...] = ({}, {"dynamic_img_size": True}, {"strict_img_size": False})
# Weights are `encoder_weights`' business, and the channels are the model's.
_RESERVED = (
    *("cache_dir", "checkpoint_path", "features_only", "in_chans", "num_classes", "output_fmt"),
    *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "scriptable"),
)
_NEAR = 3


class Encoder(nn.Module):
    """A network of timm that gives its features at every stride, with fresh random weights.

    What the network gives is measured with one small picture when it is built: timm describes its
    networks, but some give other sizes than described, and some take one size of picture only.

    Args:
        name: A name of `timm.list_models()`, with or without the tag of its pretrained weights
            (`resnet18`, `resnet18.a1_in1k`).
        in_channels: Channels of the images, 1 or more.
        options: Further keyword arguments of timm's constructor, such as `{"pad_type": "same"}`.
        frozen: Keep the weights as they are. Their norms and dropout then stay in evaluation mode.

    Attributes:
        name, in_channels: As given.
        options: As given, and the one that makes transformers take any size, where needed.
        strides: Side of the image divided by the side of the features, finest first; powers of two. Of
            several features of one stride only the deepest are given.
        channels: Channels of the features, finest first.
        input_mean, input_std: Per channel, on the [0, 1] scale: how the pretrained weights want their
            images. With other than 3 channels, the averages over timm's three.

    Raises:
        ConfigError: timm has no such network (the message names near ones that fit), it cannot give
            features at any size, or an option is unknown.
    """

    def __init__(
        self, name: str, in_channels: int, *, options: Mapping[str, Any] | None = None, frozen: bool = False
    ) -> None:
        super().__init__()
        _check(name, in_channels, options or {})
        self.name = name
        self.in_channels = in_channels
        self.network, self.options, form = _build(name, in_channels, options or {})
        if _hides_tensors(self.network):
            with torch.device("cpu"):
                self.network, self.options, form = _build(name, in_channels, options or {})
        widen_depthwise(self.network)
        self.strides, self.channels = form.strides, form.channels
        self._form = form
        self.input_mean, self.input_std = _statistics(name, in_channels)
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Encoder:
        """Training or evaluation mode; a frozen encoder stays in evaluation mode."""
        super().train(mode and not self.frozen)
        return self

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """Features at every stride, finest first. The sides are multiples of the last stride."""
        given = self.network(images)
        features = [given[index] for index in self._form.taken]
        if self._form.channels_last:
            features = [level.permute(0, 3, 1, 2) for level in features]
        if self._form.exact:
            return features
        height, width = images.shape[-2:]
        return [
            functional.interpolate(level, (height // stride, width // stride), mode="bilinear", align_corners=False)
            for level, stride in zip(features, self.strides, strict=True)
        ]


@dataclass(frozen=True)
class _Form:
    """What a network's features are like."""

    taken: list[int]
    """Places in timm's list, one for each stride."""
    strides: list[int]
    channels: list[int]
    channels_last: bool
    exact: bool
    """Sides are those of the image divided by the stride; unpadded convolutions lose a few rows."""


def _build(name: str, in_channels: int, options: Mapping[str, Any]) -> tuple[nn.Module, dict[str, Any], _Form]:
    """The network, the options it was built with, and what its features are like."""
    import timm

    first_error: Exception | None = None
    for extra in _ANY_SIZE:
        used = {**extra, **options}
        try:
            network = timm.create_model(name, pretrained=False, features_only=True, in_chans=in_channels, **used)
            return network, used, _measure(network, in_channels)
        except _TIMM_ERRORS as error:
            first_error = first_error or error
    raise _unfit(name, options, first_error) from first_error


def _hides_tensors(network: nn.Module) -> bool:
    """Whether tensors without data are in it that a file of weights would not fill, such as tables of positions."""
    stored = network.state_dict()
    return any(buffer.is_meta and name not in stored for name, buffer in network.named_buffers())


def _measure(network: nn.Module, in_channels: int) -> _Form:
    strides = [int(stride) for stride in network.feature_info.reduction()]  # type: ignore[union-attr,operator]
    if any(stride.bit_count() != 1 for stride in strides) or strides != sorted(strides):
        raise ValueError(f"its features have the strides {', '.join(map(str, strides))}, which are no powers of two")
    # The smallest picture it can meet: `pad_to_stride` makes no smaller one.
    height, width = strides[-1], 2 * strides[-1]
    with torch.no_grad():
        features = network.eval()(torch.zeros(1, in_channels, height, width))
    sizes = [(height // stride, width // stride) for stride in strides]
    taken = [index for index, stride in enumerate(strides) if stride not in strides[index + 1 :]]
    last = all(level.shape[1:3] == size for level, size in zip(features, sizes, strict=True))
    return _Form(
        taken=taken,
        strides=[strides[index] for index in taken],
        channels=[features[index].shape[3 if last else 1] for index in taken],
        channels_last=last,
        exact=last or all(level.shape[2:4] == size for level, size in zip(features, sizes, strict=True)),
    )


def _statistics(name: str, in_channels: int) -> tuple[list[float], list[float]]:
    from timm.models import get_pretrained_cfg

    described = get_pretrained_cfg(name)
    if described is None:
        return [0.5] * in_channels, [0.5] * in_channels
    return spread(described.mean, in_channels), spread(described.std, in_channels)


def spread(values: Sequence[float], channels: int) -> list[float]:
    """One value per channel: `values` themselves, or their average for every channel.

    Example:
        >>> spread([0.2, 0.4, 0.6], 3), spread([0.5], 2)
        ([0.2, 0.4, 0.6], [0.5, 0.5])
    """
    return list(values) if len(values) == channels else [sum(values) / len(values)] * channels


def _check(name: str, in_channels: int, options: Mapping[str, Any]) -> None:
    import timm

    if in_channels < 1:
        raise ConfigError(
            "in_channels is 1 or more", f"in_channels = {in_channels}", "1 for grey images, 3 for colour."
        )
    reserved = [key for key in options if key in _RESERVED]
    if reserved:
        raise ConfigError(
            "encoder_options shape the network",
            f"encoder_options: {', '.join(reserved)}",
            "Leave them out: weights are given by pretrained and encoder_weights, channels by the pictures.",
        )
    if name.partition(".")[0] not in timm.list_models():
        raise ConfigError(
            "encoder is a network of timm",
            f"encoder = '{name}'",
            f"{near_encoders(name)}timm.list_models() lists them all.",
        )
    tags = timm.list_pretrained(f"{name.partition('.')[0]}.*")
    if "." in name and name not in tags:
        raise ConfigError(
            f"'{name}' names weights that timm has",
            f"encoder = '{name}'",
            f"Leave out what follows the dot, or choose one of {', '.join(tags)}."
            if tags
            else "Leave out what follows the dot.",
        )


def find_encoder(name: str) -> str | None:
    """The network of timm that a name means; None where it has none.

    timm writes the width of some families behind their name: `mobilenetv2` alone means `mobilenetv2_100`, the usual
    width.

    Example:
        >>> find_encoder("resnet34"), find_encoder("mobilenetv2"), find_encoder("renset34")
        ('resnet34', 'mobilenetv2_100', None)
    """
    import timm

    return next((known for known in (name, f"{name}_100") if known.partition(".")[0] in timm.list_models()), None)


def near_encoders(name: str) -> str:
    """The nearest names of networks that do fit, as the beginning of a sentence; may be empty."""
    import timm

    near: list[str] = []
    for candidate in get_close_matches(name, timm.list_models(), n=3 * _NEAR, cutoff=0.5):
        if len(near) < _NEAR and _fits(candidate):
            near.append(candidate)
    return f"Did you mean {' or '.join(repr(found) for found in near)}? " if near else ""


def _fits(name: str) -> bool:
    try:
        with torch.device("meta"):
            _build(name, 3, {})
    except ConfigError:
        return False
    return True


def _unfit(name: str, options: Mapping[str, Any], error: Exception | None) -> ConfigError:
    _log.debug("timm cannot give features of %s", name, exc_info=error)
    settings = f" with encoder_options {options}" if options else ""
    return ConfigError(
        "encoder is a network of timm that gives features of pictures of any size",
        f"encoder = '{name}'{settings}: {type(error).__name__}: {error}",
        "Choose a convolutional network, such as mobilenetv2_100, resnet34, efficientnet_b0 or convnext_tiny"
        + (", and options that its constructor has." if options else "."),
    )
