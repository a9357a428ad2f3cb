"""The plan: what is decided from the data, and why."""

import pytest

from limner.config import Config, ModelConfig, load_config
from limner.data.fingerprint import Fingerprint
from limner.data.labels import LabelMap
from limner.errors import ConfigError
from limner.training.choices import decide_network
from limner.training.plan import Plan, make_plan

BINARY = LabelMap("binary", ("background", "cell"), ((0, 0, 0), (255, 0, 0)), "values", ((0,), (255,)), (), "test")


def fingerprint(**changes: object) -> Fingerprint:
    facts = {
        "count": 100,
        "smallest": (200, 200),
        "median": (200, 200),
        "largest": (200, 200),
        "uniform_size": True,
        "channels": 3,
        "dtype": "uint8",
        "low": 0.0,
        "high": 255.0,
        "mean": (0.5,) * 3,
        "std": (0.2,) * 3,
        "class_share": {"mask": [0.8, 0.2]},
        "objects_per_picture": 1.0,
        "empty_masks": {"mask": 0},
    }
    return Fingerprint(**(facts | changes))


def plan(*overrides: str, train_count: int = 100, val_count: int = 20, **facts: object) -> Plan:
    config = load_config(overrides=["device=cpu", *overrides])
    return make_plan(
        config, fingerprint(**facts), {"mask": BINARY}, {"train": train_count, "val": val_count, "test": 0}
    )


def test_small_pictures_of_one_size_keep_it() -> None:
    made = plan(median=(200, 180))
    assert (made.fit, made.size) == ("resize", (200, 180))
    assert "own size" in made.because["size"]


def test_pictures_with_one_object_are_resized_whole() -> None:
    made = plan(median=(1280, 1918), smallest=(1280, 1918), largest=(1280, 1918))
    assert made.fit == "resize"
    assert made.size == (160, 256)


def test_pictures_with_many_objects_are_cropped_at_their_own_scale() -> None:
    made = plan(median=(520, 696), largest=(1040, 1388), uniform_size=False, objects_per_picture=40.0)
    assert (made.fit, made.size) == ("native", (256, 256))
    assert "40" in made.because["fit"]


LARGE = {"median": (1024, 2048), "smallest": (1024, 2048), "largest": (1024, 2048)}


def test_objects_that_resizing_makes_very_small_are_said() -> None:
    # Resized to 128×256 is an eighth: of 33 pixels 4.1 are left, of 31 3.9.
    assert "small" not in plan(object_widths=(0.0, 33.0), **LARGE).because["size"]
    made = plan(object_widths=(0.0, 31.0), **LARGE)
    assert (made.fit, made.size) == ("resize", (128, 256))
    assert made.because["size"].endswith("; very small then: cell 31 pixels wide, 3.9 at 128×256")
    assert "small" not in plan("data.fit=native", object_widths=(0.0, 31.0), **LARGE).because["size"]


def test_what_is_small_in_the_pictures_themselves_is_not_said() -> None:
    assert plan(object_widths=(0.0, 2.0)).because["size"] == "the pictures' own size"


def test_settings_win_over_choices() -> None:
    made = plan("data.size=[64,96]", "batch=3", "epochs=7", "loss=focal", "lr=0.1", "conv_sizes=[4,8]", "fit=native")
    assert (made.size, made.batch, made.epochs, made.lr, made.conv_sizes) == ((64, 96), 3, 7, 0.1, (4, 8))
    assert made.losses == {"mask": "focal"}
    assert made.because["batch"] == "set"


def test_the_unet_has_its_usual_settings() -> None:
    made = plan()
    assert made.network == {
        "norm": "batch",
        "dropout": 0.0,
        "up": "transpose",
        "deep_supervision": False,
        "shared_levels": None,
    }
    assert made.because["network"] == "what is usual for unet"
    assert (made.memory_format, made.losses) == ("channels_last", {"mask": "bce+dice"})


def test_the_improved_unet_is_trained_as_published() -> None:
    made = plan("model.name=improved_unet")
    assert made.conv_sizes == (16, 32, 64, 128, 256)
    assert made.network == {"norm": "instance", "dropout": 0.3, "deep_supervision": False}
    assert (made.memory_format, made.losses) == ("contiguous", {"mask": "dice"})
    assert "published" in made.because["conv_sizes"]
    assert "published" in made.because["losses"]


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_the_improved_unet_is_as_wide_on_every_device(device: str) -> None:
    (conv_sizes, _), _ = decide_network(ModelConfig(name="improved_unet"), device)
    assert conv_sizes == (16, 32, 64, 128, 256)


def test_settings_of_the_network_win_over_its_usual_ones() -> None:
    made = plan("model.name=improved_unet", "norm=batch", "dropout=0", "conv_sizes=[8,16]", "loss=bce")
    assert made.network == {"norm": "batch", "dropout": 0.0, "deep_supervision": False}
    assert made.because["network"] == "set: norm, dropout; else what is usual for improved_unet"
    assert (made.conv_sizes, made.memory_format, made.losses) == ((8, 16), "channels_last", {"mask": "bce"})


@pytest.mark.parametrize(
    ("override", "words"), [("model.name=improved-unet", "improved_unet"), ("model.up=bilinear", "up")]
)
def test_what_the_network_does_not_have_is_refused_before_training(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan("model.name=improved_unet", override)


def test_the_unet_is_no_deeper_than_its_size_allows() -> None:
    assert plan("data.size=[256,160]").conv_sizes == (16, 32, 64, 128, 256)
    made = plan("data.size=[256,40]")
    assert made.conv_sizes == (16, 32, 64)
    assert "3 levels" in made.because["conv_sizes"]
    assert plan("data.size=[32,32]", "conv_sizes=[4,4,4,4,4]").conv_sizes == (4,) * 5


def test_a_third_of_the_crops_lies_around_foreground_unless_set() -> None:
    assert plan("data.fit=native").foreground_crops == 0.33
    assert "without effect" in plan("data.fit=resize").because["foreground_crops"]
    assert plan("foreground_crops=0.8").foreground_crops == 0.8


def test_few_samples_are_passed_several_times_an_epoch() -> None:
    made = plan(train_count=14)
    assert made.passes * 14 >= 50 * made.batch
    assert "14" in made.because["passes"]


def test_a_batch_is_never_larger_than_the_training_samples() -> None:
    assert plan(train_count=3, median=(32, 32)).batch == 3


def test_a_time_budget_replaces_early_stopping() -> None:
    made = plan("time=15m")
    assert made.seconds == 900
    assert made.patience == 0
    assert plan().patience > 0


def test_augmentation_keys_change_the_preset() -> None:
    made = plan("augment.preset=light", "augment.flip_v=true")
    assert made.augmentation().flip_v
    assert made.augmentation().rotate == 7.0


def test_the_saved_plan_is_read_back_exactly() -> None:
    made = plan("time=1h")
    assert Plan.from_yaml(made.to_yaml()) == made


def test_every_choice_has_a_reason() -> None:
    made = plan()
    assert all(made.because.values())


def test_the_plan_says_what_mask_values_stand_for() -> None:
    nuclei = LabelMap(
        "binary", ("background", "nucleus"), ((0, 0, 0), (9, 9, 9)), "values", ((0,), (255,)), because="0 and 255 alone"
    )
    depth = LabelMap("regression", (), (), "values", (), unit="m")
    made = make_plan(
        load_config(overrides=["device=cpu"]),
        fingerprint(),
        {"mask": nuclei, "depth": depth},
        {"train": 10, "val": 2, "test": 0},
    )
    assert made.masks == {"mask": "0 → background, 255 → nucleus", "depth": "numbers in m"}
    assert made.because["masks"].startswith("mask: 0 and 255 alone; depth: ")


def test_a_plan_from_before_it_named_masks_is_read() -> None:
    text = plan().to_yaml()
    start, end = text.index("masks:"), text.index("fit:")
    assert Plan.from_yaml(text[:start] + text[end:]).masks == {}


def test_a_plan_of_another_version_is_refused() -> None:
    with pytest.raises(ConfigError, match="differs in colour"):
        Plan.from_yaml(plan().to_yaml() + "colour: {value: 1, because: x}\n")


def test_a_device_that_is_not_there_is_refused() -> None:
    config = Config.model_validate_json('{"training": {"device": "mps"}}')
    with pytest.raises(ConfigError, match="mps"):
        make_plan(config, fingerprint(), {"mask": BINARY}, {"train": 10, "val": 2, "test": 2})


def test_a_large_validation_split_is_scored_in_part() -> None:
    assert plan(val_count=60_000).val_samples == 500
    assert plan(val_count=60).val_samples == 60
    assert plan("val_samples=5", val_count=60).val_samples == 5


def test_a_pretrained_encoder_is_the_default_of_its_model_alone() -> None:
    assert plan().encoder_weights is None
    assert plan("model.name=encoder_unet").encoder_weights == "timm"
    assert plan("model.name=encoder_unet", "pretrained=false").encoder_weights is None
    assert plan("model.name=encoder_unet", "encoder_weights=w.safetensors").encoder_weights == "w.safetensors"
    with pytest.raises(ConfigError, match="encoder_unet"):
        plan("pretrained=true")


GREY = {"channels": 1, "mean": (0.5,), "std": (0.2,)}


def test_a_pretrained_encoder_sees_grey_pictures_as_colour() -> None:
    made = plan("model.encoder=resnet18", **GREY)
    assert made.channels == 3
    assert "grey is repeated" in made.because["channels"]
    assert plan("model.encoder=resnet18", "pretrained=false", **GREY).channels == 1
    assert plan("model.encoder=resnet18", "data.channels=1", **GREY).channels == 1
    assert plan(**GREY).channels == 1


def test_channels_that_are_asked_for() -> None:
    assert plan("data.channels=3", **GREY).channels == 3
    assert plan("data.channels=1").channels == 1
    assert plan("data.channels=3", channels=4).channels == 3
    with pytest.raises(ConfigError, match="pictures of 3 channels"):
        plan("data.channels=4")


def test_an_encoder_implies_its_network() -> None:
    assert plan("encoder=resnet18", "pretrained=false").network["encoder"] == "resnet18"
    with pytest.raises(ConfigError, match="unknown: encoder"):
        plan("model.name=unet", "encoder=resnet18")
