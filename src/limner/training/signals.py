"""Signals that ask a training to stop: heard at once, obeyed where nothing is lost.

Layer: training. Imports no torch.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from limner.training.progress import Reporter

# Ctrl-C; the end that a queue or a service manager asks for; the warning a queue can be asked to give before it; a
# terminal that was closed. Windows has the first two alone.
_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


class Interruption:
    """Listens for signals while a training runs.

    The first one sets `asked`, upon which the training saves and stops; a second Ctrl-C ends it at once.

    Args:
        reporter: Told of the first signal.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._told = False
        self.asked = False
        """Whether the training is to stop."""

    @contextlib.contextmanager
    def handlers_kept(self) -> Iterator[None]:
        """Give signals the meaning back that they had before; Lightning leaves some of its own handlers behind."""
        before = {number: signal.getsignal(number) for number in _numbers()}
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    if handler is not None:
                        signal.signal(number, handler)

    def listen(self) -> None:
        """Begin, within `handlers_kept`. Only the main thread may have handlers; in another nothing is heard."""
        if threading.current_thread() is not threading.main_thread():
            return

        def ask(number: int, frame: FrameType | None) -> None:
            if self.asked and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.asked = True
            # A signal in the middle of printing must not print: Python's streams refuse that with a RuntimeError.
            with contextlib.suppress(RuntimeError):
                self.tell()

        for number in _numbers():
            # What was told to be ignored, as `nohup` does, stays so; None is a handler that Python could not give back.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, ask)

    def tell(self) -> None:
        """Say, once, that the training will stop."""
        if not self._told:
            self._reporter.note("Stopping after this step; press Ctrl-C again to stop at once.")
            self._told = True


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
