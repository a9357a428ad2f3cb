from __future__ import annotations

import subprocess
import sys

import pytest
import timm
import torch

from limner.errors import ConfigError
from limner.models.encoders import Encoder


@pytest.mark.parametrize(
    ("name", "strides", "channels"),
    [
        ("mobilenetv2_035", [2, 4, 8, 16, 32], [8, 8, 16, 32, 112]),
        ("test_resnet", [2, 4, 8, 16, 32], [32, 32, 48, 192, 96]),
        ("test_convnext", [4, 8, 16, 32], [24, 32, 48, 64]),
        # Transformers that are made for one size of picture unless asked for any.
        ("test_vit", [16], [64]),
        ("swin_tiny_patch4_window7_224", [4, 8, 16, 32], [96, 192, 384, 768]),
        # Its convolutions are unpadded and lose rows.
        ("legacy_xception", [2, 4, 8, 16, 32], [64, 128, 256, 728, 2048]),
        pytest.param("test_mambaout", [4, 8, 16, 32], [16, 32, 48, 64], id="channels-last"),
    ],
)
def test_features_are_those_timm_describes(name, strides, channels):
    encoder = Encoder(name, 3)
    assert (encoder.strides, encoder.channels) == (strides, channels)
    features = encoder(torch.rand(2, 3, 64, 96))
    assert [tuple(level.shape) for level in features] == [
        (2, width, 64 // stride, 96 // stride) for width, stride in zip(channels, strides, strict=True)
    ]


def test_a_new_encoder_is_in_training_mode_and_building_it_leaves_its_norms_alone():
    encoder = Encoder("test_resnet", 3)
    assert all(module.training for module in encoder.modules())
    assert all(not value.any() for key, value in encoder.named_buffers() if key.endswith("running_mean"))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_images_may_have_any_number_of_channels(channels):
    encoder = Encoder("test_resnet", channels)
    assert encoder(torch.rand(1, channels, 32, 64))[0].shape[0] == 1
    assert len(encoder.input_mean) == len(encoder.input_std) == channels


def test_statistics_are_those_of_the_pretrained_weights():
    encoder = Encoder("mobilenetv2_035", 3)
    assert encoder.input_mean == [0.485, 0.456, 0.406]
    assert encoder.input_std == [0.229, 0.224, 0.225]
    assert Encoder("mobilenetv2_035", 1).input_mean == pytest.approx([0.449])
    assert Encoder("test_resnet.r160_in1k", 3).input_mean == [0.5, 0.5, 0.5]


def test_options_reach_the_network():
    images = torch.rand(1, 3, 64, 64)
    torch.manual_seed(0)
    plain = Encoder("mobilenetv2_035", 3).eval()
    padded = Encoder("mobilenetv2_035", 3, options={"pad_type": "same"}).eval()
    padded.load_state_dict(plain.state_dict())
    reference = timm.create_model("mobilenetv2_035", features_only=True, pad_type="same").eval()
    reference.load_state_dict(plain.network.state_dict())
    assert not torch.allclose(padded(images)[-1], plain(images)[-1])
    torch.testing.assert_close(padded(images)[-1], reference(images)[-1])
    assert Encoder("test_resnet", 3, options={"out_indices": (0, 1, 2)}).strides == [2, 4, 8]
    # A dilated network gives several features of one stride; the deepest count.
    dilated = Encoder("test_resnet", 3, options={"output_stride": 8})
    assert (dilated.strides, dilated.channels) == ([2, 4, 8], [32, 32, 96])


def test_a_frozen_encoder_stays_in_evaluation_mode():
    encoder = Encoder("test_resnet", 3, frozen=True)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    encoder.train()
    assert not any(module.training for module in encoder.modules())


def test_an_unknown_name_gives_near_ones_that_fit():
    with pytest.raises(ConfigError) as caught:
        Encoder("mobilnetv2_100", 3)
    assert "'mobilenetv2_100'" in caught.value.remedy
    with pytest.raises(ConfigError) as caught:
        Encoder("levit_129", 3)
    assert "levit" not in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet18.a1_in1", {}, "resnet18.a1_in1k"),
        ("hf-hub:someone/something", {}, "network of timm"),
        ("", {}, "network of timm"),
        ("levit_128", {}, "pictures of any size"),
        ("vit_small_patch14_dinov2", {}, "no powers of two"),
        ("test_resnet", {"padtype": "same"}, "padtype"),
        ("test_resnet", {"pretrained": True}, "encoder_weights"),
        ("test_resnet", {"checkpoint_path": "weights.pth"}, "encoder_weights"),
    ],
)
def test_what_cannot_be_an_encoder_is_refused(name, options, words):
    with pytest.raises(ConfigError, match=words):
        Encoder(name, 3, options=options)


def test_models_without_an_encoder_do_not_wait_for_timm():
    code = "import sys, limner.models as m; m.UNet(3, 1, (8,)); sys.exit('timm' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
