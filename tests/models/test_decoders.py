from __future__ import annotations

import pytest
import torch
from torch import nn

from limner.errors import ConfigError
from limner.models.decoders import Decoder, Pix2PixBlock

CHANNELS = {1: 4, 2: 6, 3: 8}
FEATURES = {1: torch.rand(2, 4, 8, 12), 2: torch.rand(2, 6, 4, 6), 3: torch.rand(2, 8, 2, 3)}


@pytest.mark.parametrize(
    ("kind", "sizes", "expected"),
    [
        ("unet", None, [(2, 16, 16, 24), (2, 32, 8, 12), (2, 64, 4, 6)]),
        ("unet", (9, 7, 5), [(2, 5, 16, 24), (2, 7, 8, 12), (2, 9, 4, 6)]),
        # The skip connection is joined after the block: 64 + 4 and 128 + 6.
        ("pix2pix", None, [(2, 68, 8, 12), (2, 134, 4, 6)]),
        ("pix2pix", (9, 7), [(2, 11, 8, 12), (2, 15, 4, 6)]),
    ],
)
def test_outputs_go_from_fine_to_coarse(kind, sizes, expected):
    decoder = Decoder(kind, CHANNELS, sizes, dropout=0.0)
    outputs = decoder(FEATURES, keep=9)
    assert [tuple(output.shape) for output in outputs] == expected
    assert decoder.widths == [shape[1] for shape in expected]
    assert [tuple(output.shape) for output in decoder(FEATURES, keep=1)] == expected[:1]


@pytest.mark.parametrize("kind", ["unet", "pix2pix"])
def test_a_level_without_features_is_passed_without_a_join(kind):
    decoder = Decoder(kind, {2: 6, 3: 8}, dropout=0.0)
    assert decoder({2: FEATURES[2], 3: FEATURES[3]}, keep=1)[0].shape[1] == decoder.widths[0]
    assert decoder.widths[0] in (16, 64)


def test_the_published_widths_are_the_defaults_at_five_levels():
    channels = dict.fromkeys(range(1, 6), 1)
    assert [width - 1 for width in Decoder("pix2pix", channels, dropout=0.0).widths] == [64, 128, 256, 512]
    assert Decoder("unet", channels, dropout=0.0).widths == [16, 32, 64, 128, 256]


def test_the_pix2pix_block_is_a_transposed_convolution_then_norm_then_relu():
    block = Pix2PixBlock(3, 0, 5, dropout=0.5).eval()
    features = torch.randn(2, 3, 4, 5)
    raw = nn.functional.conv_transpose2d(features, block.up.weight, stride=2, padding=1)
    expected = raw.div((1 + block.norm.eps) ** 0.5).clamp(min=0)
    torch.testing.assert_close(block(features, None), expected)
    assert block.up.weight.shape == (3, 5, 4, 4)
    assert block.up.bias is None


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("unett", {}, "Did you mean 'unet'"),
        ("unet", {"sizes": (8, 8)}, "lists 3 widths"),
        ("pix2pix", {"sizes": (8, 8, 8)}, "lists 2 widths"),
        ("unet", {"sizes": (8, 0, 8)}, "1 or more"),
        ("unet", {"dropout": 1.0}, "dropout"),
        ("pix2pix", {"dropout": -0.5}, "dropout"),
    ],
)
def test_impossible_settings_are_refused(kind, arguments, words):
    with pytest.raises(ConfigError, match=words):
        Decoder(kind, CHANNELS, **{"dropout": 0.0, **arguments})
