"""Parts of a batch in several processes have the loss and the gradients of the whole batch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from limner.errors import ConfigError
from limner.losses import create_loss
from limner.losses.lovasz import Lovasz
from limner.losses.truth import Truth
from limner.types import Task


class Exchange:
    """Two threads that add up what each has, as processes do; the gradient of a sum is twice the own one."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2, timeout=30)
        self.values: list[Tensor | None] = [None, None]

    def total(self, place: int) -> Callable[[Tensor], Tensor]:
        def add(value: Tensor) -> Tensor:
            self.values[place] = value.detach()
            self.barrier.wait()
            first, second = self.values
            assert first is not None
            assert second is not None
            found = first + second
            self.barrier.wait()
            return found + 2 * (value - value.detach())

        return add


@pytest.mark.parametrize(
    ("name", "task", "options"),
    [
        ("bce+dice", "binary", {}),
        ("0.5*ce+lovasz", "multiclass", {}),
        ("focal+tversky", "multilabel", {}),
        ("dice", "multiclass", {"batch": True, "background": True}),
        ("l1+mse", "regression", {}),
    ],
)
def test_uneven_parts_have_the_loss_and_gradients_of_the_whole(name: str, task: Task, options: dict[str, bool]) -> None:
    generator = torch.Generator().manual_seed(0)
    channels = 3 if task in ("multiclass", "multilabel") else 1
    logits = torch.randn(5, channels, 6, 7, generator=generator)
    shape = (5, channels, 6, 7) if task == "multilabel" else (5, 6, 7)
    target = torch.randint(0, 3 if task == "multiclass" else 2, shape, generator=generator).to(torch.uint8)
    target[0] = 255  # of one part hardly anything counts
    target[4] = 0
    if task == "regression":
        target = torch.where(target == 255, torch.nan, target.float())
    weights = None if task == "regression" else [1.0, 3.0, 0.5][: 2 if task == "binary" else 3]

    whole = logits.clone().requires_grad_()
    expected = create_loss(name, task=task, class_weights=weights, **options)(whole, target)
    expected.backward()

    exchange = Exchange()

    def part(place: int, rows: slice) -> tuple[Tensor, Tensor]:
        own = logits[rows].clone().requires_grad_()
        loss = create_loss(name, task=task, class_weights=weights, total=exchange.total(place), **options)
        found = loss(own, target[rows])
        found.backward()
        assert own.grad is not None
        return found.detach(), own.grad

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(part, (0, 1), (slice(0, 2), slice(2, 5))))
    assert whole.grad is not None
    for found, _ in parts:
        torch.testing.assert_close(found, expected.detach())
    # DDP takes the mean of both.
    torch.testing.assert_close(torch.cat([gradient for _, gradient in parts]) / 2, whole.grad)


def test_a_loss_that_sorts_the_whole_batch_is_refused() -> None:
    target = torch.zeros(1, 2, 2, dtype=torch.uint8)
    truth = Truth(target, "binary", 1, 255, lambda value: value)
    with pytest.raises(ConfigError, match="one process"):
        Lovasz(batch=True)(torch.zeros(1, 1, 2, 2), truth, None)
