from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

CHANNELS = {"binary": 1, "multiclass": 3, "multilabel": 3, "regression": 2}


@pytest.fixture
def make_batch() -> Callable[..., tuple[Tensor, Tensor]]:
    """`make_batch(task)` gives random logits and target, a tenth of the pixels ignored (NaN for regression)."""

    def make(task: str, *, batch: int = 2, size: tuple[int, int] = (5, 7), ignored: float = 0.1, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        channels = CHANNELS[task]
        logits = 2 * torch.randn(batch, channels, *size, generator=generator)
        if task == "regression":
            target = torch.randn(batch, channels, *size, generator=generator)
            target[torch.rand(target.shape, generator=generator) < ignored] = torch.nan
            return logits, target
        shape = (batch, channels, *size) if task == "multilabel" else (batch, *size)
        target = torch.randint(0, 3 if task == "multiclass" else 2, shape, generator=generator, dtype=torch.uint8)
        target[torch.rand(shape, generator=generator) < ignored] = 255
        return logits, target

    return make
