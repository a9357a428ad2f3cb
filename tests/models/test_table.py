from __future__ import annotations

import pytest

from limner.errors import ConfigError
from limner.models import UNet, create_model, model_settings


def test_a_name_gives_its_model():
    model = create_model("unet", in_channels=1, out_channels={"mask": 3}, conv_sizes=[8, 16], norm="instance")
    assert isinstance(model, UNet)
    assert model.training


def test_an_unknown_model_names_the_nearest_and_all():
    with pytest.raises(ConfigError) as caught:
        create_model("u-net", in_channels=3, out_channels=1)
    assert caught.value.found == "the model = 'u-net'"
    assert caught.value.remedy == "Did you mean 'unet'? Choose one of unet, improved_unet, encoder_unet."


def test_an_unknown_setting_names_the_nearest_and_all():
    with pytest.raises(ConfigError) as caught:
        create_model("unet", in_channels=3, out_channels=1, conv_size=[8])
    assert caught.value.found == "unknown: conv_size"
    assert "Did you mean 'conv_sizes'?" in caught.value.remedy
    assert "dropout" in caught.value.remedy


def test_a_setting_of_another_model_is_refused():
    with pytest.raises(ConfigError, match="'improved_unet'"):
        create_model("improved_unet", in_channels=3, out_channels=1, up="transpose")


def test_settings_not_given_are_the_models_own():
    settings = model_settings("improved_unet", {"dropout": 0.1})
    assert settings == {
        "conv_sizes": (16, 32, 64, 128, 256),
        "norm": "instance",
        "dropout": 0.1,
        "deep_supervision": False,
    }
    assert model_settings("unet", {})["norm"] == "batch"
