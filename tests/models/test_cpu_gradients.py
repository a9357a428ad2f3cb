"""What makes gradients fast leaves answers, weights and gradients as they are."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from limner.models.cpu_gradients import upsample_bilinear, widen_depthwise
from limner.models.encoders import Encoder


@pytest.fixture
def convolutions():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        nn.Conv2d(8, 8, 5, padding=2, groups=8),
        nn.Conv2d(8, 4, 1),
    )


def dtypes_inside(network, images):
    """In which precision each convolution got its input, within what decides it."""
    found = []
    kept = nn.Conv2d._conv_forward
    try:
        nn.Conv2d._conv_forward = lambda self, given, weight, bias: (
            found.append((given.dtype, torch.is_autocast_enabled("cpu"))),
            kept(self, given, weight, bias),
        )[1]
        network(images)
    finally:
        nn.Conv2d._conv_forward = kept
    return found


def test_depthwise_convolutions_are_wide_where_they_learn_and_nowhere_else(convolutions):
    widen_depthwise(convolutions)
    images = torch.randn(2, 8, 16, 16, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        wide, bf16 = (torch.float32, False), (torch.bfloat16, True)
        assert dtypes_inside(convolutions, images) == [wide, wide, bf16]
        assert convolutions(images).dtype == torch.bfloat16
        with torch.no_grad():
            assert dtypes_inside(convolutions, images) == [bf16] * 3
        assert dtypes_inside(copy.deepcopy(convolutions).requires_grad_(False), images) == [bf16] * 3


def test_without_autocast_answers_and_gradients_are_the_same_bits(convolutions):
    plain, images = copy.deepcopy(convolutions), torch.randn(2, 8, 16, 16)
    widen_depthwise(convolutions)
    widen_depthwise(convolutions)  # once more changes nothing
    assert list(convolutions.state_dict()) == list(plain.state_dict())
    for network in (plain, convolutions):
        network(images).square().sum().backward()
    for one, other in zip(plain.parameters(), convolutions.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_gradients_in_autocast_are_those_of_float32_but_for_rounding(convolutions):
    exact = copy.deepcopy(convolutions)
    widen_depthwise(convolutions)
    images = torch.randn(2, 8, 16, 16)
    exact(images).square().sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        result = convolutions(images)
    result.float().square().sum().backward()
    for one, other in zip(exact.parameters(), convolutions.parameters(), strict=True):
        assert (one.grad - other.grad).norm() < 0.02 * one.grad.norm()


def test_encoders_of_timm_are_widened():
    network = Encoder("mobilenetv2_100", 3).network
    strided = [part for part in network.modules() if isinstance(part, nn.Conv2d) and part.groups > 1 < part.stride[0]]
    assert len(strided) == 4
    with torch.autocast("cpu", torch.bfloat16):
        found = dtypes_inside(strided[0], torch.randn(1, strided[0].in_channels, 8, 8, dtype=torch.bfloat16))
    assert found == [(torch.float32, False)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_interpolation_is_torchs_forwards_and_backwards(layout):
    torch.manual_seed(4)
    coarse = torch.randn(2, 5, 6, 7, dtype=torch.float64).contiguous(memory_format=layout)
    skip = torch.randn(2, 3, 12, 14, dtype=torch.float64).contiguous(memory_format=layout)
    weight = torch.randn(2, 8, 12, 14, dtype=torch.float64)
    found = []
    for double in (upsample_bilinear, lambda given: functional.interpolate(given, scale_factor=2.0, mode="bilinear")):
        given = coarse.clone(memory_format=torch.preserve_format).requires_grad_()
        joined = torch.cat([double(given), skip], dim=1)
        (joined * weight).sum().backward()
        found.append((joined, given.grad))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])
