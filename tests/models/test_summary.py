from __future__ import annotations

import pytest
import torch
from torch import nn

from limner.models import EncoderUNet, UNet, create_model, summarize


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(4, 1, 1, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.second(self.relu(self.first(images)))


def test_costs_of_a_small_network_by_hand():
    summary = summarize(Plain(), 2, (5, 7))
    assert [(layer.name, layer.kind, layer.shape, layer.parameters, layer.flops) for layer in summary.layers] == [
        ("first", "Conv2d", (1, 4, 5, 7), 2 * 4 * 9 + 4, 2 * 35 * 2 * 4 * 9),
        ("relu", "ReLU", (1, 4, 5, 7), 0, 0),
        ("second", "Conv2d", (1, 1, 5, 7), 4, 2 * 35 * 4),
    ]
    assert summary.parameters == summary.trainable == 80
    assert summary.flops == 2 * 35 * (2 * 4 * 9 + 4)
    assert summary.weight_bytes == 4 * 80
    # Going backward needs the image (for the first convolution) and the ReLU's output (for both others).
    assert summary.activation_bytes == 4 * 35 * (2 + 4)


@pytest.mark.parametrize("name", ["unet", "improved_unet", "encoder_unet"])
def test_memory_is_what_autograd_keeps(name):
    settings = {"encoder": "test_resnet"} if name == "encoder_unet" else {"conv_sizes": (8, 16)}
    model = create_model(name, in_channels=3, out_channels=2, **settings)
    own = {tensor.untyped_storage().data_ptr() for tensor in model.state_dict().values()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(torch.rand(1, 3, 33, 64))
    assert summarize(model, 3, (33, 64)).activation_bytes == pytest.approx(sum(kept.values()), rel=0.02)
    del logits


def test_a_frozen_encoder_needs_less_memory_and_trains_less():
    frozen = summarize(EncoderUNet(3, 1, encoder="test_resnet", freeze_encoder=True), 3, (64, 64))
    free = summarize(EncoderUNet(3, 1, encoder="test_resnet"), 3, (64, 64))
    assert frozen.parameters == free.parameters == free.trainable > frozen.trainable > 0
    assert frozen.activation_bytes < free.activation_bytes
    assert frozen.flops == free.flops


def test_the_model_is_left_as_it_was():
    model = UNet(3, 1, (8, 16)).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    summarize(model, 3, (16, 16))
    assert not model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_parts_of_the_table_add_up():
    summary = summarize(UNet(3, 2, (8, 16)), 3, (20, 30))
    stages = summary.stages()
    assert [stage.name for stage in stages] == [
        "encoder.0",
        "encoder.1",
        "bottleneck",
        "decoder.0",
        "decoder.1",
        "heads.0",
    ]
    assert sum(stage.parameters for stage in stages) == summary.parameters
    assert sum(stage.flops for stage in stages) == summary.flops
    assert stages[1].shape == (1, 16, 10, 16), "32 padded columns, halved"
    lines = summary.table().splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["part", "encoder.0", "encoder.1"]
    assert len(lines) == 1 + len(stages) + 2
    assert "20×30" in lines[-1]


def test_memory_of_training_grows_with_the_batch_and_halves_its_activations_in_bf16():
    summary = summarize(Plain(), 2, (5, 7))
    weights = summary.weight_bytes
    assert summary.training_bytes(3) == 4 * weights + 3 * summary.activation_bytes
    assert summary.training_bytes(4, precision="bf16", averaged=True) == 5 * weights + 2 * summary.activation_bytes


def test_a_huge_picture_costs_no_memory():
    assert summarize(UNet(3, 2), 3, (32768, 32768)).activation_bytes > 10**12
