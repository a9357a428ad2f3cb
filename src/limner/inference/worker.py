"""One of many predictors that share the work: what it is told, what it does, and what it says.

Layer: inference. Knows of no cluster: questions and answers are lines of JSON, whatever carries them.
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner import errors
from limner._version import __version__
from limner.errors import ConfigError, DataError, LimnerError, OutputError, shorten
from limner.images import is_url
from limner.inference.delivery import Delivery
from limner.inference.destinations import Destinations
from limner.inference.pipeline import Failure, Job, Outcome, WrittenPicture
from limner.inference.predictor import Predictor
from limner.inference.shards import Shard
from limner.inference.sources import Picture
from limner.inference.tasks import Task
from limner.inference.wanted import Wanted

STOPPED = -1
"""Number that stands in place of a picture's where a worker cannot go on."""


@dataclass(frozen=True)
class Assignment:
    """What every worker must know, beside the bundle.

    Attributes:
        wanted: What to write.
        out: Where results belong: a URL, or a folder that all machines share; None for tables alone.
        parts: Of such a folder the hidden part in which results are made; it is there before a worker is.
        witness: A file with a picture that this machine sees and all others must see; empty where there is none.
        device: See `Predictor`.
        batch_size: See `Predictor`.
        uncertainty: See `Predictor`.
        engine: See `Predictor.from_file`.
        precision: See `Predictor`.
        tta: See `Predictor`.
        version: Of Limner, which all machines must have.
    """

    wanted: Wanted
    out: str | None
    parts: str = ""
    witness: str = ""
    device: str = "auto"
    batch_size: int | None = None
    uncertainty: str = "single"
    engine: str = "torch"
    precision: str = "auto"
    tta: str = "none"
    version: str = __version__


class Worker:
    """A predictor with a place to write. Reads, predicts and writes what it is asked to.

    Args:
        bundle: The bytes of the model's file: it need not be on this machine.
        assignment: What else to know.

    Raises:
        LimnerError: This machine cannot do it: another Limner, another disk, no such device.
    """

    def __init__(self, bundle: bytes, assignment: Assignment) -> None:
        _check_machine(assignment)
        self._assignment = assignment
        with tempfile.TemporaryDirectory(prefix="limner-worker-") as folder:
            path = Path(folder) / "model.safetensors"
            path.write_bytes(bundle)
            self._predictor = Predictor.from_file(
                path,
                device=assignment.device,
                batch_size=assignment.batch_size,
                uncertainty=assignment.uncertainty,
                engine=assignment.engine,
                precision=assignment.precision,
                tta=assignment.tta,
            )

    def answer(self, questions: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """What became of pictures, in order.

        Args:
            questions: Number of each picture, and its line (see `question`).

        Yields:
            Number and line, see `answer_in`. The last says why the worker stopped, where it had to.
        """
        out, wanted = self._assignment.out, self._assignment.wanted
        try:
            # For these questions only: a worker is ended without a word, but not in the midst of them.
            with _place_to_make(out, self._assignment.parts) as delivery:
                to = Destinations.plan(out, wanted, self._predictor.meta, Shard(), delivery)
                for place, outcome in Job(self._predictor, to, wanted).run(map(_task, (line for _, line in questions))):
                    yield questions[place][0], _answer(outcome)
        except LimnerError as error:
            yield STOPPED, refusal(error)


@contextmanager
def _place_to_make(out: str | None, parts: str) -> Iterator[Delivery | None]:
    """The delivery of results: from the worker's own disk to a store, from the shared folder's hidden part else."""
    if out is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="limner-worker-", dir=None if is_url(out) else parts) as made:
        yield Delivery(Path(made), out)


def question(task: Task) -> str:
    """The line that asks for a sample; names in it need not be UTF-8."""
    picture = task.picture
    return json.dumps([picture.location, picture.name, task.result, dict(task.parts)])


def refusal(error: LimnerError) -> str:
    """The line that says why there is no result."""
    return json.dumps({"error": [type(error).__name__, error.expected, error.found, error.remedy, list(error.details)]})


def answer_in(line: str, picture: Picture | None) -> Outcome:
    """What became of a picture, from a worker's line.

    Args:
        line: From `Worker.answer`.
        picture: The picture; None for the line of a worker that stopped.

    Raises:
        LimnerError: The worker stopped, for this reason.
    """
    said = json.loads(line)
    if "error" not in said:
        assert picture is not None
        return WrittenPicture(picture, said["record"], {})
    kind, expected, found, remedy, details = said["error"]
    error: LimnerError = getattr(errors, kind)(expected, found, remedy, details=details)
    if picture is None:
        raise error
    return Failure(picture, error)


def each_once(answers: Iterable[tuple[int, str]], tasks: Sequence[Task]) -> Iterator[tuple[int, Outcome]]:
    """What became of every sample: none is lost, none comes twice.

    Args:
        answers: Of all workers, in any order. A picture that was predicted twice, because a machine was taken for
            lost, has the same files both times, and counts once.
        tasks: The samples, by number.

    Raises:
        OutputError: Samples without an answer.
        LimnerError: A worker stopped.
    """
    seen = bytearray(len(tasks))
    for number, line in answers:
        if number == STOPPED:
            answer_in(line, None)
        if not seen[number]:
            seen[number] = 1
            yield number, answer_in(line, tasks[number].picture)
    missing = [tasks[number].picture.name for number, known in enumerate(seen) if not known]
    if missing:
        raise OutputError(
            f"an answer for each of {len(tasks):,} pictures",
            f"none for {len(missing):,}",
            "Repeat the command with --resume.",
            details=shorten(missing),
        )


def _task(line: str) -> Task:
    location, name, result, parts = json.loads(line)
    return Task(Picture(location, name), result, parts)


def _answer(outcome: Outcome) -> str:
    if isinstance(outcome, Failure):
        return refusal(outcome.error)
    record: dict[str, Any] = outcome.record
    return json.dumps({"record": record})


def _check_machine(assignment: Assignment) -> None:
    """Refuse a machine that would work on something else, before it does."""
    node = platform.node()
    if assignment.version != __version__:
        raise ConfigError(
            f"Limner {assignment.version} on every machine of the cluster",
            f"{__version__} on {node}",
            "Install the same version everywhere.",
        )
    if assignment.parts and not Path(assignment.parts).is_dir():
        raise OutputError(
            f"a folder '{assignment.out}' that every machine of the cluster sees",
            f"on {node} it is not there, or another one",
            "Name a folder on a disk that all machines share, or an object store, such as --out s3://bucket/masks.",
        )
    if assignment.witness and not Path(assignment.witness).exists():
        raise DataError(
            "pictures that every machine of the cluster sees",
            f"on {node} there is no '{assignment.witness}'",
            "Put them on a disk that all machines share, or in an object store, such as s3://bucket/pictures.",
        )
