"""The generators of random numbers: seeded, kept in checkpoints, and put back.

Layer: training. Order of the samples and their augmentation are keyed by seed and epoch and have no generator; the
step draws from PyTorch's (dropout), and a model or loss of one's own may draw from any.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """Seed those of PyTorch, NumPy and Python."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the one that code of others draws from


def random_state() -> dict[str, Any]:
    """State of all generators."""
    numpy: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002
    key = torch.from_numpy(numpy["state"]["key"].astype(np.int64))
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "python": random.getstate(),
        "numpy": {**numpy, "state": {"key": key, "pos": numpy["state"]["pos"]}},
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Undo `random_state`. The number of GPUs may differ; then their generators keep their seed."""
    torch.set_rng_state(state["cpu"].cpu())
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([item.cpu() for item in state["cuda"]])
    if torch.backends.mps.is_available() and state["mps"] is not None:
        torch.mps.set_rng_state(state["mps"].cpu())
    random.setstate(state["python"])
    numpy = state["numpy"]
    key = numpy["state"]["key"].cpu().numpy().astype(np.uint32)
    np.random.set_state({**numpy, "state": {"key": key, "pos": numpy["state"]["pos"]}})  # noqa: NPY002
