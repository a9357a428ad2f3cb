"""The improved U-Net: residual context modules on the way down, a summed segmentation on the way up.

Layer: models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.errors import ConfigError
from limner.models.blocks import check_channels, initialize_weights, pad_to_stride
from limner.models.heads import Heads, as_targets
from limner.models.improved_modules import (
    ContextLevel,
    LocalizationModule,
    NormActivation,
    UpsamplingModule,
    convolution,
    upscale,
)

SEGMENTED_LEVELS = 3
"""Finest levels of the way up that have a segmentation layer."""


class ImprovedUNet(nn.Module):
    """The U-Net of the third place in the brain tumour challenge BraTS 2017, for pictures.

    Made for little data and small batches: context modules add to what they are given instead of
    replacing it, dropout keeps them from learning by heart, instance norm looks at one picture at a
    time. Three levels of the way up are segmented; each segmentation is doubled in size and added to
    the next finer one. That sum is the paper's deep supervision: the loss of the finest sum reaches the
    coarser layers directly. The default has 3.19 million parameters, a tenth of the classic U-Net.

    Args:
        in_channels: Channels of the images.
        out_channels: Channels of the logits, by target name; a bare number is `{"mask": number}`.
        conv_sizes: Widths of the levels, finest first, two or more. The last is the lowest level: there
            is no wider bottleneck below it.
        norm: `instance`, as in the paper; `batch`; or `group` (8 groups).
        dropout: Probability in [0, 1) of zeroing a feature between the two convolutions of a context module.
        deep_supervision: Also return the sums before the finest from `forward_levels`, to be trained with
            losses of their own. The paper does not; it takes no parameter more.

    Attributes:
        stride: `2 ** (len(conv_sizes) - 1)`. Any size is welcome; images whose sides are not multiples are
            padded inside by repeating their last row and column, and the logits are cut back.

    Raises:
        ConfigError: An argument is unknown or impossible.

    Example:
        >>> import torch
        >>> model = ImprovedUNet(3, {"mask": 2, "depth": 1}, conv_sizes=(8, 16, 32))
        >>> {name: tuple(logits.shape) for name, logits in model(torch.zeros(1, 3, 25, 33)).items()}
        {'mask': (1, 2, 25, 33), 'depth': (1, 1, 25, 33)}

    Source:
        Isensee, Kickingereder, Wick, Bendszus and Maier-Hein 2018, "Brain Tumor Segmentation and
        Radiomics Survival Prediction: Contribution to the BRATS 2017 Challenge" (arXiv 1802.10508),
        figure 1. Deviations: two dimensions instead of three; logits instead of a softmax, which belongs
        to the loss; any number of levels from two, any widths, and other norms on request; sizes that
        do not halve evenly are padded. Where the paper is silent: the output of a context module is
        normalised and activated once, before both the skip connection and the next level; segmentations
        are doubled by repeating, as features are; convolutions have no bias, because a norm follows each,
        but segmentation layers have one; dropout zeroes single numbers and not whole channels; norms have
        a learned scale and shift. The code the authors entered the challenge with differs from the
        paper: it leaves norms out of the first level, and has one more 1×1 convolution after the lowest
        up-sampling, a mistake by their own account (github.com/MIC-DKFZ/BraTS2017, issues 3 and 4). Here
        it is as in the paper.
    """

    sums_heads = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int | Mapping[str, int] = 1,
        conv_sizes: Sequence[int] = (16, 32, 64, 128, 256),
        *,
        norm: str = "instance",
        dropout: float = 0.3,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        check_channels(in_channels, conv_sizes)
        _check_levels(conv_sizes)
        targets = as_targets(out_channels)
        widths = list(conv_sizes)
        finest = widths[0]
        self.stride = 2 ** (len(widths) - 1)
        self.encoder = nn.ModuleList(
            ContextLevel(before, width, stride=2 if level else 1, norm=norm, dropout=dropout)
            for level, (before, width) in enumerate(zip([in_channels, *widths], widths, strict=False))
        )
        self.upsampling = nn.ModuleList(
            UpsamplingModule(coarse, width, norm=norm) for width, coarse in _pairs_upwards(widths)
        )
        self.localization = nn.ModuleList(
            LocalizationModule(2 * width, width, norm=norm) for width in reversed(widths[1:-1])
        )
        # At the finest level nothing is left to reduce the channels for.
        self.localization.append(
            nn.Sequential(convolution(2 * finest, 2 * finest), NormActivation(2 * finest, norm=norm))
        )
        segmented = [2 * finest, *widths[1:-1]][:SEGMENTED_LEVELS]
        self.heads = nn.ModuleList(Heads(width, targets) for width in segmented)
        self._kept = len(segmented) if deep_supervision else 1
        self.apply(initialize_weights)

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> dict[str, Float[Tensor, "batch _ height width"]]:
        """Logits of every target at the size of the images."""
        height, width = images.shape[-2:]
        return {name: logits[..., :height, :width] for name, logits in self._sums(images)[0].items()}

    def forward_levels(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> dict[str, list[Float[Tensor, "batch _ _ _"]]]:
        """Logits of every target: the finest sum, then with deep supervision the coarser sums it is made of.

        Level i has a side of `ceil(side / 2**i)`; its cell (y, x) covers the input's pixels from
        `(y * 2**i, x * 2**i)`. Without deep supervision there is level 0 alone, as in `forward`.
        """
        height, width = images.shape[-2:]
        results: dict[str, list[Tensor]] = {}
        for level, sums in enumerate(self._sums(images)[: self._kept]):
            rows, columns = -(-height // 2**level), -(-width // 2**level)
            for name, logits in sums.items():
                results.setdefault(name, []).append(logits[..., :rows, :columns])
        return results

    def _sums(self, images: Tensor) -> list[dict[str, Tensor]]:
        """Summed logits of every segmented level, finest first, at the padded size."""
        sums: list[dict[str, Tensor]] = []
        for head, features in zip(reversed(self.heads), self._localize(images), strict=True):
            logits: dict[str, Tensor] = head(features)
            if sums:
                logits = {name: value + upscale(sums[0][name]) for name, value in logits.items()}
            sums.insert(0, logits)
        return sums

    def _localize(self, images: Tensor) -> list[Tensor]:
        """Features of the segmented levels of the way up, coarsest first, at the padded size."""
        features = pad_to_stride(images, self.stride)
        skips: list[Tensor] = []
        for level in self.encoder:
            features = level(features)
            skips.append(features)
        skips.pop()
        localized: list[Tensor] = []
        for up, localize in zip(self.upsampling, self.localization, strict=True):
            features = localize(torch.cat([skips.pop(), up(features)], dim=1))
            localized.append(features)
        return localized[-len(self.heads) :]


def _pairs_upwards(widths: list[int]) -> list[tuple[int, int]]:
    """(finer, coarser) of every two neighbouring levels, from the lowest up."""
    return list(pairwise(widths))[::-1]


def _check_levels(conv_sizes: Sequence[int]) -> None:
    if len(conv_sizes) < 2:
        raise ConfigError(
            "conv_sizes of the improved U-Net lists two levels or more",
            f"conv_sizes = {list(conv_sizes)}",
            "[16, 32, 64, 128, 256] is the published network.",
        )
