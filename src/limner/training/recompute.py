"""Activations that are computed again instead of kept: less memory for about a third more time.

Layer: training. Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost" (arXiv 1604.06174).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

_CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)


def recompute_blocks(model: nn.Module) -> int:
    """Have every block of a network keep its input alone between the forward and the backward pass.

    Gradients and running statistics are those of a network that keeps everything, bit for bit. It is for the module
    in training: a deep copy made afterwards would still compute with the blocks of the original.

    Returns:
        Blocks that do so.
    """
    blocks = list(_blocks(model))
    for block in blocks:
        block.forward = _recomputing(block)
    return len(blocks)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost parts that are computed as one."""
    for child in module.children():
        held = isinstance(child, _CONTAINERS) or any(isinstance(part, _CONTAINERS[:2]) for part in child.children())
        if held:
            yield from _blocks(child)
        elif any(child.children()):
            yield child


def _recomputing(block: nn.Module) -> Callable[..., Any]:
    forward = block.forward
    norms = [part for part in block.modules() if isinstance(part, _BatchNorm)]

    def run(*features: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*features)
        return checkpoint(
            forward, *features, use_reentrant=False, context_fn=lambda: (contextlib.nullcontext(), _counted_once(norms))
        )

    return run


@contextlib.contextmanager
def _counted_once(norms: list[_BatchNorm]) -> Iterator[None]:
    """Leave running statistics as the first computation left them."""
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
