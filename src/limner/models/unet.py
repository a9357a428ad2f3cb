"""The U-Net.

Layer: models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.models.blocks import DoubleConv, Up, check_channels, initialize_weights, pad_to_stride
from limner.models.heads import Heads, as_targets


class UNet(nn.Module):
    """A U: an encoder that halves the size level by level, and a decoder that restores it.

    At every level the decoder sees the encoder's features of the same size (the skip connection), so
    that it knows both what is in the picture and where its edge runs. The default is the classic
    network of 31 million parameters.

    Args:
        in_channels: Channels of the images.
        out_channels: Channels of the logits, by target name; a bare number is `{"mask": number}`.
        conv_sizes: Widths of the encoder levels, finest first. The bottleneck below them has twice
            the last width (the same width with `up="bilinear"`).
        norm: `batch`; `instance` or `group` (8 groups) where batches are small.
        dropout: Probability in [0, 1) of zeroing a feature between the two convolutions of a block.
        up: `transpose` (learned) or `bilinear`; the latter halves widths on the way up and has 44 %
            fewer parameters.
        deep_supervision: Give every decoder level heads of its own, for `forward_levels`.

    Attributes:
        stride: `2 ** len(conv_sizes)`. Any size is welcome; images whose sides are not multiples are
            padded inside by repeating their last row and column, and the logits are cut back.

    Raises:
        ConfigError: An argument is unknown or impossible.

    Example:
        >>> import torch
        >>> model = UNet(3, {"mask": 2, "depth": 1}, conv_sizes=(8, 16))
        >>> {name: tuple(logits.shape) for name, logits in model(torch.zeros(1, 3, 25, 33)).items()}
        {'mask': (1, 2, 25, 33), 'depth': (1, 1, 25, 33)}

    Source:
        Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional Networks for Biomedical Image
        Segmentation" (arXiv 1505.04597). Deviations, as in the implementations in common use:
        convolutions are padded, so that logits have the size of the image; each is followed by a norm
        and has no bias; dropout, if any, is in every block and not only at the end of the encoder; the
        weighted border loss of the paper belongs to the loss. `up="bilinear"` interpolates between
        pixel centres (`align_corners=False`), so that the result does not depend on the size.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int | Mapping[str, int] = 1,
        conv_sizes: Sequence[int] = (64, 128, 256, 512),
        *,
        norm: str = "batch",
        dropout: float = 0.0,
        up: str = "transpose",
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        check_channels(in_channels, conv_sizes)
        targets = as_targets(out_channels)
        widths = list(conv_sizes)
        # Without a transposed convolution to halve the channels, each level hands up the width above it.
        rising = [*widths, 2 * widths[-1]] if up == "transpose" else [widths[0], *widths]
        levels = range(len(widths))
        self.stride = 2 ** len(widths)
        self.encoder = nn.ModuleList(
            DoubleConv(before, width, norm=norm, dropout=dropout)
            for before, width in zip([in_channels, *widths], widths, strict=False)
        )
        self.bottleneck = DoubleConv(widths[-1], rising[-1], norm=norm, dropout=dropout)
        self.decoder = nn.ModuleList(
            Up(rising[level + 1], widths[level], rising[level], up=up, norm=norm, dropout=dropout)
            for level in reversed(levels)
        )
        self.heads = nn.ModuleList(Heads(rising[level], targets) for level in levels[: None if deep_supervision else 1])
        self.apply(initialize_weights)

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> dict[str, Float[Tensor, "batch _ height width"]]:
        """Logits of every target at the size of the images."""
        height, width = images.shape[-2:]
        features = self._decode(images, levels=1)[0]
        return {name: logits[..., :height, :width] for name, logits in self.heads[0](features).items()}

    def forward_levels(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> dict[str, list[Float[Tensor, "batch _ _ _"]]]:
        """Logits of every target at every level that has heads, finest first.

        Level i has a side of `ceil(side / 2**i)`; its cell (y, x) covers the input's pixels from
        `(y * 2**i, x * 2**i)`. Without deep supervision there is level 0 alone, as in `forward`.
        """
        height, width = images.shape[-2:]
        results: dict[str, list[Tensor]] = {}
        for level, features in enumerate(self._decode(images, levels=len(self.heads))):
            rows, columns = -(-height // 2**level), -(-width // 2**level)
            for name, logits in self.heads[level](features).items():
                results.setdefault(name, []).append(logits[..., :rows, :columns])
        return results

    def _decode(self, images: Tensor, *, levels: int) -> list[Tensor]:
        """Features of the finest `levels` decoder levels, finest first, at the padded size."""
        features = pad_to_stride(images, self.stride)
        skips: list[Tensor] = []
        for block in self.encoder:
            skips.append(block(features))
            features = functional.max_pool2d(skips[-1], 2)
        features = self.bottleneck(features)
        kept: list[Tensor] = []
        for block in self.decoder:
            features = block(features, skips.pop())
            # Forgetting the coarser levels at once keeps inference small.
            kept = [features, *kept][:levels]
        return kept
