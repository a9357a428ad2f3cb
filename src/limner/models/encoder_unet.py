"""The U-Net on an encoder of timm.

Layer: models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from limner.errors import ConfigError
from limner.models.blocks import initialize_weights, pad_to_stride
from limner.models.decoders import Decoder
from limner.models.encoders import Encoder, spread
from limner.models.heads import Heads, as_targets


class EncoderUNet(nn.Module):
    """A U whose way down is a network of timm, for weights that have seen a million pictures already.

    The weights of a new one are random, those of the encoder too; `load_encoder_weights` brings
    pretrained ones. So a model that is rebuilt for weights of its own needs no other file.

    Args:
        in_channels: Channels of the images.
        out_channels: Channels of the logits, by target name; a bare number is `{"mask": number}`.
        encoder: Name of a timm network; see `Encoder`.
        encoder_options: Keyword arguments of its constructor, such as `{"pad_type": "same"}`, which
            weights from TensorFlow need.
        decoder: `unet` or `pix2pix`; see `Decoder`.
        decoder_sizes: Widths of the decoder, coarsest first. With the usual encoder of stride 32, five for
            `unet` (default 256, 128, 64, 32, 16) and four for `pix2pix` (default 512, 256, 128, 64).
        dropout: Probability in [0, 1) of zeroing a feature in a block of the decoder; pix2pix has 0.5.
        freeze_encoder: Train the decoder alone. The encoder's norms then keep their statistics.
        deep_supervision: Give every decoder level heads of its own, for `forward_levels`.
        input_mean: Replaces the encoder's own; one number, or one per channel.
        input_std: Likewise.

    Attributes:
        stride: The coarsest stride of the encoder, most often 32. Any size is welcome, as with `UNet`.
        input_mean, input_std: Per channel, on the [0, 1] scale: how pretrained weights want their images,
            in place of the data's own statistics. The model itself does not apply them.

    Raises:
        ConfigError: An argument is unknown or impossible.

    Example:
        >>> import torch
        >>> model = EncoderUNet(1, 3, encoder="test_resnet", decoder="pix2pix", decoder_sizes=(64, 32, 16, 8))
        >>> model(torch.zeros(1, 1, 25, 33))["mask"].shape
        torch.Size([1, 3, 25, 33])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int | Mapping[str, int] = 1,
        *,
        encoder: str = "mobilenetv2_100",
        encoder_options: Mapping[str, Any] | None = None,
        decoder: str = "unet",
        decoder_sizes: Sequence[int] | None = None,
        dropout: float = 0.0,
        freeze_encoder: bool = False,
        deep_supervision: bool = False,
        input_mean: float | Sequence[float] | None = None,
        input_std: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        targets = as_targets(out_channels)
        self.encoder = Encoder(encoder, in_channels, options=encoder_options, frozen=freeze_encoder)
        self.input_mean = _per_channel("input_mean", input_mean, self.encoder.input_mean)
        self.input_std = _per_channel("input_std", input_std, self.encoder.input_std)
        self.stride = self.encoder.strides[-1]
        self._levels = [stride.bit_length() - 1 for stride in self.encoder.strides]
        channels = dict(zip(self._levels, self.encoder.channels, strict=True))
        self.decoder = Decoder(decoder, channels, decoder_sizes, dropout=dropout)
        self.heads = nn.ModuleList(
            Heads(width, targets, double=self.decoder.finest == 1)
            for width in self.decoder.widths[: None if deep_supervision else 1]
        )
        self.heads.apply(initialize_weights)

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> dict[str, Float[Tensor, "batch _ height width"]]:
        """Logits of every target at the size of the images."""
        height, width = images.shape[-2:]
        features = self._decode(images, keep=1)[0]
        return {name: logits[..., :height, :width] for name, logits in self.heads[0](features).items()}

    def forward_levels(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> dict[str, list[Float[Tensor, "batch _ _ _"]]]:
        """Logits of every target at every level that has heads, finest first; sizes as in `UNet`."""
        height, width = images.shape[-2:]
        results: dict[str, list[Tensor]] = {}
        for level, (heads, features) in enumerate(
            zip(self.heads, self._decode(images, keep=len(self.heads)), strict=True)
        ):
            rows, columns = -(-height // 2**level), -(-width // 2**level)
            for name, logits in heads(features).items():
                results.setdefault(name, []).append(logits[..., :rows, :columns])
        return results

    def _decode(self, images: Tensor, *, keep: int) -> list[Tensor]:
        features = self.encoder(pad_to_stride(images, self.stride))
        decoded: list[Tensor] = self.decoder(dict(zip(self._levels, features, strict=True)), keep)
        return decoded


def _per_channel(key: str, given: float | Sequence[float] | None, own: list[float]) -> list[float]:
    if given is None:
        return own
    values = [float(given)] if isinstance(given, int | float) else [float(value) for value in given]
    if len(values) not in (1, len(own)) or (key == "input_std" and min(values) <= 0):
        raise ConfigError(
            f"{key} is one number or one for each of the {len(own)} channels"
            + (", above 0" if key == "input_std" else ""),
            f"{key} = {given}",
            "0.5 for pictures that run from -1 to 1.",
        )
    return spread(values, len(own))
