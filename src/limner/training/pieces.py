"""Batches in pieces, for when memory is short.

Layer: training. With pieces of equal size the sum of their gradients is that of the whole batch, but for rounding, with
three exceptions: batch norm has the statistics of a piece; and where pixels are ignored or classes are weighted,
every sample counts alike instead of every pixel.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import torch


def pieces(size: int, count: int) -> Iterator[slice]:
    """Consecutive parts of a batch, as equal as they can be.

    Example:
        >>> [(part.start, part.stop) for part in pieces(8, 3)]
        [(0, 2), (2, 5), (5, 8)]
    """
    count = max(1, min(count, size))
    for number in range(count):
        yield slice(number * size // count, (number + 1) * size // count)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; on a CPU PyTorch has no class for it."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "memory" in str(error).lower()
    )


def free_cached(device: torch.device) -> None:
    """Give back what a failed step left."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
