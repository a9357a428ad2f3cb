"""Requests of many clients become batches of one predictor.

Layer: serving. Imports no web library.

One thread for each model predicts: networks use all cores themselves, so that two at once would only take turns. It
takes what waits, up to a batch; where more is on its way (a request is being read or decoded) it waits for that, for
a bounded time, since two pictures together are faster than one after the other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from limner.errors import LimnerError
from limner.inference.inputs import ModelInput
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """One picture to predict.

    Attributes:
        model: What predicts it, and made its input.
        picture: It.
        probabilities: Whether the prediction holds probabilities.
        doubts: Whether it says how sure it is.
        future: Where the prediction is put, or the error; cancelled when nobody waits for it any more.
    """

    model: Predicting
    picture: ModelInput
    probabilities: bool
    doubts: bool
    future: Future[Prediction] = field(default_factory=Future)

    @property
    def likeness(self) -> tuple[int, bool, bool, tuple[int, ...]]:
        """Jobs that are alike in this can be predicted as one batch."""
        return id(self.model), self.probabilities, self.doubts, self.picture.pixels.shape


class Batcher:
    """Predicts jobs in a thread of its own, in batches.

    Args:
        name: Of the thread.
        batch: Jobs at once at most.
        latency: Seconds that a job may wait for others.
        tell: Called after each batch with the number of jobs and the seconds they took.
    """

    def __init__(self, name: str, *, batch: int, latency: float, tell: Callable[[int, float], None]) -> None:
        self._batch, self._latency, self._tell = batch, latency, tell
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._coming = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"predict {name}", daemon=True)
        self._thread.start()

    def expect(self, change: int) -> None:
        """Say that so many more jobs are on their way; fewer, if it is below 0."""
        with self._changed:
            self._coming += change
            self._changed.notify()

    def put(self, job: Job) -> None:
        """Add a job; it is predicted even if the batcher is closed after this.

        Raises:
            RuntimeError: The batcher is closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._waiting.append(job)
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Jobs that have not begun."""
        return len(self._waiting)

    def close(self) -> None:
        """Finish what was put, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (jobs := self._take()) is not None:
            started = time.perf_counter()
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if not running:
                continue
            try:
                self._predict(running)
            except Exception as error:
                # The thread must outlive any error, or all later requests would wait for ever.
                _log.exception("A batch failed.")
                for job in running:
                    if not job.future.done():
                        job.future.set_exception(error)
            self._tell(len(running), time.perf_counter() - started)

    def _take(self) -> list[Job] | None:
        """The next batch, of which some may be cancelled; None at the end."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if not self._waiting:
                return None
            until = time.monotonic() + self._latency
            while len(self._waiting) < self._batch and self._coming > 0 and not self._closed:
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            return self._next()

    def _next(self) -> list[Job]:
        """The oldest job, and those of the waiting that are like it: they make one batch of the network."""
        jobs: list[Job] = []
        rest: deque[Job] = deque()
        while self._waiting and len(jobs) < self._batch:
            job = self._waiting.popleft()
            if job.future.cancelled():
                continue
            if jobs and job.likeness != jobs[0].likeness:
                rest.append(job)
            else:
                jobs.append(job)
        self._waiting.extendleft(reversed(rest))
        return jobs

    @staticmethod
    def _predict(jobs: list[Job]) -> None:
        first = jobs[0]
        pictures = [job.picture for job in jobs]
        found = first.model.attempt_inputs(pictures, probabilities=first.probabilities, doubts=first.doubts)
        for job, outcome in zip(jobs, found, strict=True):
            if isinstance(outcome, LimnerError):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)
