"""The modules of the improved U-Net: context, up-sampling, localisation.

Layer: models. They work on pictures and, with `dimensions=3`, on volumes. Described in Isensee et al. 2018
(arXiv 1802.10508); see `ImprovedUNet` for what differs.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.models.blocks import CONVOLUTIONS, make_dropout, make_norm

SLOPE = 0.01
"""Slope of the leaky ReLU below zero."""


class NormActivation(nn.Module):
    """Norm → leaky ReLU; the shape stays.

    Args:
        channels: Channels of the features.
        norm: One of `blocks.NORMS`.
        dimensions: 2 for pictures, 3 for volumes.

    Raises:
        ConfigError: `norm` is unknown or does not fit `channels`.
    """

    def __init__(self, channels: int, *, norm: str, dimensions: int = 2) -> None:
        super().__init__()
        self.norm = make_norm(norm, channels, dimensions=dimensions)

    def forward(self, features: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch channels *size"]:
        """Features of the same shape."""
        # In place is safe: no norm needs its own output to go backward.
        return functional.leaky_relu(self.norm(features), SLOPE, inplace=True)


class ContextModule(nn.Module):
    """Pre-activation residual block: norm → leaky ReLU → 3×3 → dropout → norm → leaky ReLU → 3×3, plus its input.

    Args:
        channels: Channels of the input and of the output.
        norm: One of `blocks.NORMS`.
        dropout: Probability in [0, 1) with which each number between the convolutions is zeroed while training.
        dimensions: 2 for pictures, 3 for volumes.

    Raises:
        ConfigError: `norm` is unknown or does not fit `channels`, or `dropout` is out of range.
    """

    def __init__(self, channels: int, *, norm: str, dropout: float, dimensions: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            NormActivation(channels, norm=norm, dimensions=dimensions),
            convolution(channels, channels, dimensions=dimensions),
            make_dropout(dropout),
            NormActivation(channels, norm=norm, dimensions=dimensions),
            convolution(channels, channels, dimensions=dimensions),
        )

    def forward(self, features: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch channels *size"]:
        """Features of the same shape, not yet normalised."""
        residual: Tensor = self.body(features)
        return features + residual


class ContextLevel(nn.Module):
    """One level of the way down: 3×3 convolution → context module → norm → leaky ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Step of the first convolution; 2 halves the size.
        norm: See `ContextModule`.
        dropout: See `ContextModule`.
        dimensions: See `ContextModule`.

    Raises:
        ConfigError: See `ContextModule`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, norm: str, dropout: float, dimensions: int = 2
    ) -> None:
        super().__init__()
        self.enter = convolution(in_channels, out_channels, stride=stride, dimensions=dimensions)
        self.context = ContextModule(out_channels, norm=norm, dropout=dropout, dimensions=dimensions)
        self.leave = NormActivation(out_channels, norm=norm, dimensions=dimensions)

    def forward(self, features: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch widths *_"]:
        """Features of the size of the input, divided by the stride and rounded up."""
        context: Tensor = self.leave(self.context(self.enter(features)))
        return context


class UpsamplingModule(nn.Module):
    """Doubles the size by repeating each number, then 3×3 convolution → norm → leaky ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, usually half as many.
        norm: One of `blocks.NORMS`.
        dimensions: 2 for pictures, 3 for volumes.

    Raises:
        ConfigError: `norm` is unknown or does not fit `out_channels`.
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm: str, dimensions: int = 2) -> None:
        super().__init__()
        self.convolution = convolution(in_channels, out_channels, dimensions=dimensions)
        self.leave = NormActivation(out_channels, norm=norm, dimensions=dimensions)

    def forward(self, features: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch widths *_"]:
        """Features of twice the size."""
        doubled: Tensor = self.leave(self.convolution(upscale(features)))
        return doubled


class LocalizationModule(nn.Module):
    """3×3 convolution that keeps the channels, then 1×1 that reduces them, each → norm → leaky ReLU.

    Args:
        in_channels: Channels of the input: up-sampled features and skip connection, one after the other.
        out_channels: Channels of the output, usually half as many.
        norm: One of `blocks.NORMS`.
        dimensions: 2 for pictures, 3 for volumes.

    Raises:
        ConfigError: `norm` is unknown or does not fit a width.
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm: str, dimensions: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(in_channels, in_channels, dimensions=dimensions),
            NormActivation(in_channels, norm=norm, dimensions=dimensions),
            convolution(in_channels, out_channels, size=1, dimensions=dimensions),
            NormActivation(out_channels, norm=norm, dimensions=dimensions),
        )

    def forward(self, features: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch widths *size"]:
        """Features of the same size."""
        localized: Tensor = self.body(features)
        return localized


def upscale(features: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch channels *_"]:
    """Twice the size in every dimension, each number repeated."""
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")


def convolution(
    in_channels: int, out_channels: int, *, size: int = 3, stride: int = 1, dimensions: int = 2
) -> nn.Module:
    """Convolution of `size` per dimension that keeps the size, or divides it by `stride`. The norm after it shifts."""
    kind = CONVOLUTIONS[dimensions]
    return kind(in_channels, out_channels, size, stride=stride, padding=size // 2, bias=False)
