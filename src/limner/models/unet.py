"""The U-Net.

Layer: models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.errors import ConfigError
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
        shared_levels: Finest encoder levels that all targets share. Below them each target has a branch
            of its own: the rest of the encoder, bottleneck, decoder and head; skip connections of shared
            levels come from the shared ones. None: all is shared but the heads.

    Attributes:
        stride: `2 ** len(conv_sizes)`. Any size is welcome; images whose sides are not multiples are
            padded inside by repeating their last row and column, and the logits are cut back.

        branches: By `to_TARGET`; empty where all is shared.

    Raises:
        ConfigError: An argument is unknown or impossible.

    Example:
        >>> import torch
        >>> model = UNet(3, {"mask": 2, "depth": 1}, conv_sizes=(8, 16), shared_levels=1)
        >>> {name: tuple(logits.shape) for name, logits in model(torch.zeros(1, 3, 25, 33)).items()}
        {'mask': (1, 2, 25, 33), 'depth': (1, 1, 25, 33)}

    Source:
        Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional Networks for Biomedical Image
        Segmentation" (arXiv 1505.04597). Deviations, as in the implementations in common use:
        convolutions are padded, so that logits have the size of the image; each is followed by a norm
        and has no bias; dropout, if any, is in every block and not only at the end of the encoder; the
        weighted border loss of the paper belongs to the loss. `up="bilinear"` interpolates between
        pixel centres (`align_corners=False`), so that the result does not depend on the size. Branches are not in the
        paper. With pictures of six channels (a scene and its background, side by side), the targets mask
        and depth, `up="bilinear"` and `shared_levels=3`, the default widths give 33.4 million parameters.
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
        shared_levels: int | None = None,
    ) -> None:
        super().__init__()
        check_channels(in_channels, conv_sizes)
        targets = as_targets(out_channels)
        widths = list(conv_sizes)
        shared = len(widths)
        if shared_levels is not None:
            _check_shared_levels(shared_levels, widths, targets)
            shared = shared_levels
        self.stride = 2 ** len(widths)
        self.encoder = _encoder([in_channels, *widths[:shared]], norm=norm, dropout=dropout)
        self.branches = nn.ModuleDict()
        own: dict[str, Any] = {"norm": norm, "dropout": dropout, "up": up, "deep_supervision": deep_supervision}
        if shared_levels is None:
            whole = Branch(widths, targets, shared, **own)
            self.bottleneck, self.decoder, self.heads = whole.bottleneck, whole.decoder, whole.heads
        for name, count in targets.items() if shared_levels is not None else ():
            # The prefix keeps targets named like a method of the container ("values", "type") possible.
            self.branches[f"to_{name}"] = Branch(widths, {name: count}, shared, **own)
        self.apply(initialize_weights)

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> dict[str, Float[Tensor, "batch _ height width"]]:
        """Logits of every target at the size of the images."""
        return {name: levels[0] for name, levels in self._logits(images, most=1).items()}

    def forward_levels(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> dict[str, list[Float[Tensor, "batch _ _ _"]]]:
        """Logits of every target at every level that has heads, finest first.

        Level i has a side of `ceil(side / 2**i)`; its cell (y, x) covers the input's pixels from
        `(y * 2**i, x * 2**i)`. Without deep supervision there is level 0 alone, as in `forward`.
        """
        return self._logits(images, most=None)

    def _logits(self, images: Tensor, *, most: int | None) -> dict[str, list[Tensor]]:
        """Logits by target at the `most` finest levels that have heads, cut to the images' size."""
        height, width = images.shape[-2:]
        skips: list[Tensor] = []
        features = _descend(self.encoder, pad_to_stride(images, self.stride), skips)
        results: dict[str, list[Tensor]] = {}
        parts = self._parts()
        for part in parts:
            heads = part.heads[:most]
            # The last part may let go of the skips as it uses them up.
            own = skips if part is parts[-1] else [*skips]
            for level, decoded in enumerate(_decode(part, features, own, keep=len(heads))):
                rows, columns = -(-height // 2**level), -(-width // 2**level)
                for name, logits in heads[level](decoded).items():
                    results.setdefault(name, []).append(logits[..., :rows, :columns])
        return results

    def _parts(self) -> list[UNet | Branch]:
        """What follows the shared levels: one branch per target, or the rest of the network itself."""
        return [branch for branch in self.branches.values() if isinstance(branch, Branch)] or [self]


class Branch(nn.Module):
    """What follows the shared levels of a `UNet`: the rest of the encoder, bottleneck, decoder, heads.

    Args:
        widths: Of all encoder levels, the shared ones included.
        targets: Channels of the logits, by target name.
        shared: Encoder levels that lie before it.
        norm: See `UNet`.
        dropout: See `UNet`.
        up: See `UNet`.
        deep_supervision: See `UNet`.
    """

    def __init__(
        self,
        widths: Sequence[int],
        targets: Mapping[str, int],
        shared: int,
        *,
        norm: str,
        dropout: float,
        up: str,
        deep_supervision: bool,
    ) -> None:
        super().__init__()
        # Without a transposed convolution to halve the channels, each level hands up the width above it.
        rising = [*widths, 2 * widths[-1]] if up == "transpose" else [widths[0], *widths]
        levels = range(len(widths))
        self.encoder = _encoder(widths[shared - 1 :], norm=norm, dropout=dropout)
        self.bottleneck = DoubleConv(widths[-1], rising[-1], norm=norm, dropout=dropout)
        self.decoder = nn.ModuleList(
            Up(rising[level + 1], widths[level], rising[level], up=up, norm=norm, dropout=dropout)
            for level in reversed(levels)
        )
        self.heads = nn.ModuleList(Heads(rising[level], targets) for level in levels[: None if deep_supervision else 1])


def _encoder(channels: Sequence[int], *, norm: str, dropout: float) -> nn.ModuleList:
    """A block from each number of channels to the next."""
    return nn.ModuleList(DoubleConv(before, width, norm=norm, dropout=dropout) for before, width in pairwise(channels))


def _descend(blocks: nn.ModuleList, features: Tensor, skips: list[Tensor]) -> Tensor:
    """What the blocks hand down, halved; their outputs are appended to `skips`."""
    for block in blocks:
        skips.append(block(features))
        features = functional.max_pool2d(skips[-1], 2)
    return features


def _decode(part: UNet | Branch, features: Tensor, skips: list[Tensor], *, keep: int) -> list[Tensor]:
    """Features of the `keep` finest decoder levels, finest first, at the padded size; empties `skips`."""
    if isinstance(part, Branch):
        features = _descend(part.encoder, features, skips)
    features = part.bottleneck(features)
    kept: list[Tensor] = []
    for block in part.decoder:
        features = block(features, skips.pop())
        # Forgetting the coarser levels at once keeps inference small.
        kept = [features, *kept][:keep]
    return kept


def _check_shared_levels(shared_levels: int, widths: Sequence[int], targets: Mapping[str, int]) -> None:
    if not 0 < shared_levels <= len(widths):
        raise ConfigError(
            f"shared_levels is from 1 to {len(widths)}, the levels of conv_sizes",
            f"shared_levels = {shared_levels}",
            "Leave it out to share everything but the heads.",
        )
    if len(targets) < 2:
        raise ConfigError(
            "shared_levels with two targets or more, to have a branch each",
            f"shared_levels = {shared_levels} with the target {', '.join(targets)} alone",
            "Leave shared_levels out.",
        )
