"""What every model must do. A new model is one row of `MODELS_UNDER_TEST`."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from limner.models import MODELS, create_model

SMALL = {"conv_sizes": (8, 16)}
MODELS_UNDER_TEST = [
    pytest.param("unet", SMALL, id="unet"),
    pytest.param("unet", {**SMALL, "up": "bilinear"}, id="unet-bilinear"),
    pytest.param("unet", {**SMALL, "norm": "instance"}, id="unet-instance"),
    pytest.param("unet", {**SMALL, "norm": "group"}, id="unet-group"),
    pytest.param("unet", {"conv_sizes": (8,)}, id="unet-one-level"),
    pytest.param("unet", {"conv_sizes": (8, 24, 16)}, id="unet-uneven-widths"),
    pytest.param("unet", {"conv_sizes": (8, 16, 24), "shared_levels": 2}, id="unet-branches"),
    pytest.param("unet", {**SMALL, "shared_levels": 2, "up": "bilinear"}, id="unet-branches-below-the-encoder"),
    pytest.param("improved_unet", {"conv_sizes": (8, 16, 32)}, id="improved-unet"),
    pytest.param("improved_unet", {**SMALL, "norm": "batch", "dropout": 0.0}, id="improved-unet-batch"),
    pytest.param("improved_unet", {"conv_sizes": (8, 24, 16), "norm": "group"}, id="improved-unet-uneven-widths"),
    pytest.param(
        "encoder_unet",
        # By default the last norm of every residual block starts at 0, and so do gradients inside it.
        {
            "encoder": "test_resnet",
            "encoder_options": {"zero_init_last": False},
            "decoder_sizes": (32, 24, 16, 8, 8),
        },
        id="encoder-unet",
    ),
    pytest.param(
        "encoder_unet",
        {"encoder": "mobilenetv2_035", "decoder": "pix2pix", "decoder_sizes": (32, 24, 16, 8)},
        id="encoder-unet-pix2pix",
    ),
]
TARGETS = {"mask": 2, "depth": 1}


def test_every_model_of_the_table_is_tested():
    assert {row.values[0] for row in MODELS_UNDER_TEST} == set(MODELS)


@pytest.mark.parametrize(("name", "settings"), MODELS_UNDER_TEST)
class TestEveryModel:
    def build(self, name, settings, **more) -> nn.Module:
        torch.manual_seed(0)
        arguments = {"in_channels": 3, "out_channels": TARGETS, **settings, **more}
        return create_model(name, **arguments)

    @pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 4), (8, 8), (17, 31), (250, 333), (32, 5)])
    def test_logits_have_the_size_of_the_images(self, name, settings, size):
        model = self.build(name, settings)
        for mode in (True, False):
            with torch.no_grad():
                logits = model.train(mode)(torch.rand(1, 3, *size))
            assert {key: tuple(value.shape) for key, value in logits.items()} == {
                "mask": (1, 2, *size),
                "depth": (1, 1, *size),
            }
            assert all(torch.isfinite(value).all() for value in logits.values())

    def test_one_number_of_channels_is_the_target_mask(self, name, settings):
        settings = {key: value for key, value in settings.items() if key != "shared_levels"}
        model = self.build(name, settings, in_channels=1, out_channels=4)
        assert {key: value.shape[1] for key, value in model(torch.rand(2, 1, 9, 9)).items()} == {"mask": 4}

    @pytest.mark.parametrize("deep_supervision", [False, True])
    def test_every_parameter_gets_a_gradient(self, name, settings, deep_supervision):
        model = self.build(name, settings, deep_supervision=deep_supervision)
        levels = model.forward_levels(torch.rand(2, 3, 17, 22))
        sum(logits.square().sum() for target in levels.values() for logits in target).backward()
        without = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
        assert without == []

    def test_deep_supervision_gives_coarser_logits_of_the_same_place(self, name, settings):
        model = self.build(name, settings, deep_supervision=True).eval()
        images = torch.rand(1, 3, 17, 30)
        levels = model.forward_levels(images)
        for target, logits in levels.items():
            expected = [(1, TARGETS[target], -(-17 // 2**level), -(-30 // 2**level)) for level in range(len(logits))]
            assert [tuple(level.shape) for level in logits] == expected
            torch.testing.assert_close(logits[0], model(images)[target])

    def test_without_deep_supervision_there_is_one_level(self, name, settings):
        levels = self.build(name, settings).forward_levels(torch.rand(2, 3, 8, 8))
        assert {target: len(logits) for target, logits in levels.items()} == {"mask": 1, "depth": 1}

    def test_padding_repeats_the_border_and_spares_multiples_of_the_stride(self, name, settings):
        model = self.build(name, settings).eval()
        side = 2 * model.stride
        images = torch.rand(1, 3, side, side + 1)
        border = images[..., -1:].expand(-1, -1, -1, model.stride - 1)
        grown = model(torch.cat([images, border], dim=-1))["mask"]
        torch.testing.assert_close(model(images)["mask"], grown[..., : side + 1])

    def test_weights_survive_a_file(self, name, settings, tmp_path):
        model = self.build(name, settings, deep_supervision=True)
        model(torch.rand(2, 3, 16, 16))
        save_file(model.state_dict(), tmp_path / "weights.safetensors")
        other = create_model(name, in_channels=3, out_channels=TARGETS, **settings, deep_supervision=True)
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        images = torch.rand(1, 3, 16, 19)
        torch.testing.assert_close(other.eval()(images), model.eval()(images), rtol=0, atol=0)

    def test_dropout_acts_in_training_alone(self, name, settings):
        model = self.build(name, settings, dropout=0.5)
        images = torch.rand(2, 3, 16, 16)
        assert not torch.equal(model(images)["mask"], model(images)["mask"])
        model.eval()
        assert torch.equal(model(images)["mask"], model(images)["mask"])

    def test_channels_last_and_bfloat16_give_the_same_answer(self, name, settings):
        model = self.build(name, settings).eval()
        images = torch.rand(2, 3, 21, 34)
        expected = model(images)["mask"]
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(model(images)["mask"], expected, rtol=1e-4, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(images)["mask"]
        assert rounded.dtype == torch.bfloat16
        assert (rounded.float() - expected).abs().mean() < 0.05 * expected.abs().mean()

    @pytest.mark.slow
    def test_exports_with_free_batch_and_size(self, name, settings):
        model = self.build(name, settings).eval()
        stride = model.stride
        batch, rows, columns = (torch.export.Dim(dim, min=2, max=64) for dim in ("batch", "rows", "columns"))
        images = torch.rand(2, 3, 4 * stride, 5 * stride)
        program = torch.export.export(
            model, (images,), dynamic_shapes=({0: batch, 2: stride * rows, 3: stride * columns},)
        )
        other = torch.rand(3, 3, 6 * stride, 2 * stride)
        torch.testing.assert_close(program.module()(other), model(other), rtol=1e-4, atol=1e-5)

    @pytest.mark.slow
    def test_compiles_in_one_graph(self, name, settings):
        # In a process of its own: torch.compile cannot see through the shape checks of the tests.
        program = f"""
            import torch
            from limner.models import create_model
            model = create_model({name!r}, in_channels=3, out_channels={TARGETS!r}, **{settings!r}).eval()
            images = torch.rand(1, 3, 17, 16)
            compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
            torch.testing.assert_close(compiled(images), model(images), rtol=1e-4, atol=1e-5)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
