"""Optimisers and learning-rate schedules.

Layer: training.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim import Optimizer

from limner.errors import ConfigError
from limner.training.phases import Schedule

_WARM_UP = 0.1
_START = 0.04


def create_optimizer(
    name: str, model: nn.Module, *, lr: float, weight_decay: float = 1e-4, momentum: float = 0.9
) -> Optimizer:
    """An optimiser over the trainable parameters of `model`.

    Weight decay acts on kernels only: pulling biases and norm scales to zero does not regularise,
    it changes what the layer computes. For `adam` and `sgd` it is an L2 penalty: `weight_decay`
    times the weight is added to its gradient, which Adam then rescales as it does every gradient.
    For `adamw` it is decoupled (arXiv 1711.05101): each step takes `lr · weight_decay` times the weight
    away from it.

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


def create_schedule(name: str, *, gamma: float = 0.985) -> Schedule:
    """How the learning rate runs over a phase of the training.

    onecycle: linear rise from 0.04 over the first tenth, then a half cosine to zero (Smith & Topin 2018,
    arXiv 1708.07120). It differs from `torch.optim.lr_scheduler.OneCycleLR` with its defaults in that it
    rises over a tenth and not over three, in a line and not in a half cosine, ends at zero and not at
    4e-6, and leaves momentum alone; the descent is the same. cosine: half a cosine from the top
    (arXiv 1608.03983). polynomial: `(1 - t)^0.9` (arXiv 1606.00915). exponential: multiplied by `gamma`
    after each epoch, as `torch.optim.lr_scheduler.ExponentialLR` does. constant: 1.

    Raises:
        ConfigError: Unknown name.
    """
    match name:
        case "onecycle":
            return lambda done, epoch: _one_cycle(done)
        case "cosine":
            return lambda done, epoch: 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        case "polynomial":
            return lambda done, epoch: max(0.0, 1 - done) ** 0.9
        case "exponential":
            return lambda done, epoch: gamma**epoch
        case "constant":
            return lambda done, epoch: 1.0
    raise ConfigError(
        "a schedule onecycle, cosine, polynomial, exponential or constant", repr(name), "Change training.schedule."
    )


def _one_cycle(done: float) -> float:
    done = min(done, 1.0)
    if done < _WARM_UP:
        return _START + (1 - _START) * done / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))
