"""Optimisers and schedules."""

import pytest
import torch
from torch import nn

from limner.errors import ConfigError
from limner.training.optimizers import create_optimizer, create_schedule
from limner.training.phases import Course, Phase
from limner.training.state import TrainingState


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def phase(*, epochs: int, steps: int, lr: float) -> Phase:
    return Phase((8, 8), 2, 1, steps, epochs, lr, {"mask": "dice"}, {"mask": 1.0}, ())


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


def test_exponential_is_the_rate_torch_gives_every_epoch() -> None:
    course = Course((phase(epochs=100, steps=7, lr=5e-4),))
    schedule = create_schedule("exponential", gamma=0.985)
    optimizer = create_optimizer("adam", network(), lr=5e-4, weight_decay=1e-5)
    theirs = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.985)
    for epoch in range(100):
        rates = {
            course.rate(schedule, TrainingState(epoch=epoch, step=7 * epoch + batch), seconds=seconds)
            for batch in range(7)
            for seconds in (None, 60.0)
        }
        assert rates == {5e-4 * 0.985**epoch}, "one rate within an epoch, with a time budget too"
        assert optimizer.param_groups[0]["lr"] == pytest.approx(5e-4 * 0.985**epoch, rel=1e-12)
        optimizer.step()
        theirs.step()


def test_one_cycle_descends_as_torch_does_and_differs_as_documented() -> None:
    total, peak = 1000, 0.1
    optimizer = create_optimizer("sgd", network(), lr=peak, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=total + 1, pct_start=0.1)
    rates = []
    for _ in range(total + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) <= total:
            theirs.step()
    schedule = create_schedule("onecycle")
    ours = [peak * schedule(step / total, 0) for step in range(total + 1)]
    assert ours[0] == pytest.approx(rates[0]), "1/25 of the peak"
    assert ours[120:] == pytest.approx(rates[120:], abs=2e-3 * peak)
    assert (max(ours), max(rates)) == pytest.approx((peak, peak), rel=1e-3)
    assert ours[50] == pytest.approx(peak * 0.52), "half-way up in a line, as torch is in its half cosine"
    assert rates[25] < ours[25], "the cosine starts slower"


def test_weight_decay_of_adam_is_an_l2_penalty_and_of_adamw_decoupled() -> None:
    moved = {}
    for name in ("adam", "adamw"):
        kernel = nn.Parameter(torch.full((1, 1), 3.0))
        model = nn.Module()
        model.register_parameter("kernel", kernel)
        optimizer = create_optimizer(name, model, lr=0.1, weight_decay=0.5)
        (0.0 * kernel).sum().backward()
        optimizer.step()
        moved[name] = 3.0 - kernel.item()
    assert moved["adam"] == pytest.approx(0.1), "the penalty's gradient is rescaled to a step of the rate"
    assert moved["adamw"] == pytest.approx(0.1 * 0.5 * 3.0), "rate · weight_decay of the weight"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="adamw"):
        create_optimizer("lion", network(), lr=0.1)
    with pytest.raises(ConfigError, match="cosine"):
        create_schedule("cosin")
