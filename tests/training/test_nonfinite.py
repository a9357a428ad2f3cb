"""NaN and infinity: named with batch, samples and layer, and kept away from the weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from limner.augment import create_augmentation
from limner.errors import TrainingError
from limner.losses import create_loss
from limner.models import create_model
from limner.training.checkpoints import read_state
from limner.training.loader import Batch
from limner.training.module import Objective, SegmentationModule, Trap
from limner.training.nonfinite import locate
from limner.training.optimizers import create_optimizer
from limner.workflow.train import Run

Train = Callable[..., Run]


def test_a_training_that_overflows_is_stopped_with_its_samples(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {
        "training.optimizer": "sgd",
        "training.schedule": "constant",
        "training.lr": 1e30,
        "training.grad_clip": 0.0,
        "training.save_every": "1 step",
        "training.steps_per_epoch": 4,
    }
    with pytest.raises(TrainingError, match=r"epoch 1, batch 2, in the layer '(encoder|decoder)") as error:
        small_train(cells, tmp_path / "run", settings=settings)
    assert all(line.startswith("sample cells_") for line in error.value.details)
    assert "lower rate" in error.value.remedy
    found = json.loads((tmp_path / "run" / "nonfinite.json").read_text())
    assert (found["step"], found["epoch"], found["batch"]) == (2, 1, 2)
    assert len(found["samples"]) == 4
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert read_state(last).step == 1
    state = torch.load(last, weights_only=True)["state_dict"]
    assert all(tensor.isfinite().all() for tensor in state.values())


def module_and_batch() -> tuple[SegmentationModule, Batch]:
    torch.manual_seed(0)
    module = SegmentationModule(
        create_model("unet", in_channels=1, out_channels={"mask": 1}, conv_sizes=[4, 8]),
        lambda epoch: Objective({"mask": create_loss("bce+dice", task="binary")}),
        create_augmentation("none"),
        value_range=(0.0, 1.0),
        mean=(0.0,),
        std=(1.0,),
        optimizer=lambda model: create_optimizer("adamw", model, lr=0.1),
        rate=lambda state: 0.1,
    )
    batch: Batch = {
        "images": torch.rand(3, 1, 16, 16),
        "targets": {"mask": torch.randint(0, 2, (3, 16, 16), dtype=torch.uint8)},
        "keys": torch.arange(3),
        "epoch": torch.tensor(0),
    }
    return module, batch


def test_the_sample_is_found_in_the_pictures() -> None:
    module, batch = module_and_batch()
    assert "nowhere" in locate(module, batch).where
    batch["images"][1, 0, 3, 4] = math.nan
    found = locate(module, batch)
    assert ("pictures" in found.where, list(found.rows)) == (True, [1])


def test_the_first_layer_is_found() -> None:
    module, batch = module_and_batch()
    layers = [(name, layer) for name, layer in module.model.named_modules() if isinstance(layer, nn.Conv2d)]
    name, layer = layers[2]
    layer.register_forward_hook(lambda layer, inputs, output: output.index_fill(0, torch.tensor([2]), math.nan))
    found = locate(module, batch)
    assert (found.layer, list(found.rows)) == (name, [2])
    with torch.no_grad():
        layers[1][1].weight[0, 0, 0, 0] = math.inf
    assert locate(module, batch).layer == f"{layers[1][0]}.weight"


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_weights_stay_as_they_are_from_that_step_on(name: str) -> None:
    layer, trap = nn.Linear(2, 1), Trap()
    optimizer = create_optimizer(name, layer, lr=0.1)
    trap.guard(optimizer, torch.device("cpu"))
    kept = []
    for step, factor in enumerate((1.0, math.nan, 1.0)):
        optimizer.zero_grad()
        loss = factor * layer(torch.ones(1, 2)).sum()
        torch.autograd.backward(loss)
        trap.watch(loss.detach(), step)
        optimizer.step()
        kept.append(layer.weight.detach().clone())
    assert int(trap.first) == 1
    assert torch.equal(kept[0], kept[1])
    assert torch.equal(kept[0], kept[2])
