"""Decoders: from an encoder's features at ever coarser strides back up to fine ones.

Layer: models. A level is the base-2 logarithm of a stride: level 0 has the size of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.errors import ConfigError
from limner.models.blocks import DoubleConv, check_choice, initialize_weights, make_dropout
from limner.models.cpu_gradients import upsample_bilinear

DECODERS = ("unet", "pix2pix")
_FIRST_STD = 0.02
"""Spread of the first weights of pix2pix (arXiv 1611.07004, section 6.2)."""


class Decoder(nn.Module):
    """Blocks that each double the size and join the encoder's features of that size.

    Args:
        kind: `unet`: bilinear doubling, join, two convolutions, up to level 0. `pix2pix`: transposed
            4×4 convolution, norm, ReLU, join, up to level 1; heads make the last step.
        channels: The encoder's channels by level. The highest level is the bottom; a level that is
            missing is passed without a join.
        sizes: Widths of the blocks, coarsest first, one for every level to reach; None for 16, 32, 64, …
            (`unet`) or 64, 128, 256, 512, 512, … (`pix2pix`), finest first.
        dropout: Probability in [0, 1) of zeroing a feature inside a block while training.

    Attributes:
        finest: Level of the finest output.
        widths: Channels of the outputs, finest first.

    Raises:
        ConfigError: An argument is unknown or impossible, or `sizes` has another length.
    """

    def __init__(
        self, kind: str, channels: Mapping[int, int], sizes: Sequence[int] | None = None, *, dropout: float
    ) -> None:
        super().__init__()
        check_choice("decoder", kind, DECODERS)
        bottom = max(channels)
        self.finest = 0 if kind == "unet" else 1
        self.levels = list(reversed(range(self.finest, bottom)))
        widths = list(sizes) if sizes is not None else _default_sizes(kind, len(self.levels))
        _check_sizes(widths, len(self.levels))
        block = UNetBlock if kind == "unet" else Pix2PixBlock
        self.blocks = nn.ModuleList()
        made = [channels[bottom]]
        for level, width in zip(self.levels, widths, strict=True):
            self.blocks.append(block(made[-1], channels.get(level, 0), width, dropout=dropout))
            made.append(width + (channels.get(level, 0) if kind == "pix2pix" else 0))
        self.widths = made[:0:-1]

    def forward(self, features: dict[int, Tensor], keep: int) -> list[Float[Tensor, "batch _ _ _"]]:
        """The `keep` finest outputs, finest first.

        Args:
            features: The encoder's features by level.
            keep: At least 1.
        """
        current = features[max(features)]
        kept: list[Tensor] = []
        for level, block in zip(self.levels, self.blocks, strict=True):
            current = block(current, features.get(level))
            # Forgetting the coarser levels at once keeps inference small.
            kept = [current, *kept][:keep]
        return kept


class UNetBlock(nn.Module):
    """Bilinear doubling, join, `DoubleConv`.

    Args:
        coarse: Channels of the coarser features.
        skip: Channels of the encoder's features to join; 0 for none.
        width: Channels of the output.
        dropout: See `DoubleConv`.
    """

    def __init__(self, coarse: int, skip: int, width: int, *, dropout: float) -> None:
        super().__init__()
        self.convs = DoubleConv(coarse + skip, width, norm="batch", dropout=dropout)
        self.apply(initialize_weights)

    def forward(self, features: Float[Tensor, "batch coarse _ _"], skip: Tensor | None) -> Tensor:
        """Features of twice the size, `width` channels."""
        result: Tensor = self.convs(_join(upsample_bilinear(features), skip))
        return result


class Pix2PixBlock(nn.Module):
    """Transposed 4×4 convolution of stride 2 without bias, batch norm, dropout, ReLU, join.

    Args:
        coarse: Channels of the coarser features.
        skip: Channels of the encoder's features to join; 0 for none.
        width: Channels of the convolution; the output has `width + skip`.
        dropout: Probability in [0, 1); pix2pix has 0.5.

    Source:
        Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks"
        (arXiv 1611.07004), section 6.1.1, as used for segmentation in TensorFlow's tutorial "Image
        segmentation". Deviation from the tutorial: 4×4 as in the paper instead of 3×3, because every
        pixel then gets the same number of taps.
    """

    def __init__(self, coarse: int, skip: int, width: int, *, dropout: float) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(coarse, width, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = make_dropout(dropout)
        nn.init.normal_(self.up.weight, std=_FIRST_STD)

    def forward(self, features: Float[Tensor, "batch coarse _ _"], skip: Tensor | None) -> Tensor:
        """Features of twice the size, `width + skip` channels."""
        return _join(functional.relu(self.dropout(self.norm(self.up(features)))), skip)


def _join(features: Tensor, skip: Tensor | None) -> Tensor:
    return features if skip is None else torch.cat([features, skip], dim=1)


def _default_sizes(kind: str, count: int) -> list[int]:
    finest = 16 if kind == "unet" else 64
    return [min(finest * 2**step, 512) for step in reversed(range(count))]


def _check_sizes(sizes: Sequence[int], count: int) -> None:
    if len(sizes) != count or any(width < 1 for width in sizes):
        raise ConfigError(
            f"decoder_sizes lists {count} widths of 1 or more, coarsest first: one for every doubling",
            f"decoder_sizes = {list(sizes)}",
            f"Give {count} numbers, or leave decoder_sizes out.",
        )
