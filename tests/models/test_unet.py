from __future__ import annotations

import pytest
import torch

from limner.errors import ConfigError
from limner.models import UNet


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("up", "parameters"), [("transpose", 31_037_698), ("bilinear", 17_263_042)])
def test_the_classic_network_has_the_parameters_of_the_common_implementation(up, parameters):
    with torch.device("meta"):
        assert count(UNet(3, 2, (64, 128, 256, 512), up=up)) == parameters


def test_widths_double_once_more_below_the_last_level():
    with torch.device("meta"):
        model = UNet(1, 1, (8, 16, 24))
    assert model.stride == 8
    assert [block.first.out_channels for block in model.encoder] == [8, 16, 24]
    assert model.bottleneck.second.out_channels == 48


def test_two_targets_cost_two_heads_and_no_second_body():
    with torch.device("meta"):
        assert count(UNet(3, {"mask": 2, "depth": 1}, (8, 16))) - count(UNet(3, 2, (8, 16))) == 8 + 1


def test_targets_may_be_called_like_methods_of_a_container():
    model = UNet(1, {"values": 1, "type": 1}, (8,))
    assert set(model(torch.rand(2, 1, 4, 4))) == {"values", "type"}


def test_first_weights_keep_the_logits_in_a_sane_range():
    torch.manual_seed(0)
    logits = UNet(3, 2, (16, 32, 64))(torch.randn(4, 3, 64, 64))["mask"]
    assert 0.1 < logits.std() < 3


def test_padding_on_the_right_leaves_what_is_far_from_it_alone():
    torch.manual_seed(0)
    model = UNet(1, 1, (8, 16)).eval()
    images = torch.rand(1, 1, 64, 130)
    torch.testing.assert_close(model(images)["mask"][..., :80], model(images[..., :128])["mask"][..., :80])


def test_scene_and_background_give_mask_and_depth_with_the_parameters_of_the_depth_project():
    with torch.device("meta"):
        model = UNet(6, {"mask": 1, "depth": 1}, up="bilinear", shared_levels=3)
    assert count(model) == 33_381_378
    assert count(model.encoder) + sum(count(branch) for branch in model.branches.values()) == count(model)


def test_without_shared_levels_weights_are_called_as_ever():
    names = {name.split(".")[0] for name in UNet(1, {"a": 1, "b": 1}, (4, 8)).state_dict()}
    assert names == {"encoder", "bottleneck", "decoder", "heads"}


@pytest.mark.parametrize("shared", [1, 2, 3])
def test_a_target_sees_its_own_branch_and_the_shared_levels_alone(shared):
    torch.manual_seed(0)
    model = UNet(1, {"mask": 1, "depth": 1}, (4, 8, 8), shared_levels=shared)
    assert len(model.encoder) == shared
    model(torch.rand(2, 1, 16, 16))["mask"].sum().backward()
    learned = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learned == {name for name, _ in model.named_parameters() if not name.startswith("branches.to_depth.")}


def test_one_branch_gives_what_a_network_of_its_own_would():
    torch.manual_seed(0)
    model = UNet(1, {"mask": 1, "depth": 2}, (4, 8, 8), shared_levels=2).eval()
    alone = UNet(1, {"depth": 2}, (4, 8, 8)).eval()
    branch = model.branches["to_depth"]
    alone.encoder.load_state_dict(torch.nn.ModuleList([*model.encoder, *branch.encoder]).state_dict())
    for part in ("bottleneck", "decoder", "heads"):
        getattr(alone, part).load_state_dict(getattr(branch, part).state_dict())
    images = torch.rand(1, 1, 17, 30)
    torch.testing.assert_close(model(images)["depth"], alone(images)["depth"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"conv_sizes": ()}, "conv_sizes"),
        ({"conv_sizes": (8, 0)}, "conv_sizes"),
        ({"in_channels": 0}, "in_channels"),
        ({"out_channels": 0}, "out_channels"),
        ({"out_channels": {}}, "target"),
        ({"out_channels": {"a.b": 1}}, "a.b"),
        ({"out_channels": {"": 1}}, "name"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"norm": "bach"}, "Did you mean 'batch'"),
        ({"up": "bilinar"}, "Did you mean 'bilinear'"),
        ({"norm": "group", "conv_sizes": (12, 24)}, "multiple of 8"),
        ({"out_channels": {"a": 1, "b": 1}, "shared_levels": 0}, "from 1 to 1"),
        ({"out_channels": {"a": 1, "b": 1}, "shared_levels": 2}, "from 1 to 1"),
        ({"shared_levels": 1}, "mask alone"),
    ],
)
def test_impossible_settings_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        UNet(**{"conv_sizes": (8,), **arguments})
