from __future__ import annotations

import pytest
import torch

from limner.errors import ConfigError
from limner.models import EncoderUNet, create_model

SMALL = {"encoder": "test_resnet", "decoder_sizes": (16, 16, 8, 8, 8)}


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        # 1,811,712 are the encoder's; transposed convolutions have 16 taps, norms two numbers per channel:
        # 320·128 + (128+96)·64 + (64+32)·32 + (32+24)·16 weights of 16 taps, 2·240 of norms, head (16+16)·3·16 + 3.
        ({"decoder": "pix2pix", "decoder_sizes": (128, 64, 32, 16)}, 1_811_712 + 948_704 + 1_539),
        ({"decoder": "pix2pix"}, 7_674_755),
        ({"decoder": "unet"}, 4_004_851),
    ],
)
def test_parameters_are_pinned(settings, parameters):
    assert count(EncoderUNet(3, 3, encoder="mobilenetv2_100", **settings)) == parameters


def test_the_decoder_of_the_spine_project_by_hand():
    taps = 16 * (320 * 128 + (128 + 96) * 64 + (64 + 32) * 32 + (32 + 24) * 16)
    assert taps + 2 * (128 + 64 + 32 + 16) == 948_704


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ("test_convnext", "unet"),  # no stride 2
        ("test_convnext", "pix2pix"),
        ("test_mambaout", "unet"),  # channels last
        ("test_vit", "unet"),  # stride 16 alone
        ("test_vit", "pix2pix"),
        ("vgg11", "pix2pix"),  # stride 1, which this decoder has no use for
        ("swin_tiny_patch4_window7_224", "unet"),
        ("legacy_xception", "unet"),  # unpadded
    ],
)
def test_encoders_of_other_shapes_work_at_any_size(encoder, decoder):
    model = EncoderUNet(2, {"mask": 3}, encoder=encoder, decoder=decoder, deep_supervision=True).eval()
    images = torch.rand(1, 2, 45, 70)
    levels = model.forward_levels(images)["mask"]
    assert [tuple(level.shape) for level in levels[:3]] == [(1, 3, 45, 70), (1, 3, 23, 35), (1, 3, 12, 18)]
    torch.testing.assert_close(levels[0], model(images)["mask"])


@pytest.mark.parametrize("encoder", ["test_resnet", "test_vit", "swin_tiny_patch4_window7_224"])
def test_a_model_built_without_data_works_once_it_has_its_weights(encoder):
    model = EncoderUNet(3, 1, encoder=encoder).eval()
    with torch.device("meta"):
        other = EncoderUNet(3, 1, encoder=encoder).eval()
    other.load_state_dict(model.state_dict(), assign=True)
    images = torch.rand(1, 3, 40, 70)
    torch.testing.assert_close(other(images), model(images), rtol=0, atol=0)


def test_a_frozen_encoder_is_bit_identical_after_training_and_the_decoder_is_not():
    torch.manual_seed(0)
    model = EncoderUNet(3, 1, **SMALL, freeze_encoder=True)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    model.train()
    for _ in range(2):
        model(torch.rand(2, 3, 40, 40))["mask"].square().mean().backward()
        optimizer.step()
    same = {key for key, value in model.state_dict().items() if torch.equal(value, before[key])}
    assert {key for key in before if key.startswith("encoder.")} <= same
    assert all(key.startswith("encoder.") for key in same)


def test_statistics_are_the_encoders_unless_given():
    assert EncoderUNet(3, 1, encoder="mobilenetv2_035").input_mean == [0.485, 0.456, 0.406]
    model = EncoderUNet(3, 1, **SMALL, input_mean=0.25, input_std=(0.1, 0.2, 0.3))
    assert (model.input_mean, model.input_std) == ([0.25, 0.25, 0.25], [0.1, 0.2, 0.3])


def test_new_models_start_from_random_weights_of_their_own():
    model = create_model("encoder_unet", in_channels=1, out_channels=2, **SMALL)
    other = create_model("encoder_unet", in_channels=1, out_channels=2, **SMALL)
    assert not torch.equal(model.encoder.network.conv1[0].weight, other.encoder.network.conv1[0].weight)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"in_channels": 0}, "in_channels"),
        ({"out_channels": 0}, "out_channels"),
        ({"decoder": "pix2pics"}, "Did you mean 'pix2pix'"),
        ({"decoder_sizes": (8,)}, "lists 5 widths"),
        ({"dropout": 1.0}, "dropout"),
        ({"encoder": "resnet18x"}, "resnet18"),
        ({"input_mean": (0.5, 0.5)}, "input_mean"),
        ({"input_mean": ()}, "input_mean"),
        ({"input_std": 0.0}, "input_std"),
        ({"input_std": ()}, "input_std"),
    ],
)
def test_impossible_settings_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        EncoderUNet(**{**SMALL, **arguments})
