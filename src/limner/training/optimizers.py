"""Optimisers and learning-rate schedules.

Layer: training.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer

from limner.errors import ConfigError

Schedule = Callable[[float], float]
"""Share of the training done, 0–1 → factor of the highest learning rate."""

_WARM_UP = 0.1
_START = 0.04


def create_optimizer(
    name: str, model: nn.Module, *, lr: float, weight_decay: float = 1e-4, momentum: float = 0.9
) -> Optimizer:
    """An optimiser over the trainable parameters of `model`.

    Weight decay acts on kernels only: pulling biases and norm scales to zero does not regularise,
    it changes what the layer computes.

    Raises:
        ConfigError: Unknown name.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    match name:
        case "adamw":
            return torch.optim.AdamW(groups, lr=lr, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=lr, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=True)
    raise ConfigError("an optimiser adamw, adam or sgd", repr(name), "Change training.optimizer.")


def create_schedule(name: str, *, epochs: int, gamma: float = 0.985) -> Schedule:
    """How the learning rate runs over the training.

    onecycle: linear rise over the first tenth, then a half cosine to zero (Smith & Topin 2018,
    arXiv 1708.07120; here momentum stays constant). cosine: half a cosine from the top
    (arXiv 1608.03983). polynomial: `(1 - t)^0.9` (arXiv 1606.00915). exponential: `gamma` per
    epoch. constant: 1.

    Raises:
        ConfigError: Unknown name.
    """
    match name:
        case "onecycle":
            return _one_cycle
        case "cosine":
            return lambda done: 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        case "polynomial":
            return lambda done: max(0.0, 1 - done) ** 0.9
        case "exponential":
            return lambda done: gamma ** (done * epochs)
        case "constant":
            return lambda done: 1.0
    raise ConfigError(
        "a schedule onecycle, cosine, polynomial, exponential or constant", repr(name), "Change training.schedule."
    )


def _one_cycle(done: float) -> float:
    done = min(done, 1.0)
    if done < _WARM_UP:
        return _START + (1 - _START) * done / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))
