"""Prediction on many machines: Ray hands pictures out to workers, and does again what a lost machine had.

Layer: inference. The only importer of Ray, and only when a cluster is asked for.

    this machine   pictures ─→ chunks ──────────────────────────────┐        ┌─→ journal ─→ tables
    each worker                          read ─→ predict ─→ write files ─────┘

Which pictures make a chunk does not depend on which machines there are left, and a file's name follows from its
picture's; so a chunk that is predicted again writes the same files.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from limner.errors import ConfigError, LimnerError, MissingExtra, ResourceError, first_line, install_line
from limner.files import output_error
from limner.images import is_url, parse_location
from limner.inference.destinations import Destinations
from limner.inference.pipeline import Outcome
from limner.inference.tasks import Task
from limner.inference.worker import STOPPED, Assignment, Worker, each_once, question, refusal

_log = logging.getLogger(__name__)

_MOST_PER_CHUNK = 64
_CHUNKS_PER_WORKER = 4
# Ray restarts workers that die without end; where one picture kills them all, somebody must say so.
_LONGEST_WAIT = 7200.0
_ATTEMPTS = 20
_ENDS = ("SIGTERM", "SIGHUP")
_DEATHS = ("RayActorError", "ActorDiedError", "ActorUnavailableError", "OutOfMemoryError", "ExecutionTimeoutError")

Answers = dict[str, list[int] | list[str]]


@dataclass(frozen=True)
class Cluster:
    """Runs prediction on a Ray cluster: is a `limner.inference.folder.Run`.

    Attributes:
        address: `auto` (the cluster that this machine is part of), `HOST:PORT` of its head, or `local`: a cluster
            of this machine alone, for as long as it is needed. A Ray that is connected already is taken as it is.
        bundle: The model's file.
        assignment: What workers must know; where to write is filled in.
    """

    address: str
    bundle: Path
    assignment: Assignment

    def __call__(self, to: Destinations, tasks: Sequence[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """Have samples predicted: number of each, and what became of it, in any order.

        Raises:
            MissingExtra: Ray is not installed.
            ConfigError: There is no such cluster, or machines of it cannot do the work.
            OutputError: A result cannot be written.
            ResourceError: Workers die again and again.
        """
        if not tasks:
            return
        ray = import_ray()
        out = None if to.outputs is None else str(to.folder)
        if out is not None and not is_url(out):
            out = str(Path(out).absolute())
        with (
            _orderly_end(),
            _parts(out) as parts,
            _connected(ray, self.address),
            closing(self._answers(ray, replace(self.assignment, out=out, parts=parts), tasks)) as answers,
        ):
            yield from each_once(answers, tasks)

    def _answers(
        self, ray: Any, assignment: Assignment, tasks: Sequence[Task]
    ) -> Generator[tuple[int, str], None, None]:
        data = importlib.import_module("ray.data")
        needs, room = _resources(ray, assignment.device)
        count = -(-len(tasks) // max(1, min(_MOST_PER_CHUNK, len(tasks) // (_CHUNKS_PER_WORKER * room))))
        # One copy for each machine, in the memory that its workers share.
        bundle = ray.put(self.bundle.read_bytes())
        rows = [{"number": number, "line": question(task)} for number, task in enumerate(tasks)]
        with _settings(data):
            answers = data.from_items(rows, override_num_blocks=count).map_batches(
                _RayWorker,
                fn_constructor_args=(bundle, replace(assignment, witness=_witness(tasks))),
                batch_size=None,
                batch_format="numpy",
                compute=data.ActorPoolStrategy(min_size=1, initial_size=min(room, count)),
                **needs,
            )
            try:
                for row in answers.iter_rows():
                    yield int(row["number"]), str(row["line"])
            except Exception as error:
                _explain(error)
                raise


class _RayWorker:
    """A worker as Ray Data wants it: columns in, columns out; what it cannot do is an answer, not a crash."""

    def __init__(self, bundle: Any, assignment: Assignment) -> None:
        self._worker: Worker | None = None
        self._refusal = ""
        try:
            self._worker = Worker(import_ray().get(bundle), assignment)
        except LimnerError as error:
            self._refusal = refusal(error)

    def __call__(self, batch: dict[str, np.ndarray]) -> Answers:
        if self._worker is None:
            return {"number": [STOPPED], "line": [self._refusal]}
        questions = [(int(number), str(line)) for number, line in zip(batch["number"], batch["line"], strict=True)]
        answers = list(self._worker.answer(questions))
        return {"number": [number for number, _ in answers], "line": [line for _, line in answers]}


def import_ray() -> Any:
    """Ray, which neither reports its use nor sends the user's folder to other machines.

    Raises:
        MissingExtra: It is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Under `uv run`, Ray packs the working folder and unpacks it on all machines, unless told not to.
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    # A lost machine is no news to the user, who is told of the pictures.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        # With Ray Data, which needs more packages.
        importlib.import_module("pyarrow")
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtra(
            "the package that connects machines, ray, is installed with Ray Data",
            str(error),
            install_line("scale"),
        ) from error


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    if "://" in address:
        raise ConfigError(
            "auto, local, or HOST:PORT of the cluster's head",
            f"'{address}'",
            "Type the command on a machine of the cluster, or hand it in with ray job submit.",
        )
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        with _handlers_kept():  # Ray's own ends at once
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, TimeoutError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(
            f"a Ray cluster at '{address}', with this machine's versions of Ray and Python",
            first_line(error),
            "Start one with ray start --head, name another with --address HOST:PORT, or try this machine alone with "
            "--address local.",
        ) from error
    stdout = _WithoutRay(sys.stdout)
    with redirect_stdout(stdout):
        try:
            yield
        finally:
            stdout.closing = True
            ray.shutdown()


@contextmanager
def _orderly_end() -> Iterator[None]:
    """A request to end, as queues send it, is a Ctrl-C, upon which what workers left half made is taken away."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one must not end the cleaning up
        raise KeyboardInterrupt

    with _handlers_kept() as handlers:
        for number, handler in handlers.items():
            if handler is signal.SIG_DFL:  # what is ignored, or handled by whoever calls, stays so
                signal.signal(number, end)
        yield


@contextmanager
def _handlers_kept() -> Iterator[dict[signal.Signals, Any]]:
    """Give signals the meaning back that they have now; none outside of the main thread, which alone may."""
    ends = [getattr(signal, name) for name in _ENDS if hasattr(signal, name)]
    alone = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in ends} if alone else {}
    try:
        yield before
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that Python could not give back
                signal.signal(number, handler)


class _WithoutRay(io.TextIOBase):
    """Standard output on which Ray does not print what its thread hears of machines: that goes to the log.

    Attributes:
        closing: Whether Ray is being left, and all that is printed is its own.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.closing = False

    def write(self, text: str) -> int:
        if not self.closing and not threading.current_thread().name.startswith("ray_"):
            self._stream.write(text)
            return len(text)
        if text.strip():
            _log.info(text.strip())
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _parts(out: str | None) -> Iterator[str]:
    """The hidden part of a folder in which workers make results; what a lost machine left there is taken away."""
    if out is None or is_url(out):
        yield ""
        return
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        parts = tempfile.mkdtemp(prefix=".limner-cluster-", dir=out)
    except OSError as error:
        raise output_error(Path(out), error) from error
    try:
        yield parts
    finally:
        # After an interruption, workers end while this is going on, and may still be making a file.
        for _ in range(_ATTEMPTS):
            shutil.rmtree(parts, ignore_errors=True)
            if not Path(parts).exists():
                break
            time.sleep(0.5)


def _resources(ray: Any, device: str) -> tuple[dict[str, int], int]:
    """What a worker needs, and for how many there is room now."""
    there = ray.cluster_resources()
    kind, _, number = device.partition(":")
    if number or kind == "mps":
        raise ConfigError(
            "auto, cpu or cuda for --device, on a cluster", f"'{device}'", "Ray gives each worker a device of its own."
        )
    if kind == "cuda" and not there.get("GPU"):
        raise ConfigError("GPUs in the cluster, for --device cuda", "none", "Leave --device out.")
    if kind != "cpu" and there.get("GPU"):
        return {"num_gpus": 1, "num_cpus": 1}, max(1, int(there["GPU"]))
    return {"num_cpus": 1}, max(1, int(there.get("CPU", 1)))


def _witness(tasks: Sequence[Task]) -> str:
    """A file of the first picture, if it lies on a disk that this machine sees."""
    place = parse_location(tasks[0].picture.location)
    path = place.archive or place.path
    return path if not is_url(path) and Path(path).exists() else ""


@contextmanager
def _settings(data: Any) -> Iterator[None]:
    """Ray Data without bars and reports of its own, and with a limit to waiting."""
    context, log = data.DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, context.execution_no_progress_timeout_s, log.level
    context.enable_progress_bars, context.execution_no_progress_timeout_s = False, _LONGEST_WAIT
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars, context.execution_no_progress_timeout_s = before[:2]
        log.setLevel(before[2])


def _explain(error: Exception) -> None:
    """Say what the user can mend, if that is what went wrong."""
    text = str(error)
    if "No module named 'limner" in text:
        raise ConfigError(
            "Limner on every machine of the cluster", "a machine without it", "Install the same version everywhere."
        ) from error
    kind = type(error).__name__
    if kind in _DEATHS:
        raise ResourceError(
            "workers that live until their pictures are done",
            first_line(error),
            "Mostly memory does not suffice: try --batch 1, or start Ray with fewer CPUs on each machine. What is "
            "finished is kept; add --resume.",
        ) from error
