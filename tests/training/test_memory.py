"""Memory: batches in pieces, activations computed twice, and what happens where it does run out."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from limner.augment import Augmentation
from limner.losses import create_loss
from limner.models import create_model, summarize
from limner.training.build import build_model
from limner.training.fit import read_plan
from limner.training.memory import choose_shares, fit_to_memory, free_bytes, measure_steps
from limner.training.module import Objective, SegmentationModule
from limner.training.pieces import pieces
from limner.training.record import read_data
from limner.workflow.settings import read_settings
from limner.workflow.train import Run

Train = Callable[..., Run]
Gradients = dict[str, Tensor]


def module(model: nn.Module, **options: Any) -> SegmentationModule:
    made = SegmentationModule(
        model,
        lambda epoch: Objective({"mask": create_loss("bce+dice", task="binary")}),
        Augmentation(),
        value_range=(0.0, 255.0),
        mean=(0.5,),
        std=(0.25,),
        optimizer=lambda network: torch.optim.SGD(network.parameters(), lr=0.1),
        rate=lambda state: 0.1,
        **options,
    )
    made.on_train_epoch_start()
    return made


def batch(rows: int = 6) -> dict[str, Any]:
    random = torch.Generator().manual_seed(0)
    masks = torch.randint(0, 2, (rows, 16, 16), dtype=torch.uint8, generator=random)
    images = (masks[:, None] * 90 + torch.randint(0, 90, (rows, 1, 16, 16), generator=random)).to(torch.uint8)
    return {"images": images, "targets": {"mask": masks}, "keys": torch.arange(rows), "epoch": torch.tensor(0)}


def gradients(model: nn.Module) -> Gradients:
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def network(name: str = "unet", **options: Any) -> nn.Module:
    torch.manual_seed(0)
    kwargs: dict[str, Any] = {"in_channels": 1, "out_channels": {"mask": 1}, "conv_sizes": [8, 8]} | options
    if name == "encoder_unet":
        del kwargs["conv_sizes"]
    return create_model(name, **kwargs)


@pytest.mark.parametrize("count", [2, 3, 4, 99])
def test_pieces_add_up_to_the_gradients_of_the_whole_batch(count: int) -> None:
    model = network(norm="group")
    whole = module(copy.deepcopy(model))
    loss = whole.training_step(batch(), 0)["loss"]
    parts = module(copy.deepcopy(model), accumulate=count)
    torch.testing.assert_close(parts.training_step(batch(), 0)["loss"], loss)
    torch.testing.assert_close(gradients(parts.model), gradients(whole.model), rtol=1e-4, atol=1e-6)
    # Another batch begins anew.
    parts.training_step(batch(), 0)
    torch.testing.assert_close(gradients(parts.model), gradients(whole.model), rtol=1e-4, atol=1e-6)


def test_pieces_are_as_equal_as_they_can_be() -> None:
    assert [part.stop - part.start for part in pieces(7, 3)] == [2, 2, 3]
    assert [part.stop - part.start for part in pieces(2, 5)] == [1, 1]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {"dropout": 0.3}),
        ("improved_unet", {"conv_sizes": [4, 8, 8], "norm": "batch"}),
        ("encoder_unet", {"encoder": "test_resnet", "decoder_sizes": [8, 8, 4, 4, 4]}),
    ],
)
def test_activations_computed_twice_change_no_bit_and_take_less_memory(name: str, options: dict[str, Any]) -> None:
    kept: list[int] = []
    states, grads = [], []
    for recompute in (False, True):
        made = module(network(name, **options), recompute=recompute, ema=0.9)
        torch.manual_seed(1)
        storages: dict[int, int] = {}

        def pack(tensor: Tensor, storages: dict[int, int] = storages) -> Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        images, _ = made.prepare(batch())  # type: ignore[arg-type]
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            made.model.forward_levels(images)  # type: ignore[operator]
        kept.append(sum(storages.values()))
        torch.manual_seed(1)
        made.training_step(batch(), 0)  # type: ignore[arg-type]
        states.append(made.model.state_dict())
        grads.append(gradients(made.model))
        made.average(images)  # type: ignore[misc]  # what is validated is as it was
    assert kept[1] < 0.8 * kept[0]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert all(torch.equal(grads[0][key], grads[1][key]) for key in grads[0])


class Greedy(nn.Module):
    """Asks for more memory than there is where more than so many samples come at once."""

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__()
        self.model, self.most, self.seen = model, most, list[int]()

    def forward_levels(self, images: Tensor) -> dict[str, list[Tensor]]:
        self.seen.append(len(images))
        if len(images) > self.most:
            torch.empty(2**60)
        levels: dict[str, list[Tensor]] = self.model.forward_levels(images)  # type: ignore[operator]
        return levels


def test_a_step_that_runs_out_of_memory_is_taken_in_smaller_pieces() -> None:
    model = network(norm="group", dropout=0.3)
    torch.manual_seed(3)
    fine = module(Greedy(copy.deepcopy(model), 99), accumulate=4)
    fine.training_step(batch(8), 0)  # type: ignore[arg-type]
    told: list[int] = []
    torch.manual_seed(3)
    greedy = module(Greedy(copy.deepcopy(model), 2), on_shortage=lambda: told.append(1))
    greedy.training_step(batch(8), 0)  # type: ignore[arg-type]
    assert greedy.accumulate == 4
    assert greedy.model.seen == [8, 4, 2, 2, 2, 2]
    assert told == [1]
    expected, found = gradients(fine.model), gradients(greedy.model)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_sample_that_does_not_fit_alone_is_an_error() -> None:
    greedy = module(Greedy(network(), 0))
    with pytest.raises(RuntimeError, match="memory"):
        greedy.training_step(batch(2), 0)  # type: ignore[arg-type]
    other = module(Greedy(network(in_channels=3), 9))
    with pytest.raises(RuntimeError, match="channels"):
        other.training_step(batch(2), 0)  # type: ignore[arg-type]
    assert other.model.seen == [2], "another error is not taken for it"


@pytest.fixture
def parts(trained: Run) -> tuple[Any, ...]:
    config = read_settings(trained.folder / "config.yaml", (), None)
    plan = replace(read_plan(trained.folder), batch=8, size=(64, 64))
    return config, read_data(trained.folder), plan


def test_memory_is_measured_by_steps_of_rising_size(parts: tuple[Any, ...]) -> None:
    config, data, plan = parts
    random = torch.get_rng_state()
    phase = plan.course.phases[0]
    taken = measure_steps(config, data, plan, phase, 10**12)
    assert list(taken) == [1, 2, 4, 8]
    assert all(0 < size < free_bytes("cpu") for size in taken.values())
    assert measure_steps(config, data, plan, phase, 1) == {}
    assert torch.equal(torch.get_rng_state(), random)


def test_memory_is_measured_where_it_may_be_short(parts: tuple[Any, ...]) -> None:
    config, data, plan = parts
    summary = summarize(build_model(config, plan, data), plan.channels, plan.size)
    plenty = fit_to_memory(config, data, plan, summary)
    assert plenty is not None
    assert (plenty.accumulate, plenty.recompute, plenty.peak) == (1, False, 0)
    assert "not measured" in plenty.because
    measured = fit_to_memory(config, data, plan, summary, always=True)
    assert measured is not None
    assert (measured.accumulate, measured.recompute) == (1, False)
    assert measured.peak > 0
    made = measured.applied(plan, config)
    assert made.because["accumulate"].startswith("measured, a real step each: ")
    assert made.because["recompute"] == made.because["accumulate"]


@pytest.mark.parametrize(
    ("allowed", "enough", "expected"),
    [
        (20, 4, (1, False)),
        (10, 4, (2, False)),
        (6, 4, (2, True)),  # batch norm wants four samples at once
        (6, 1, (4, False)),
        (2, 4, (4, True)),
        (1, 4, (8, True)),
        (0, 4, (8, True)),  # nothing fits; the training will try, and say so
    ],
)
def test_a_batch_is_computed_so_that_it_fits(allowed: int, enough: int, expected: tuple[int, bool]) -> None:
    def measure(recompute: bool) -> dict[int, int]:
        taken = {1: 3, 2: 5, 4: 9, 8: 17}
        return {rows: size for rows, size in taken.items() if (size - recompute) / (1 + recompute) <= allowed}

    shares = choose_shares(measure, 8, allowed, [False, True], enough)
    assert (shares.accumulate, shares.recompute) == expected


_PROGRAM = """
import resource, sys, limner, torch
from limner.training.progress import Silent
torch.set_num_threads(1)
settings = {"training.device": "cpu", "training.precision": "float32", "training.batch": 8, "training.epochs": 1,
    "training.steps_per_epoch": 2, "data.size": [256, 256], "data.fit": "resize", "model.conv_sizes": [32, 32],
    "training.ema": 0, "training.previews": 0, "data.check": "off", "evaluation.calibrate": False,
    "training.accumulate": 1, "training.recompute": False}
class Limited(Silent):
    def planned(self, plan, parameters, steps):
        used = int(next(l for l in open("/proc/self/status") if l.startswith("VmSize")).split()[1]) * 1024
        resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[3]) * 2**20, resource.RLIM_INFINITY))
    def epoch(self, state):
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    def note(self, text):
        print(text)
limner.train(sys.argv[1], out=sys.argv[2], settings=settings, reporter=Limited())
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits its own memory as Linux can")
def test_a_training_that_runs_out_of_memory_goes_on(cells: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, cells, tmp_path / "run", "750"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "LIMNER_ALLOCATOR": "default"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "memory ran out in step 1; it was taken all the same".lower() in done.stdout.lower()
    plan = yaml.safe_load((tmp_path / "run" / "plan.yaml").read_text())
    assert plan["accumulate"]["value"] > 1
    assert json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])["step"] == 2
