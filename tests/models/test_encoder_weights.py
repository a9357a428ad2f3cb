from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from limner.errors import BundleError, ConfigError
from limner.models import EncoderUNet, UNet, load_encoder_weights

SIZES = {"decoder_sizes": (8, 8, 8, 8, 8)}


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """Those of a whole network that has seen pictures, classifier and all."""
    torch.manual_seed(1)
    network = timm.create_model("test_resnet")
    network(torch.rand(4, 3, 64, 64))
    return network.state_dict()


def build(encoder: str = "test_resnet", channels: int = 3, **settings) -> EncoderUNet:
    return EncoderUNet(channels, 1, encoder=encoder, **{**SIZES, **settings})


def save(weights: object, path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("encoder", ["test_resnet", "test_convnext", "mobilenetv2_035", "test_vit"])
def test_a_file_of_a_whole_network_is_loaded_exactly(encoder, suffix, tmp_path):
    torch.manual_seed(1)
    model = build(encoder, decoder_sizes=None).eval()
    whole = timm.create_model(encoder, **model.encoder.options).eval()
    path = save(whole.state_dict(), tmp_path / f"weights{suffix}")
    before = {key: value.clone() for key, value in model.state_dict().items() if not key.startswith("encoder.")}
    load_encoder_weights(model, path)
    images = torch.rand(1, 3, 64, 64)
    last = whole.forward_intermediates(images, intermediates_only=True)[-1]
    torch.testing.assert_close(model.encoder(images)[-1], last, rtol=0, atol=0)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())


def test_running_statistics_come_along_and_the_classifier_may_be_missing(weights, tmp_path):
    bare = {key: value for key, value in weights.items() if not key.startswith("fc.")}
    assert len(bare) < len(weights)
    model = build()
    load_encoder_weights(model, save(bare, tmp_path / "weights.safetensors"))
    own = model.encoder.network.state_dict()
    assert all(torch.equal(own[key], bare[key]) for key in own)
    assert own["bn1.running_mean"].any()


@pytest.mark.parametrize("prefix", ["module.", "encoder.", "model.", "backbone.", "module.encoder."])
def test_prefixes_of_training_programs_are_taken_off(prefix, weights, tmp_path):
    stored = {"epoch": 3, "state_dict": {prefix + key: value for key, value in weights.items()}}
    model = build()
    load_encoder_weights(model, save(stored, tmp_path / "checkpoint.pth"))
    assert torch.equal(model.encoder.network.state_dict()["bn1.running_mean"], weights["bn1.running_mean"])


@pytest.mark.parametrize("encoder", ["test_resnet", "test_convnext"])
def test_the_encoder_of_another_model_of_limner_can_be_taken(encoder, tmp_path):
    first, second = build(encoder), build(encoder, decoder="pix2pix", decoder_sizes=(8, 8, 8, 8))
    load_encoder_weights(second, save(first.state_dict(), tmp_path / "model.safetensors"))
    ours, theirs = second.encoder.state_dict(), first.encoder.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_grey_pictures_get_the_sum_of_the_colours(weights, tmp_path):
    path = save(weights, tmp_path / "weights.safetensors")
    colour, grey = build().eval(), build(channels=1).eval()
    load_encoder_weights(colour, path)
    load_encoder_weights(grey, path)
    images = torch.rand(1, 1, 64, 64)
    expected = colour.encoder(images.expand(-1, 3, -1, -1))[-1]
    torch.testing.assert_close(grey.encoder(images)[-1], expected, rtol=1e-4, atol=1e-5)


def test_a_frozen_encoder_stays_frozen(weights, tmp_path):
    model = build(freeze_encoder=True)
    load_encoder_weights(model, save(weights, tmp_path / "weights.safetensors"))
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())


def test_missing_and_unknown_keys_are_named(weights, tmp_path):
    weights["bn1.extra"] = weights.pop("bn1.weight")
    with pytest.raises(BundleError) as caught:
        load_encoder_weights(build(), save(weights, tmp_path / "weights.safetensors"))
    assert caught.value.details == ("missing: bn1.weight", "unknown: bn1.extra")


def test_other_shapes_are_named(weights, tmp_path):
    weights["bn1.weight"] = torch.zeros(7)
    with pytest.raises(BundleError) as caught:
        load_encoder_weights(build(), save(weights, tmp_path / "weights.safetensors"))
    assert caught.value.details == ("bn1.weight: (7,), not (32,)",)


def test_weights_of_another_network_are_refused_and_change_nothing(weights, tmp_path):
    model = build("mobilenetv2_035")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(BundleError, match="'mobilenetv2_035'"):
        load_encoder_weights(model, save(weights, tmp_path / "weights.safetensors"))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ([1, 2], "a list"),
        ({}, "a mapping"),
        ({"weights": {"a": torch.zeros(1)}}, "a mapping with weights"),
        (Path("x"), "could run code"),
    ],
)
def test_other_contents_of_a_torch_file_are_refused(stored, words, tmp_path):
    with pytest.raises(BundleError, match=words):
        load_encoder_weights(build(), save(stored, tmp_path / "weights.pt"))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\0\0\0\0\0\0\0{}", b"PK\x03\x04 broken"])
def test_files_that_are_no_weights_are_refused(content, tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(BundleError, match="weights"):
        load_encoder_weights(build(), tmp_path / "weights.safetensors")


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(BundleError, match="no such file"):
        load_encoder_weights(build(), tmp_path / "weights.safetensors")
    with pytest.raises(BundleError, match="a folder"):
        load_encoder_weights(build(), tmp_path)


def test_a_model_without_an_encoder_of_timm_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="encoder_unet"):
        load_encoder_weights(UNet(3, 1, (8,)), tmp_path / "weights.safetensors")


def test_a_network_without_published_weights_says_so():
    assert not timm.models.get_pretrained_cfg("mobilenetv2_035").has_weights
    with pytest.raises(ConfigError, match="encoder_weights=FILE"):
        load_encoder_weights(build("mobilenetv2_035"))


def test_without_internet_it_says_so_and_how_to_go_on(monkeypatch, tmp_path):
    from huggingface_hub import constants

    def refuse(*_: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    model = build()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ConfigError) as caught:
        load_encoder_weights(model)
    assert "can be fetched" in caught.value.expected
    assert "encoder_weights=FILE" in caught.value.remedy
    assert "huggingface.co/timm/test_resnet.r160_in1k" in caught.value.remedy
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_without_internet_nobody_waits_and_nothing_is_logged(monkeypatch, tmp_path, caplog):
    from huggingface_hub import constants

    def refuse(*_: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waits between attempts"))
    with pytest.raises(ConfigError, match="no connection"):
        load_encoder_weights(build())
    assert not caplog.records
    assert constants.HF_HUB_OFFLINE is False


@pytest.mark.slow
def test_the_published_file_of_mobilenet_is_loaded_exactly():
    path = Path(os.environ.get("LIMNER_DATA", ""), "weights", "mobilenetv2_100_imagenet.safetensors")
    if "LIMNER_DATA" not in os.environ or not path.is_file():
        pytest.skip("LIMNER_DATA names no folder with the weights")
    options = {"pad_type": "same"}
    model = build("mobilenetv2_100", encoder_options=options).eval()
    load_encoder_weights(model, path)
    whole = timm.create_model("mobilenetv2_100", checkpoint_path=str(path), **options).eval()
    images = torch.rand(1, 3, 96, 128)
    expected = whole.forward_intermediates(images, intermediates_only=True)
    for ours, theirs in zip(model.encoder(images), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
