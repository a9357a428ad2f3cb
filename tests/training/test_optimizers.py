"""Optimisers and schedules."""

import pytest
import torch
from torch import nn

from limner.errors import ConfigError
from limner.training.optimizers import create_optimizer, create_schedule


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def test_weight_decay_spares_biases_and_norms() -> None:
    optimizer = create_optimizer("adamw", network(), lr=0.1, weight_decay=0.5)
    decays = {group["weight_decay"]: [p.ndim for p in group["params"]] for group in optimizer.param_groups}
    assert decays == {0.5: [4], 0.0: [1, 1, 1]}


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_every_optimizer_descends(name: str) -> None:
    torch.manual_seed(0)
    model = network()
    optimizer = create_optimizer(name, model, lr=0.05)
    images = torch.randn(4, 1, 8, 8)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (model(images) - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_frozen_weights_are_left_out() -> None:
    model = network()
    model[0].requires_grad_(False)
    optimizer = create_optimizer("sgd", model, lr=0.1)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2


@pytest.mark.parametrize(
    ("name", "start", "half", "end"),
    [
        ("onecycle", 0.04, 0.587, 0.0),
        ("cosine", 1.0, 0.5, 0.0),
        ("polynomial", 1.0, 0.536, 0.0),
        ("exponential", 1.0, 0.81, 0.656),
        ("constant", 1.0, 1.0, 1.0),
    ],
)
def test_schedules_run_as_documented(name: str, start: float, half: float, end: float) -> None:
    schedule = create_schedule(name, gamma=0.9)
    assert [schedule(done, int(4 * done)) for done in (0.0, 0.5, 1.0)] == pytest.approx([start, half, end], abs=1e-3)


def test_one_cycle_peaks_after_a_tenth() -> None:
    schedule = create_schedule("onecycle")
    values = [schedule(step / 100, 0) for step in range(101)]
    assert max(values) == values[10] == 1.0
    assert values[:11] == sorted(values[:11])
    assert values[10:] == sorted(values[10:], reverse=True)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="adamw"):
        create_optimizer("lion", network(), lr=0.1)
    with pytest.raises(ConfigError, match="cosine"):
        create_schedule("cosin")
