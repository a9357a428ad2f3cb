"""Ordered work on a few threads, never far ahead of whoever asks for the results.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Decoding lets go of the interpreter lock only in part: more threads than this gain nothing.
THREADS = min(4, max(2, os.cpu_count() or 2))
_AHEAD = 8


def map_ordered(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results in the order of the items, computed by threads a few items ahead.

    An exception in `function` is raised when its turn comes; nothing more is started then.

    Example:
        >>> list(map_ordered(abs, [-1, 2, -3]))
        [1, 2, 3]
    """
    pending: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="limner-data")
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) >= THREADS * _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
