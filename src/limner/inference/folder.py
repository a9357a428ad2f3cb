"""Predict many pictures: read, predict and write at the same time.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

from limner.errors import LimnerError
from limner.inference.inputs import ModelInput
from limner.inference.outputs import Outputs
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.sources import Picture
from limner.inference.tasks import Places, Task, find_tasks
from limner.threads import ordered_map


@dataclass(frozen=True)
class FolderResult:
    """What became of the pictures.

    Attributes:
        written: Files of masks, in the order of the pictures; overlays and probabilities go with them.
        failed: Name and message of each picture that could not be read or predicted.
        skipped: Names of files in the given folders that are no pictures, going by their suffix.
    """

    written: list[Path]
    failed: list[tuple[str, str]]
    skipped: list[str]


@dataclass(frozen=True, eq=False)
class _Read:
    picture: Picture
    name: str
    image: ModelInput


@dataclass(frozen=True)
class _Failure:
    picture: Picture
    error: LimnerError


def predict_folder(
    predictor: Predictor,
    pictures: Places,
    out: str | Path,
    *,
    overwrite: bool = False,
    probabilities: bool = False,
    overlay: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FolderResult:
    """Write the masks of pictures, under the pictures' names and sub-folders (see `Outputs`).

    `a/b.jpg` becomes `a/b.png`. Pictures of one folder that differ by suffix alone keep it: `a.jpg.png`
    and `a.png.png`. A picture that cannot be read or predicted is listed and the rest goes on.

    Args:
        predictor: Predicts.
        pictures: Files, folders, patterns with `*`, zip archives or URLs. Files in `out` are left out.
            For a network of several inputs see `find_tasks`.
        out: Folder of the results.
        overwrite: Replace results that are there. A picture is never replaced by its mask.
        probabilities: Also write probabilities.
        overlay: Also write overlays, to look at.
        progress: Told the number of pictures done and of all pictures.

    Raises:
        DataError: There is no picture, or results cannot be told apart; nothing is written.
        OutputError: Results are already there, and nothing is written; or the disk is full or
            read-only, and what was written before is whole.
    """
    out = Path(out)
    found = find_tasks(pictures, predictor.meta.inputs, leave_out=out)
    outputs = Outputs(out, predictor.meta.targets, probabilities, overlay, predictor.meta.inputs.parts)
    sources = [picture for task in found.tasks for picture in task.sources]
    outputs.check(sources, [task.result for task in found.tasks], overwrite=overwrite)

    def read(task: Task) -> _Read | _Failure:
        try:
            return _Read(task.picture, task.result, predictor.make_input(task.given))
        except LimnerError as error:
            return _Failure(task.picture, error)

    def write(task: tuple[_Read, Prediction] | _Failure) -> list[Path] | _Failure:
        if isinstance(task, _Failure):
            return task
        image, prediction = task
        return outputs.write(image.name, image.image.picture, prediction)

    inputs = ordered_map(read, found.tasks)
    predictions = _predict(predictor, inputs, probabilities=probabilities)
    outcomes = ordered_map(write, predictions)
    result = FolderResult([], [], found.others)
    with closing(inputs), closing(outcomes):
        # Predicting happens here, in this thread, whenever the next thing to write is asked for.
        for done, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, _Failure):
                result.failed.append((outcome.picture.name, str(outcome.error)))
            else:
                result.written.extend(outcome)
            if progress is not None:
                progress(done, len(found.tasks))
    return result


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
