"""Predict many pictures: read, predict and write at the same time.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import TextIO

from limner.errors import ConfigError, LimnerError
from limner.files import atomic_path
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
    """

    written: list[Path]
    failed: list[tuple[str, str]]
    skipped: list[str]
    predicted: int = 0


@dataclass(frozen=True, eq=False)
class _Read:
    picture: Picture
    name: str
    image: ModelInput


@dataclass(frozen=True)
class _Written:
    paths: list[Path]
    rows: str


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
        rle: CSV of all masks as run lengths (see `Submission`), without the pictures that fail.
        progress: Told the number of pictures done and of all pictures.

    Raises:
        DataError: There is no picture, or results cannot be told apart; nothing is written.
        OutputError: Results are already there, and nothing is written; or the disk is full or
            read-only, and what was written before is whole.
        ConfigError: Neither `out` nor `rle`, or overlays or probabilities without `out`.
    """
    _check_places(out, rle, probabilities=probabilities, overlay=overlay)
    found = find_tasks(pictures, predictor.meta.inputs, leave_out=Path(out) if out else None)
    parts = predictor.meta.inputs.parts
    outputs = Outputs(Path(out), predictor.meta.targets, probabilities, overlay, parts) if out else None
    table = Submission.plan(rle, predictor.meta.targets, overwrite=overwrite) if rle else None
    if outputs is not None:
        sources = [picture for task in found.tasks for picture in task.sources]
        outputs.check(sources, [task.result for task in found.tasks], overwrite=overwrite)

    def read(task: Task) -> _Read | _Failure:
        try:
            return _Read(task.picture, task.result, predictor.make_input(task.given))
        except LimnerError as error:
            return _Failure(task.picture, error)

    def write(task: tuple[_Read, Prediction] | _Failure) -> _Written | _Failure:
        if isinstance(task, _Failure):
            return task
        image, prediction = task
        paths = outputs.write(image.name, image.image.picture, prediction) if outputs else []
        return _Written(paths, table.rows(image.picture.name, prediction) if table else "")

    inputs = ordered_map(read, found.tasks)
    predictions = _predict(predictor, inputs, probabilities=probabilities)
    outcomes = ordered_map(write, predictions)
    written: list[Path] = []
    failed: list[tuple[str, str]] = []
    with _opened(table) as stream, closing(inputs), closing(outcomes):
        # Predicting happens here, in this thread, whenever the next thing to write is asked for.
        for done, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, _Failure):
                failed.append((outcome.picture.name, str(outcome.error)))
            else:
                written.extend(outcome.paths)
                if stream is not None:
                    stream.write(outcome.rows)
            if progress is not None:
                progress(done, len(found.tasks))
    return FolderResult(written, failed, found.others, len(found.tasks) - len(failed))


def _check_places(out: str | Path | None, rle: str | Path | None, *, probabilities: bool, overlay: bool) -> None:
    if out is None and (probabilities or overlay):
        raise ConfigError("a folder for overlays and probabilities", "none was named", "Add --out FOLDER.")
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
    predictor: Predictor, inputs: Iterator[_Read | _Failure], *, probabilities: bool
) -> Iterator[tuple[_Read, Prediction] | _Failure]:
    """Each input with its prediction, or why there is none, in order."""
    # The predictor runs a batch ahead; tee keeps just the pictures in between.
    ours, theirs = tee(inputs)
    readable = (item.image for item in theirs if isinstance(item, _Read))
    predictions = predictor.attempt_inputs(readable, probabilities=probabilities)
    for item in ours:
        if isinstance(item, _Failure):
            yield item
            continue
        outcome = next(predictions)
        yield (item, outcome) if isinstance(outcome, Prediction) else _Failure(item.picture, outcome)
