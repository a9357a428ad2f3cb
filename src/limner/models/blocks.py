"""Parts that U-shaped networks share: convolution blocks, up-sampling, inner padding, first weights.

Layer: models. Tensors are `batch channels height width`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.errors import ConfigError, did_you_mean
from limner.models.cpu_gradients import upsample_bilinear

CONVOLUTIONS: dict[int, type[nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORMS: dict[int, type[nn.BatchNorm2d | nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE_NORMS: dict[int, type[nn.InstanceNorm2d | nn.InstanceNorm3d]] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
"""Layers whose class depends on the number of dimensions: 2 for pictures, 3 for volumes."""

NORMS = ("batch", "instance", "group")
UPS = ("transpose", "bilinear")
GROUPS = 8
"""Groups of group normalisation, so widths must be multiples of it."""


class DoubleConv(nn.Module):
    """(3×3 convolution → norm → ReLU) twice, with dropout in between; the size stays.

    The convolutions have no bias: the norm that follows would cancel it.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        middle: Channels between the two convolutions; `out_channels` when not given.
        norm: One of `NORMS`.
        dropout: Probability in [0, 1) with which each number between the two convolutions is zeroed
            while training. 0 adds no layer.

    Raises:
        ConfigError: `norm` is unknown or does not fit a width, or `dropout` is out of range.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, middle: int | None = None, norm: str, dropout: float
    ) -> None:
        super().__init__()
        middle = middle or out_channels
        self.first = nn.Conv2d(in_channels, middle, 3, padding=1, bias=False)
        self.first_norm = make_norm(norm, middle)
        self.dropout = make_dropout(dropout)
        self.second = nn.Conv2d(middle, out_channels, 3, padding=1, bias=False)
        self.second_norm = make_norm(norm, out_channels)

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch widths height width"]:
        """Features of the same size, at least 0."""
        # In place is safe: no norm needs its own output to go backward.
        features = functional.relu(self.first_norm(self.first(features)), inplace=True)
        features = self.dropout(features)
        return functional.relu(self.second_norm(self.second(features)), inplace=True)


class UpsampleBilinear(nn.Module):
    """Doubles the size by interpolation."""

    def forward(self, features: Float[Tensor, "batch channels _ _"]) -> Float[Tensor, "batch channels _ _"]:
        """Features of twice the size."""
        return upsample_bilinear(features)


class Up(nn.Module):
    """Doubles the size of coarse features, joins the skip connection, and convolves.

    Args:
        coarse: Channels of the coarser features.
        skip: Channels of the skip connection, which has twice their size.
        out_channels: Channels of the output.
        up: `transpose` learns the doubling (2×2 transposed convolution, `coarse` → `skip` channels);
            `bilinear` interpolates and keeps the channels. One of `UPS`.
        norm: See `DoubleConv`.
        dropout: See `DoubleConv`.

    Raises:
        ConfigError: An argument is unknown or out of range.
    """

    def __init__(self, coarse: int, skip: int, out_channels: int, *, up: str, norm: str, dropout: float) -> None:
        super().__init__()
        check_choice("up", up, UPS)
        self.up: nn.Module
        if up == "transpose":
            self.up = nn.ConvTranspose2d(coarse, skip, 2, stride=2)
            joined = 2 * skip
        else:
            self.up = UpsampleBilinear()
            joined = coarse + skip
        self.convs = DoubleConv(joined, out_channels, middle=joined // 2, norm=norm, dropout=dropout)

    def forward(
        self,
        features: Float[Tensor, "batch coarse half_height half_width"],
        skip: Float[Tensor, "batch skip height width"],
    ) -> Float[Tensor, "batch widths height width"]:
        """Features at the size of `skip`."""
        joined: Tensor = self.convs(torch.cat([skip, self.up(features)], dim=1))
        return joined


def make_norm(norm: str, channels: int, *, dimensions: int = 2) -> nn.Module:
    """The normalisation layer named `norm` for `channels` channels, with a learned scale and shift.

    Args:
        norm: One of `NORMS`.
        channels: Channels of the features.
        dimensions: 2 for pictures, 3 for volumes.

    Raises:
        ConfigError: `norm` is not one of `NORMS`, or `channels` cannot be cut into `GROUPS` groups.
    """
    check_choice("norm", norm, NORMS)
    if norm == "batch":
        return BATCH_NORMS[dimensions](channels)
    if norm == "instance":
        return INSTANCE_NORMS[dimensions](channels, affine=True)
    if channels % GROUPS:
        raise ConfigError(
            f"with norm = group every width is a multiple of {GROUPS}",
            f"a layer of {channels} channels",
            f"Choose multiples of {GROUPS} for conv_sizes, or norm = instance.",
        )
    return nn.GroupNorm(GROUPS, channels)


def make_dropout(dropout: float) -> nn.Module:
    """The layer that zeroes each number with probability `dropout` while training; 0 gives one that does nothing.

    Raises:
        ConfigError: `dropout` is not in [0, 1).
    """
    if not 0 <= dropout < 1:
        raise ConfigError("dropout is in [0, 1)", f"dropout = {dropout}", "0.1 to 0.5 are usual; 0 turns it off.")
    return nn.Dropout(dropout) if dropout > 0 else nn.Identity()


def check_channels(in_channels: int, conv_sizes: Sequence[int]) -> None:
    """Refuse images without channels, and widths that are missing or below 1.

    Raises:
        ConfigError: One of them is so.
    """
    if in_channels < 1:
        raise ConfigError(
            "in_channels is 1 or more", f"in_channels = {in_channels}", "1 for grey images, 3 for colour."
        )
    if len(conv_sizes) == 0 or any(width < 1 for width in conv_sizes):
        raise ConfigError(
            "conv_sizes lists one width of 1 or more per level",
            f"conv_sizes = {list(conv_sizes)}",
            "[64, 128, 256, 512] is the classic network; [16, 32, 64] a small one.",
        )


def check_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a `value` of the setting `key` that is none of `choices`.

    Raises:
        ConfigError: It is none of them; the message names the nearest and all.
    """
    if value not in choices:
        remedy = f"{did_you_mean(value, choices)}Choose one of {', '.join(choices)}."
        raise ConfigError(f"{key} is a known choice", f"{key} = '{value}'", remedy)


def pad_to_stride(
    images: Float[Tensor, "batch channels height width"], stride: int
) -> Float[Tensor, "batch channels padded_height padded_width"]:
    """Repeat the last row and column until both sides are multiples of `stride`.

    Padding goes below and to the right, so that pixel (y, x) of the input lies in cell
    (y // 2**i, x // 2**i) of level i. A picture that would shrink to one single cell gets a second:
    no norm can be computed over one number.
    """
    height, width = images.shape[-2:]
    bottom, right = -height % stride, -width % stride
    if height <= stride and width <= stride:
        right += stride
    if bottom == 0 and right == 0:
        return images
    return functional.pad(images, (0, right, 0, bottom), mode="replicate")


def initialize_weights(module: nn.Module) -> None:
    """Random first weights that keep the variance of the features; use as `model.apply(initialize_weights)`.

    He et al. 2015, "Delving Deep into Rectifiers" (arXiv 1502.01852), equation 10, for convolutions
    before a ReLU. Transposed convolutions have no ReLU after them and one tap per output pixel, so
    their variance is 1 / channels in. Weights on the meta device have no values and are left alone:
    torch imports its compiler to draw none, which takes seconds.
    """
    if not isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d) or module.weight.is_meta:
        return
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    else:
        nn.init.normal_(module.weight, std=module.in_channels**-0.5)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
