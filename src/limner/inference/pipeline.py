"""What is done with each picture before and after the network.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import tee
from typing import Any, TypeAlias

from limner.errors import DataError, LimnerError
from limner.images import read_spacing
from limner.inference.destinations import Destinations, result_place
from limner.inference.doubtful import doubt_about
from limner.inference.familiarity import Strangeness
from limner.inference.inputs import ModelInput
from limner.inference.journal import Record
from limner.inference.outputs import Outputs
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction
from limner.inference.sources import Picture
from limner.inference.stacking import Masks
from limner.inference.tables import Done
from limner.inference.tasks import Task
from limner.inference.wanted import Wanted
from limner.threads import ordered_map
from limner.types import Spacing

APART, STRANGE = "apart", "strange"
"""Keys of a journal's line: whether results lie apart, and in what the picture is unlike the training pictures."""


@dataclass(frozen=True, eq=False)
class ReadPicture:
    """A picture that was read, for the result `name`; `spacing` is in mm, where sizes are wanted and it is known."""

    picture: Picture
    name: str
    image: ModelInput
    strangeness: Strangeness | None
    spacing: Spacing | None


@dataclass(frozen=True)
class WrittenPicture:
    """A picture whose files are there, with its line of the journal; `masks` only where they are to be stacked."""

    picture: Picture
    record: Record
    masks: Masks


@dataclass(frozen=True)
class Failure:
    """A picture that could not be read or predicted."""

    picture: Picture
    error: LimnerError


Outcome: TypeAlias = WrittenPicture | Failure
"""What became of a picture."""


@dataclass(frozen=True, eq=False)
class Job:
    """What is done with each picture; `read` and `write` are called by several threads."""

    predictor: Predicting
    to: Destinations
    wanted: Wanted

    def read(self, task: Task) -> ReadPicture | Failure:
        """Read a picture and bring it to the network's scale."""
        try:
            image = self.predictor.make_input(task.given)
            strange = self.predictor.strangeness(image)
            return ReadPicture(task.picture, task.result, image, strange, self._spacing(task))
        except LimnerError as error:
            return Failure(task.picture, error)

    def _spacing(self, task: Task) -> Spacing | None:
        if not self.wanted.measure:
            return None
        return self.wanted.spacing or read_spacing(task.picture.location)

    def write(self, task: tuple[ReadPicture, Prediction] | Failure) -> Outcome:
        """Write the results of a predicted picture."""
        if isinstance(task, Failure):
            return task
        image, prediction = task
        name, strange = image.picture.name, image.strangeness
        doubt = None
        if self.wanted.doubts:
            targets = self.predictor.meta.targets
            doubt = doubt_about(name, prediction, targets, strange, self.wanted.flag_below)
        apart = doubt is not None and doubt.doubtful
        if self.to.outputs is not None:
            try:
                self._write_files(self.to.outputs, image, prediction, apart=apart)
            except DataError as error:  # what the picture lacks for a segmentation object
                return Failure(image.picture, error)
        done = Done(name, prediction, doubt, image.spacing)
        record: dict[str, Any] = {APART: apart, STRANGE: ""}
        if strange is not None and strange.alarming:
            record[STRANGE] = strange.because
        record |= {table.key: table.record(done) for table in self.to.tables}
        return WrittenPicture(image.picture, record, prediction.masks if self.wanted.form == "nifti" else {})

    def run(self, tasks: Iterable[Task]) -> Generator[tuple[int, Outcome], None, None]:
        """Read, predict and write, each a bounded distance ahead of the next.

        Gives the number of each picture, from 0 and in order, and what became of it.

        Raises:
            OutputError: A result cannot be written.
        """
        inputs = ordered_map(self.read, tasks)
        outcomes = ordered_map(self.write, predict_inputs(self, inputs))
        with closing(inputs), closing(outcomes):
            # Predicting happens here, in this thread, whenever the next thing to write is asked for.
            yield from enumerate(outcomes)

    def _write_files(self, outputs: Outputs, image: ReadPicture, prediction: Prediction, *, apart: bool) -> None:
        here, there = result_place(image.name, apart=apart), result_place(image.name, apart=not apart)
        if self.wanted.flag_below is not None:
            # Left by an earlier run that judged otherwise; it may be there only with `overwrite`.
            self.to.remove(there)
        outputs.write(here, image.picture, image.image.picture, prediction)
        self.to.send(outputs.paths(here))


def predict_inputs(
    job: Job, inputs: Iterator[ReadPicture | Failure]
) -> Iterator[tuple[ReadPicture, Prediction] | Failure]:
    """Each input with its prediction, or why there is none, in order."""
    # The predictor runs a batch ahead; tee keeps just the pictures in between.
    ours, theirs = tee(inputs)
    readable = (item.image for item in theirs if isinstance(item, ReadPicture))
    predictions = job.predictor.attempt_inputs(
        readable, probabilities=bool(job.wanted.probabilities) or job.wanted.measure, doubts=job.wanted.doubts
    )
    for item in ours:
        if isinstance(item, Failure):
            yield item
            continue
        outcome = next(predictions)
        yield (item, outcome) if isinstance(outcome, Prediction) else Failure(item.picture, outcome)
