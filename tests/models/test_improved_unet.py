from __future__ import annotations

import pytest
import torch
from torch import nn

from limner.errors import ConfigError
from limner.models import ImprovedUNet


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def convolutions(module: nn.Module) -> list[tuple[int, int, int, int]]:
    """(channels in, channels out, kernel, stride) of every convolution, in order."""
    found = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    return [(part.in_channels, part.out_channels, part.kernel_size[0], part.stride[0]) for part in found]


class TestPublishedNetwork:
    """The default, against figure 1 of the paper in two dimensions."""

    def test_parameters_are_the_sum_of_the_layers(self):
        def convolution(before, after, kernel):
            return before * after * kernel**2

        def norm(channels):
            return 2 * channels

        down = convolution(3, 16, 3) + sum(
            convolution(before, after, 3) for before, after in [(16, 32), (32, 64), (64, 128), (128, 256)]
        )
        # Two convolutions with a norm before each, and the norm after the sum.
        context = sum(2 * convolution(width, width, 3) + 3 * norm(width) for width in (16, 32, 64, 128, 256))
        up = sum(
            convolution(before, after, 3) + norm(after) for before, after in [(256, 128), (128, 64), (64, 32), (32, 16)]
        )
        localization = sum(
            convolution(2 * width, 2 * width, 3) + norm(2 * width) + convolution(2 * width, width, 1) + norm(width)
            for width in (128, 64, 32)
        )
        last = convolution(32, 32, 3) + norm(32)
        segmentation = (64 + 1) + (32 + 1) + (32 + 1)
        expected = down + context + up + localization + last + segmentation
        assert expected == 3_186_483
        with torch.device("meta"):
            assert count(ImprovedUNet(3, 1)) == expected

    def test_every_stage_has_its_width_and_size(self):
        with torch.device("meta"):
            model = ImprovedUNet(3, 1)
            images = torch.empty(1, 3, 128, 128)
        shapes: dict[str, list[tuple[int, int]]] = {}
        for stage in ("encoder", "upsampling", "localization"):
            for module in getattr(model, stage):
                module.register_forward_hook(
                    lambda _module, _inputs, output, stage=stage: shapes.setdefault(stage, []).append(
                        (output.shape[1], output.shape[2])
                    )
                )
        for head in model.heads:
            head.register_forward_hook(
                lambda _module, inputs, _output: shapes.setdefault("segmentation", []).append(
                    (inputs[0].shape[1], inputs[0].shape[2])
                )
            )
        assert model(images)["mask"].shape == (1, 1, 128, 128)
        assert shapes == {
            "encoder": [(16, 128), (32, 64), (64, 32), (128, 16), (256, 8)],
            "upsampling": [(128, 16), (64, 32), (32, 64), (16, 128)],
            "localization": [(128, 16), (64, 32), (32, 64), (32, 128)],
            "segmentation": [(64, 32), (32, 64), (32, 128)],
        }

    def test_modules_have_the_convolutions_of_the_paper(self):
        with torch.device("meta"):
            model = ImprovedUNet(3, 1)
        assert convolutions(model.encoder[0]) == [(3, 16, 3, 1), (16, 16, 3, 1), (16, 16, 3, 1)]
        assert convolutions(model.encoder[4]) == [(128, 256, 3, 2), (256, 256, 3, 1), (256, 256, 3, 1)]
        assert convolutions(model.upsampling[0]) == [(256, 128, 3, 1)]
        assert convolutions(model.localization[0]) == [(256, 256, 3, 1), (256, 128, 1, 1)]
        assert convolutions(model.localization[3]) == [(32, 32, 3, 1)]

    def test_norm_and_dropout_are_those_of_the_paper(self):
        with torch.device("meta"):
            model = ImprovedUNet(3, 1)
        assert [part.p for part in model.modules() if isinstance(part, nn.Dropout)] == [0.3] * 5
        assert sum(isinstance(part, nn.InstanceNorm2d) for part in model.modules()) == 5 * 3 + 4 + 3 * 2 + 1
        assert not any(isinstance(part, nn.BatchNorm2d) for part in model.modules())

    def test_sides_that_are_multiples_of_16_need_no_padding(self):
        with torch.device("meta"):
            assert ImprovedUNet().stride == 16


class TestSummedSegmentations:
    def model(self, **settings) -> ImprovedUNet:
        torch.manual_seed(0)
        return ImprovedUNet(1, 2, (4, 8, 16, 24), **settings).eval()

    def test_the_output_is_the_sum_of_three_segmentations_scaled_up(self):
        model = self.model()
        images = torch.rand(1, 1, 32, 40)
        seen: list[torch.Tensor] = []
        for head in model.heads:
            head.register_forward_hook(lambda _module, _inputs, output: seen.append(output["mask"]))
        summed = model(images)["mask"]
        assert [tuple(part.shape[-2:]) for part in seen] == [(8, 10), (16, 20), (32, 40)]
        expected = sum(
            part.repeat_interleave(32 // part.shape[2], 2).repeat_interleave(32 // part.shape[2], 3) for part in seen
        )
        torch.testing.assert_close(summed, expected)

    def test_each_level_is_its_segmentation_and_the_coarser_level(self):
        model = self.model(deep_supervision=True)
        finest, middle, coarsest = model.forward_levels(torch.rand(1, 1, 32, 40))["mask"]
        assert [tuple(level.shape[-2:]) for level in (finest, middle, coarsest)] == [(32, 40), (16, 20), (8, 10)]
        nn.init.zeros_(model.heads[0].convs["to_mask"].weight)
        again = model.forward_levels(torch.rand(1, 1, 32, 40))["mask"]
        assert torch.equal(again[0], again[1].repeat_interleave(2, 2).repeat_interleave(2, 3))

    def test_deep_supervision_takes_no_parameter_more(self):
        assert count(self.model(deep_supervision=True)) == count(self.model())

    def test_the_loss_of_the_finest_level_reaches_the_coarsest_segmentation(self):
        model = self.model()
        model(torch.rand(1, 1, 16, 16))["mask"].sum().backward()
        assert model.heads[2].convs["to_mask"].weight.grad.abs().sum() > 0


def test_first_weights_keep_the_logits_in_a_sane_range():
    torch.manual_seed(0)
    logits = ImprovedUNet(3, 2)(torch.randn(2, 3, 64, 64))["mask"]
    assert 0.1 < logits.std() < 5


def test_a_picture_is_judged_by_itself():
    torch.manual_seed(0)
    model = ImprovedUNet(3, 1, (4, 8, 16), dropout=0.0)
    images = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(model(images)["mask"][1:2], model(images[1:2])["mask"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"conv_sizes": (8,)}, "two levels"),
        ({"conv_sizes": (8, 0)}, "conv_sizes"),
        ({"conv_sizes": ()}, "conv_sizes"),
        ({"in_channels": 0}, "in_channels"),
        ({"out_channels": 0}, "out_channels"),
        ({"dropout": 1.0}, "dropout"),
        ({"norm": "instanc"}, "Did you mean 'instance'"),
        ({"norm": "group", "conv_sizes": (4, 8)}, "multiple of 8"),
    ],
)
def test_impossible_settings_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        ImprovedUNet(**{"conv_sizes": (8, 16), **arguments})
