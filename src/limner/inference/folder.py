"""Predict many pictures: read, predict and write at the same time.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import tee
from pathlib import Path
from typing import TextIO

from limner.errors import ConfigError, LimnerError
from limner.files import atomic_path
from limner.inference.doubtful import FOLDER, Doubt, check_flag, doubt_about, write_doubts
from limner.inference.familiarity import Strangeness, strangeness
from limner.inference.inputs import ModelInput
from limner.inference.outputs import Outputs
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.sources import Picture
from limner.inference.submission import Submission
from limner.inference.tasks import Places, Task, find_tasks
from limner.threads import ordered_map


@dataclass(frozen=True)
class FolderResult:
    """What became of the pictures.

    Attributes:
        written: Files of masks, in the order of the pictures; overlays and probabilities go with them.
        failed: Name and message of each picture that could not be read or predicted.
        skipped: Names of files in the given folders that are no pictures, going by their suffix.
        predicted: Number of pictures that did not fail.
        doubts: How sure each prediction is, in the order of the pictures; empty if it was not asked.
        strange: Name of each picture unlike the training pictures, and in what.
        engine: What ran the network.
    """

    written: list[Path]
    failed: list[tuple[str, str]]
    skipped: list[str]
    predicted: int = 0
    doubts: list[Doubt] = field(default_factory=list)
    strange: list[tuple[str, str]] = field(default_factory=list)
    engine: str = "torch"


@dataclass(frozen=True, eq=False)
class _Read:
    picture: Picture
    name: str
    image: ModelInput
    strangeness: Strangeness | None


@dataclass(frozen=True)
class _Written:
    picture: Picture
    paths: list[Path]
    rows: str
    strangeness: Strangeness | None
    doubt: Doubt | None


@dataclass(frozen=True)
class _Failure:
    picture: Picture
    error: LimnerError


def predict_folder(
    predictor: Predictor,
    pictures: Places,
    out: str | Path | None,
    *,
    overwrite: bool = False,
    probabilities: bool = False,
    overlay: bool = False,
    uncertainty: bool = False,
    flag_below: float | None = None,
    rle: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FolderResult:
    """Write the masks of pictures, under the pictures' names and sub-folders (see `Outputs`).

    `a/b.jpg` becomes `a/b.png`. Pictures of one folder that differ by suffix alone keep it: `a.jpg.png`
    and `a.png.png`. A picture that cannot be read or predicted is listed and the rest goes on.

    Args:
        predictor: Predicts.
        pictures: Files, folders, patterns with `*`, zip archives or URLs. Files in `out` are left out.
            For a network of several inputs see `find_tasks`.
        out: Folder of the results; None for a table of run lengths alone.
        overwrite: Replace results that are there. A picture is never replaced by its mask.
        probabilities: Also write probabilities.
        overlay: Also write overlays, to look at.
        uncertainty: Also write how unsure each pixel is, and `doubts.csv`: how well each picture may have gone,
            the most doubtful first.
        flag_below: Also write `doubts.csv`; results of pictures whose expected Dice is below it, or that are unlike
            the training pictures, go to the sub-folder `doubtful`.
        rle: CSV of all masks as run lengths (see `Submission`), without the pictures that fail.
        progress: Told the number of pictures done and of all pictures.

    Raises:
        DataError: There is no picture, or results cannot be told apart; nothing is written.
        OutputError: Results are already there, and nothing is written; or the disk is full or
            read-only, and what was written before is whole.
        ConfigError: Neither `out` nor `rle`, or overlays or probabilities without `out`.
    """
    doubts = uncertainty or flag_below is not None
    _check_places(out, rle, further=probabilities or overlay or doubts)
    meta = predictor.meta
    check_flag(flag_below, meta.targets)
    found = find_tasks(pictures, meta.inputs, leave_out=Path(out) if out else None)
    outputs = (
        Outputs(Path(out), meta.targets, probabilities, overlay, meta.inputs.parts, uncertainty, doubts)
        if out
        else None
    )
    table = Submission.plan(rle, meta.targets, overwrite=overwrite) if rle else None
    if outputs is not None:
        sources = [picture for task in found.tasks for picture in task.sources]
        names = [task.result for task in found.tasks]
        outputs.check(sources, names, overwrite=overwrite, apart=FOLDER if flag_below is not None else None)
    job = _Job(predictor, outputs, table, doubts, flag_below)
    inputs = ordered_map(job.read, found.tasks)
    outcomes = ordered_map(job.write, _predict(predictor, inputs, probabilities=probabilities, doubts=doubts))
    result = FolderResult([], [], found.others)
    with _opened(table) as stream, closing(inputs), closing(outcomes):
        # Predicting happens here, in this thread, whenever the next thing to write is asked for.
        for done, outcome in enumerate(outcomes, start=1):
            _take_in(result, outcome, stream)
            if progress is not None:
                progress(done, len(found.tasks))
    if outputs is not None and doubts:
        write_doubts(outputs.table, result.doubts)
    return replace(result, predicted=len(found.tasks) - len(result.failed))


@dataclass(frozen=True, eq=False)
class _Job:
    """What is done with each picture before and after the network."""

    predictor: Predictor
    outputs: Outputs | None
    table: Submission | None
    doubts: bool
    flag_below: float | None

    def read(self, task: Task) -> _Read | _Failure:
        meta = self.predictor.meta
        try:
            image = self.predictor.make_input(task.given)
            strange = strangeness(image.pixels, meta.inputs, meta.familiar) if meta.familiar else None
            return _Read(task.picture, task.result, image, strange)
        except LimnerError as error:
            return _Failure(task.picture, error)

    def write(self, task: tuple[_Read, Prediction] | _Failure) -> _Written | _Failure:
        if isinstance(task, _Failure):
            return task
        image, prediction = task
        name = image.picture.name
        doubt = None
        if self.doubts:
            targets = self.predictor.meta.targets
            doubt = doubt_about(name, prediction, targets, image.strangeness, self.flag_below)
        apart = doubt is not None and doubt.doubtful
        paths = self._write_files(image, prediction, apart=apart) if self.outputs else []
        rows = self.table.rows(name, prediction) if self.table else ""
        return _Written(image.picture, paths, rows, image.strangeness, doubt)

    def _write_files(self, image: _Read, prediction: Prediction, *, apart: bool) -> list[Path]:
        assert self.outputs is not None
        here, there = image.name, f"{FOLDER}/{image.name}"
        if apart:
            here, there = there, here
        if self.flag_below is not None:
            # Left by an earlier run that judged otherwise; it may be there only with `overwrite`.
            self.outputs.remove(there)
        return self.outputs.write(here, image.image.picture, prediction)


def _take_in(result: FolderResult, outcome: _Written | _Failure, stream: TextIO | None) -> None:
    """Add what became of a picture to the result, and its run lengths to their table."""
    if isinstance(outcome, _Failure):
        result.failed.append((outcome.picture.name, str(outcome.error)))
        return
    result.written.extend(outcome.paths)
    if stream is not None:
        stream.write(outcome.rows)
    if outcome.doubt is not None:
        result.doubts.append(outcome.doubt)
    if outcome.strangeness is not None and outcome.strangeness.alarming:
        result.strange.append((outcome.picture.name, outcome.strangeness.because))


def _check_places(out: str | Path | None, rle: str | Path | None, *, further: bool) -> None:
    if out is None and further:
        raise ConfigError("a folder for overlays, probabilities and doubts", "none was named", "Add --out FOLDER.")
    if out is None and rle is None:
        raise ConfigError(
            "a folder for the masks, or a file for their run lengths",
            "neither was named",
            "Add --out FOLDER, or --rle FILE.csv.",
        )


@contextmanager
def _opened(table: Submission | None) -> Iterator[TextIO | None]:
    """The table's file with its first line; it appears when everything is in it."""
    if table is None:
        yield None
        return
    # File names need not be UTF-8; they are written as they were found.
    with (
        atomic_path(table.path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        stream.write(table.header())
        yield stream


def _predict(
    predictor: Predictor, inputs: Iterator[_Read | _Failure], *, probabilities: bool, doubts: bool
) -> Iterator[tuple[_Read, Prediction] | _Failure]:
    """Each input with its prediction, or why there is none, in order."""
    # The predictor runs a batch ahead; tee keeps just the pictures in between.
    ours, theirs = tee(inputs)
    readable = (item.image for item in theirs if isinstance(item, _Read))
    predictions = predictor.attempt_inputs(readable, probabilities=probabilities, doubts=doubts)
    for item in ours:
        if isinstance(item, _Failure):
            yield item
            continue
        outcome = next(predictions)
        yield (item, outcome) if isinstance(outcome, Prediction) else _Failure(item.picture, outcome)
