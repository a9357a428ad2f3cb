from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from limner.models.improved_modules import ContextLevel, ContextModule, LocalizationModule, UpsamplingModule


def test_context_module_adds_to_what_it_is_given():
    torch.manual_seed(0)
    module = ContextModule(4, norm="instance", dropout=0.0)
    features = torch.randn(2, 4, 5, 6)
    first, second = (part.weight for part in module.modules() if isinstance(part, nn.Conv2d))

    def convolve(values, weight):
        # Pre-activation: norm, then leaky ReLU of slope 0.01, then the convolution.
        scaled = functional.instance_norm(values)
        return functional.conv2d(torch.where(scaled > 0, scaled, 0.01 * scaled), weight, padding=1)

    expected = features + convolve(convolve(features, first), second)
    torch.testing.assert_close(module(features), expected)


def test_context_module_passes_features_on_when_its_last_convolution_is_zero():
    module = ContextModule(4, norm="batch", dropout=0.5)
    nn.init.zeros_(module.body[-1].weight)
    features = torch.randn(2, 4, 5, 6)
    assert torch.equal(module(features), features)


def test_upsampling_repeats_before_it_convolves():
    torch.manual_seed(0)
    module = UpsamplingModule(4, 2, norm="instance")
    features = torch.randn(1, 4, 3, 5)
    repeated = features.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.equal(module(features), module.leave(module.convolution(repeated)))


@pytest.mark.parametrize("norm", ["instance", "batch", "group"])
def test_modules_work_on_volumes(norm):
    volume = torch.randn(2, 8, 4, 5, 6)
    settings = {"norm": norm, "dimensions": 3}
    assert ContextModule(8, dropout=0.3, **settings)(volume).shape == (2, 8, 4, 5, 6)
    assert ContextLevel(8, 16, stride=2, dropout=0.3, **settings)(volume).shape == (2, 16, 2, 3, 3)
    assert UpsamplingModule(8, 16, **settings)(volume).shape == (2, 16, 8, 10, 12)
    assert LocalizationModule(16, 8, **settings)(torch.cat([volume, volume], dim=1)).shape == (2, 8, 4, 5, 6)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (ContextModule, {"channels": 8, "dropout": 0.0}),
        (ContextLevel, {"in_channels": 8, "out_channels": 16, "stride": 2, "dropout": 0.0}),
        (LocalizationModule, {"in_channels": 8, "out_channels": 4}),
    ],
)
def test_a_volume_of_one_slice_is_a_picture(kind, arguments):
    torch.manual_seed(0)
    flat, deep = (kind(norm="instance", **arguments, dimensions=dimensions) for dimensions in (2, 3))
    for name, value in deep.named_parameters():
        weight = flat.get_parameter(name)
        # Beside the one slice there is padding alone, so that only the middle of the kernel counts.
        value.data = weight.data if weight.ndim == 1 else nn.init.normal_(value.data)
        if weight.ndim == 4:
            value.data[:, :, value.shape[2] // 2] = weight.data
    picture = torch.randn(2, 8, 6, 7)
    torch.testing.assert_close(deep(picture[:, :, None])[:, :, 0], flat(picture))
