"""What is done with each picture before and after the network.

Layer: inference.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Any, TypeAlias

from limner.errors import ConfigError, DataError, LimnerError, OutputError
from limner.images import STREAM_PIXELS, is_zarr, read_spacing, windowed_size
from limner.inference.destinations import Destinations, result_place
from limner.inference.doubtful import doubt_about
from limner.inference.familiarity import Strangeness
from limner.inference.huge import check_place, predict_huge
from limner.inference.inputs import ModelInput
from limner.inference.journal import Record
from limner.inference.outputs import Outputs, huge_outputs
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction
from limner.inference.sources import Picture
from limner.inference.stacking import Masks
from limner.inference.streaming import check_streamable
from limner.inference.tables import Done
from limner.inference.tasks import Task
from limner.inference.wanted import Wanted, check_streaming
from limner.threads import ordered_map
from limner.types import Spacing

_log = logging.getLogger(__name__)

APART, STRANGE, TILES, EMPTY = "apart", "strange", "tiles", "empty"
"""Keys of a journal's line: whether results lie apart, and in what the picture is unlike the training pictures; of a
picture that was read by window, its tiles, and how many of them were empty."""


@dataclass(frozen=True, eq=False)
class ReadPicture:
    """A picture that was read, for the result `name`; `spacing` is in mm, where sizes are wanted and it is known."""

    picture: Picture
    name: str
    image: ModelInput
    strangeness: Strangeness | None
    spacing: Spacing | None


@dataclass(frozen=True)
class HugePicture:
    """A picture to read by window, for the result `name`."""

    picture: Picture
    name: str


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
    """What is done with each picture; `read` and `write` are called by several threads.

    Attributes:
        predictor: Predicts.
        to: Where results go.
        wanted: What to write.
        windows: Whether pictures may be read by window.
        tile_progress: Told the number of tiles done, and of all tiles of a picture that is read by window.
    """

    predictor: Predicting
    to: Destinations
    wanted: Wanted
    windows: bool = True
    tile_progress: Callable[[int, int], None] | None = None

    def read(self, task: Task) -> ReadPicture | HugePicture | Failure:
        """Read a picture and bring it to the network's scale, unless it is to be read by window."""
        try:
            if self._by_window(task):
                return HugePicture(task.picture, task.result)
            image = self.predictor.make_input(task.given)
            strange = self.predictor.strangeness(image)
            return ReadPicture(task.picture, task.result, image, strange, self._spacing(task))
        except LimnerError as error:
            return Failure(task.picture, error)

    def _by_window(self, task: Task) -> bool:
        location = task.picture.location
        zarr = "://" not in location and is_zarr(Path(location))
        if not self.windows:
            if zarr:
                raise ConfigError(
                    "pictures that are read at once, on a cluster",
                    f"'{task.picture.name}', a zarr array, which is read by window",
                    "Predict it on one machine, or share such pictures among machines with --shard NUMBER/COUNT.",
                )
            return False
        if zarr or self.wanted.stream == "always":
            check_streaming(self.wanted.whole_only)
            check_streamable(self.predictor)
            return True
        size = windowed_size(location) if self.wanted.stream == "auto" and not task.parts else None
        if size is None or size[0] * size[1] <= STREAM_PIXELS:
            return False
        try:
            check_streaming(self.wanted.whole_only)
            check_streamable(self.predictor)
        except ConfigError as error:
            # As large as it is, it may still fit; if not, that is said.
            _log.warning("'%s' is read at once and not by window: %s.", task.picture.name, error.found)
            return False
        return True

    def predict_huge(self, picture: HugePicture) -> Outcome:
        """Read, predict and write a picture by window."""
        if self.to.outputs is None:
            raise AssertionError("run lengths alone need the whole picture, which was checked")
        location = picture.picture.location
        paths = huge_outputs(self.to.outputs).paths(picture.name)
        try:
            check_place(paths, location, None if self.to.replacing else self.to.presence())
        except OutputError as error:
            return Failure(picture.picture, error)
        try:
            done = predict_huge(
                check_streamable(self.predictor),
                location,
                self.to.outputs,
                picture.name,
                skip_empty=self.wanted.skip_empty,
                replace_existing=True,
                progress=self.tile_progress,
            )
            self.to.send(paths)
        except OutputError:
            raise  # the disk is full, for the pictures after this one too
        except LimnerError as error:
            return Failure(picture.picture, error)
        strange = done.strangeness
        because = strange.because if strange is not None and strange.alarming else ""
        record = {APART: False, STRANGE: because, TILES: done.tiles, EMPTY: done.empty}
        return WrittenPicture(picture.picture, record, {})

    def _spacing(self, task: Task) -> Spacing | None:
        if not self.wanted.measure:
            return None
        return self.wanted.spacing or read_spacing(task.picture.location)

    def write(self, task: tuple[ReadPicture, Prediction] | HugePicture | Failure) -> Outcome | HugePicture:
        """Write the results of a predicted picture."""
        if isinstance(task, (Failure, HugePicture)):
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
            for number, outcome in enumerate(outcomes):
                # Pictures to read by window here, so that each has its line before the next is begun: hours may lie
                # between them.
                yield number, self.predict_huge(outcome) if isinstance(outcome, HugePicture) else outcome

    def _write_files(self, outputs: Outputs, image: ReadPicture, prediction: Prediction, *, apart: bool) -> None:
        here, there = result_place(image.name, apart=apart), result_place(image.name, apart=not apart)
        if self.wanted.flag_below is not None:
            # Left by an earlier run that judged otherwise; it may be there only with `overwrite`.
            self.to.remove(there)
        outputs.write(here, image.picture, image.image.picture, prediction)
        self.to.send(outputs.paths(here))


def predict_inputs(
    job: Job, inputs: Iterator[ReadPicture | HugePicture | Failure]
) -> Iterator[tuple[ReadPicture, Prediction] | HugePicture | Failure]:
    """Each input with its prediction, or why there is none, in order; those to be read by window as they are."""
    # The predictor runs a batch ahead; tee keeps just the pictures in between.
    ours, theirs = tee(inputs)
    readable = (item.image for item in theirs if isinstance(item, ReadPicture))
    predictions = job.predictor.attempt_inputs(
        readable, probabilities=bool(job.wanted.probabilities) or job.wanted.measure, doubts=job.wanted.doubts
    )
    for item in ours:
        if isinstance(item, (Failure, HugePicture)):
            yield item
            continue
        outcome = next(predictions)
        yield (item, outcome) if isinstance(outcome, Prediction) else Failure(item.picture, outcome)
