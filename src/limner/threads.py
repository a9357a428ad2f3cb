"""Work done in threads, a bounded distance ahead, in order.

Layer: just above `types`. Imports no torch. Reading, resizing, compressing and the network all
release Python's lock, so threads overlap them without the copies that processes would cost.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

THREADS = min(4, max(2, os.cpu_count() or 2))
"""Decoding and compressing gain little from more threads than this, while each picture ahead takes memory."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int = THREADS, ahead: int = 2 * THREADS
) -> Generator[Result, None, None]:
    """`map(function, items)` with the next `ahead` results under way in `threads` threads.

    Results come in the order of the items. An exception is raised where its result would have come.
    When the iterator is closed, what has not begun is dropped.

    Example:
        >>> list(ordered_map(len, ["a", "bcd"]))
        [1, 3]
    """
    source = iter(items)
    executor = ThreadPoolExecutor(threads, thread_name_prefix="limner-ahead")
    try:
        waiting: deque[Future[Result]] = deque(executor.submit(function, item) for item in islice(source, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(executor.submit(function, item) for item in islice(source, 1))
            yield result
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
