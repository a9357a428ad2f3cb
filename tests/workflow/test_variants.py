"""How candidates are written, what each of them means, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import limner
from limner.config import Config, load_config
from limner.errors import ConfigError
from limner.workflow.variants import Variant, variants


def found(text: str, *more: str) -> dict[str, Variant]:
    config = load_config(None, [*more], {"experiment.compare": text})
    return {variant.name: variant for variant in variants(config)}


def settings(variant: Variant, section: str) -> dict[str, object]:
    values: dict[str, object] = getattr(variant.config, section).model_dump(exclude_unset=True)
    return values


def test_networks_encoders_and_settings() -> None:
    each = found("unet, improved_unet lr=0.01 norm=group,mobilenetv2, unet conv_sizes=[8, 16]", "epochs=3")
    assert list(each) == ["unet", "improved_unet-lr=0.01-norm=group", "mobilenetv2", "unet-conv_sizes=-8-16"]
    assert settings(each["unet"], "model") == {"name": "unet"}
    second = each["improved_unet-lr=0.01-norm=group"]
    assert settings(second, "model") == {"name": "improved_unet", "norm": "group"}
    assert settings(second, "training") == {"epochs": 3, "lr": 0.01}
    assert settings(each["mobilenetv2"], "model") == {"name": "encoder_unet", "encoder": "mobilenetv2_100"}
    assert each["unet-conv_sizes=-8-16"].config.model.conv_sizes == [8, 16]
    assert all(variant.config.experiment.compare is None for variant in each.values())


def test_settings_alone_are_put_over_those_of_all() -> None:
    each = found("loss=dice,loss='ce + dice'", "model.name=improved_unet")
    assert list(each) == ["loss=dice", "loss=-ce-+-dice"]
    assert {variant.config.model.name for variant in each.values()} == {"improved_unet"}
    assert [variant.config.training.loss for variant in each.values()] == ["dice", "ce + dice"]


def test_settings_of_the_network_go_to_those_that_have_them() -> None:
    each = found("unet,mobilenetv2_100", "model.conv_sizes=[8,16]", "model.encoder_weights=weights.safetensors")
    assert settings(each["unet"], "model") == {"name": "unet", "conv_sizes": [8, 16]}
    encoder = {"name": "encoder_unet", "encoder": "mobilenetv2_100", "encoder_weights": "weights.safetensors"}
    assert settings(each["mobilenetv2_100"], "model") == encoder
    with pytest.raises(ConfigError, match=r"model\.encoder_weights"):
        found("unet,improved_unet", "model.encoder_weights=weights.safetensors")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unet,imporved_unet", "Did you mean 'improved_unet'"),
        ("unet,renset18", "Did you mean 'resnet18'"),
        ("unet, unet", "'unet' twice"),
        ("unet", "two candidates or more"),
        ("unet improved_unet, unet", "Put a comma between candidates"),
        ("unet,unet los=dice", "training.loss"),
        ("unet,unet data.val=0.3", "compared on the same samples"),
        ("unet,unet time=5m", "every candidate gets the same share"),
        ("unet,unet training.seed=2", "for several use repeats"),
    ],
)
def test_what_is_no_candidate_is_refused_before_anything_is_read(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        limner.train(tmp_path / "nothing", out=tmp_path / "run", settings={"compare": text})
    assert not (tmp_path / "run").exists()


def test_lengths_that_differ_under_a_time_are_refused() -> None:
    with pytest.raises(ConfigError, match="the same time for all candidates"):
        found("unet,unet epochs=3", "training.time=5m")
    each = found("unet,unet epochs=3", "training.epochs=5")
    assert [variant.config.training.epochs for variant in each.values()] == [5, 3]


def test_folds_and_repeats_are_not_both(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folds, or repeats"):
        limner.train(tmp_path, settings={"repeats": 2, "data.folds": 3})


def test_every_candidate_is_checked_against_the_data_before_the_first_is_trained(cells: Path, tmp_path: Path) -> None:
    given = {"compare": "unet,unet class_weights=[1,2,3],unet norm=group", "epochs": 1, "data.check": "off"}
    with pytest.raises(ConfigError, match=r"candidate 'unet class_weights=\[1,2,3\]'.*3: \[1"):
        limner.train(cells, out=tmp_path / "run", settings=given)
    assert not (tmp_path / "run").exists()


def test_no_candidates_where_nothing_is_compared() -> None:
    assert variants(Config()) == ()
