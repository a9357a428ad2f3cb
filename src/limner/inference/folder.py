"""Predict many pictures: read, predict and write at the same time.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path
from typing import Any

from limner.bundle import TargetSpec
from limner.errors import ConfigError, LimnerError
from limner.images import read_info, read_spacing
from limner.inference.collisions import check_results
from limner.inference.doubtful import FOLDER, TABLE_NAME, DoubtTable, doubt_about
from limner.inference.familiarity import Strangeness, strangeness
from limner.inference.inputs import ModelInput
from limner.inference.journal import Journal, Record, is_there
from limner.inference.object_tables import COCO_NAME, OBJECTS_NAME, CocoTable, ObjectTable
from limner.inference.outputs import Outputs, volume_name
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.shards import Shard
from limner.inference.sources import Picture
from limner.inference.stacking import Masks, Stacker, check_slices, volume_of
from limner.inference.submission import Submission
from limner.inference.tables import Done, Records, Table
from limner.inference.tasks import Places, Task, find_tasks
from limner.inference.wanted import Wanted
from limner.inference.written import Written
from limner.threads import ordered_map
from limner.types import Spacing

_WHOLE = Shard()
_MASKS = Wanted()
# Keys of a journal's line.
_APART, _STRANGE = "apart", "strange"


@dataclass(frozen=True)
class FolderResult:
    """What became of the pictures.

    Attributes:
        written: Files of masks that this call wrote, in the order of the pictures; overlays and probabilities go with
            them.
        failed: Name and message of each picture that could not be read or predicted.
        skipped: Names of files in the given folders that are no pictures, going by their suffix.
        predicted: Number of pictures that this call predicted.
        resumed: Number of pictures whose results were there.
        doubts: The table of how sure each prediction is; None if it was not asked.
        doubtful: Number of pictures that were put apart, among them those whose results were there.
        strange: Name of each picture unlike the training pictures, and in what; likewise.
        rle: The table of run lengths; None if it was not asked.
    """

    written: Sequence[Path]
    failed: list[tuple[str, str]]
    skipped: list[str]
    predicted: int = 0
    resumed: int = 0
    doubts: Path | None = None
    doubtful: int = 0
    strange: list[tuple[str, str]] = field(default_factory=list)
    rle: Path | None = None


@dataclass(frozen=True, eq=False)
class _Read:
    picture: Picture
    name: str
    image: ModelInput
    strangeness: Strangeness | None
    spacing: Spacing | None


@dataclass(frozen=True)
class _Written:
    picture: Picture
    record: Record
    masks: Masks


@dataclass(frozen=True)
class _Failure:
    picture: Picture
    error: LimnerError


def predict_folder(
    predictor: Predictor,
    pictures: Places,
    out: str | Path | None,
    wanted: Wanted = _MASKS,
    *,
    overwrite: bool = False,
    resume: bool = False,
    shard: Shard = _WHOLE,
    made: Mapping[str, Any] | None = None,
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
        wanted: What to write.
        overwrite: Replace results that are there. A picture is never replaced by its mask.
        resume: Go on where an earlier call stopped: pictures are left out whose results are all there. What was made
            is read from the call's journal (see `Journal`), so that tables are complete.
        shard: Which part of the pictures; tables get its number in their names.
        made: What tells the model and its use from others; a call that goes on must have the same.
        progress: Told the number of pictures done and of all pictures.

    Raises:
        DataError: There is no picture, or results cannot be told apart; nothing is written.
        OutputError: Results are already there, and nothing is written; they were made in another way; or the
            disk is full or read-only, and what was written before is whole.
        ConfigError: Neither `out` nor `rle`, or overlays or probabilities without `out`; `resume` and `overwrite`.
    """
    meta = predictor.meta
    wanted.check(out, meta.targets)
    if resume and overwrite:
        raise ConfigError("either to keep what is there or to replace it", "--resume and --overwrite", "Leave one out.")
    found = find_tasks(pictures, meta.inputs, leave_out=Path(out) if out else None)
    if wanted.form == "nifti":
        check_slices(found.tasks)
    tasks = shard.take(found.tasks, _unit)
    outputs = None if out is None else _outputs(Path(out), wanted, meta.targets, meta.inputs.parts)
    tables = _tables(out, wanted, meta.targets, shard)
    journal_path = _journal_path(out, wanted, shard)
    going_on = resume and is_there(journal_path)
    check_results(
        lambda: _results(outputs, tables, tasks, apart=wanted.flag_below is not None),
        (source for task in found.tasks for source in task.sources),
        out if out is not None else journal_path.parent,
        replace=overwrite or going_on,
    )
    job = _Job(predictor, outputs, tables, wanted)
    names = [task.result for task in tasks]
    with Journal.open(journal_path, names, {**(made or {}), **wanted.judged()}, resume=going_on) as journal:
        tally = _Tally(Written(outputs, names))
        todo = _unfinished(job, tasks, journal)
        for place in journal.places():
            tally.count(tasks[place].picture.name, journal[place])
        _predict_all(job, tasks, todo, journal, tally, progress)
        for table in tables:
            table.write(Records(journal, table.key))
    return FolderResult(
        tally.written,
        tally.failed,
        found.others,
        predicted=tally.predicted,
        resumed=len(tasks) - len(todo),
        doubts=next((table.path for table in tables if isinstance(table, DoubtTable)), None),
        doubtful=tally.doubtful,
        strange=tally.strange,
        rle=next((table.path for table in tables if isinstance(table, Submission)), None),
    )


def _predict_all(
    job: _Job,
    tasks: Sequence[Task],
    todo: Sequence[int],
    journal: Journal,
    tally: _Tally,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Read, predict and write, each a bounded distance ahead of the next."""
    before = len(tasks) - len(todo)
    if progress is not None and before:
        progress(before, len(tasks))
    inputs = ordered_map(job.read, (tasks[place] for place in todo))
    outcomes = ordered_map(job.write, _predict(job, inputs))
    stacker = Stacker(job.outputs) if job.outputs is not None and job.wanted.form == "nifti" else None
    with closing(inputs), closing(outcomes):
        # Predicting happens here, in this thread, whenever the next thing to write is asked for.
        for done, (place, outcome) in enumerate(zip(todo, outcomes, strict=True), start=1):
            if isinstance(outcome, _Failure):
                tally.failed.append((outcome.picture.name, str(outcome.error)))
            else:
                if stacker is not None:
                    stacker.add(outcome.picture.location, outcome.masks)
                else:
                    tally.written.add(place, apart=outcome.record[_APART])
                journal.add(place, outcome.record)
                tally.predicted += 1
                tally.count(outcome.picture.name, outcome.record)
            if stacker is not None:
                following = tasks[todo[done]] if done < len(todo) else None
                _stack(stacker, tasks, place, following, tally)
            if progress is not None:
                progress(before + done, len(tasks))


def _stack(stacker: Stacker, tasks: Sequence[Task], place: int, following: Task | None, tally: _Tally) -> None:
    """Write the volume of the picture at `place`, if it is the last slice."""
    task = tasks[place]
    volume = volume_of(task)
    if following is not None and volume_of(following) == volume:
        return
    # Slices that were named one by one, and not all, are no volume.
    count = read_info(task.picture.location).pages
    if stacker.finish(task.result, task.picture.location, count):
        tally.written.add(place, apart=False)
    else:
        tally.failed.append((volume_name(task.result), f"Not all of its {count} slices were predicted."))


@dataclass
class _Tally:
    """What adds up over pictures."""

    written: Written
    failed: list[tuple[str, str]] = field(default_factory=list)
    strange: list[tuple[str, str]] = field(default_factory=list)
    doubtful: int = 0
    predicted: int = 0

    def count(self, picture: str, record: Record) -> None:
        self.doubtful += record[_APART]
        if record[_STRANGE]:
            self.strange.append((picture, record[_STRANGE]))


@dataclass(frozen=True, eq=False)
class _Job:
    """What is done with each picture before and after the network."""

    predictor: Predictor
    outputs: Outputs | None
    tables: Sequence[Table]
    wanted: Wanted

    def read(self, task: Task) -> _Read | _Failure:
        meta = self.predictor.meta
        try:
            image = self.predictor.make_input(task.given)
            strange = strangeness(image.pixels, meta.inputs, meta.familiar) if meta.familiar else None
            return _Read(task.picture, task.result, image, strange, self._spacing(task))
        except LimnerError as error:
            return _Failure(task.picture, error)

    def _spacing(self, task: Task) -> Spacing | None:
        if not self.wanted.measure:
            return None
        return self.wanted.spacing or read_spacing(task.picture.location)

    def write(self, task: tuple[_Read, Prediction] | _Failure) -> _Written | _Failure:
        if isinstance(task, _Failure):
            return task
        image, prediction = task
        name, strange = image.picture.name, image.strangeness
        doubt = None
        if self.wanted.doubts:
            targets = self.predictor.meta.targets
            doubt = doubt_about(name, prediction, targets, strange, self.wanted.flag_below)
        apart = doubt is not None and doubt.doubtful
        if self.outputs is not None:
            self._write_files(self.outputs, image, prediction, apart=apart)
        done = Done(name, prediction, doubt, image.spacing)
        record: dict[str, Any] = {_APART: apart, _STRANGE: ""}
        if strange is not None and strange.alarming:
            record[_STRANGE] = strange.because
        record |= {table.key: table.record(done) for table in self.tables}
        return _Written(image.picture, record, prediction.masks if self.wanted.form == "nifti" else {})

    def _write_files(self, outputs: Outputs, image: _Read, prediction: Prediction, *, apart: bool) -> None:
        here, there = _place(image.name, apart=apart), _place(image.name, apart=not apart)
        if self.wanted.flag_below is not None:
            # Left by an earlier run that judged otherwise; it may be there only with `overwrite`.
            outputs.remove(there)
        outputs.write(here, image.picture, image.image.picture, prediction)


def _unfinished(job: _Job, tasks: Sequence[Task], journal: Journal) -> list[int]:
    """Places of the pictures of which something is missing that this call would write; the others keep their lines."""
    for place in list(journal.places()):
        record = journal[place]
        name = _place(tasks[place].result, apart=record[_APART])
        whole = all(table.key in record for table in job.tables)
        if not whole or (job.outputs is not None and not all(path.exists() for path in job.outputs.paths(name))):
            journal.forget(place)
    if job.wanted.form == "nifti":
        # A volume is written with all its slices.
        incomplete = {_unit(task) for place, task in enumerate(tasks) if not journal.has(place)}
        for place, task in enumerate(tasks):
            if _unit(task) in incomplete:
                journal.forget(place)
    return [place for place in range(len(tasks)) if not journal.has(place)]


def _place(name: str, *, apart: bool) -> str:
    return f"{FOLDER}/{name}" if apart else name


def _outputs(out: Path, wanted: Wanted, targets: dict[str, TargetSpec], parts: dict[str, int]) -> Outputs:
    return Outputs(
        out,
        targets,
        wanted.probabilities,
        wanted.overlay,
        parts,
        wanted.uncertainty,
        tuple(kind for kind in wanted.contours if kind != "coco"),
        wanted.simplify,
        wanted.form,
    )


def _tables(out: str | Path | None, wanted: Wanted, targets: dict[str, TargetSpec], shard: Shard) -> list[Table]:
    tables: list[Table] = []
    if out is not None and wanted.doubts:
        tables.append(DoubtTable(shard.name(Path(out) / TABLE_NAME)))
    if out is not None and wanted.measure:
        tables.append(ObjectTable(shard.name(Path(out) / OBJECTS_NAME), targets))
    if out is not None and "coco" in wanted.contours:
        masks = {name: spec for name, spec in targets.items() if spec.task != "regression"}
        for name, spec in masks.items():
            folder = Path(out) / "coco" / (name if len(targets) > 1 else "")
            tables.append(CocoTable(shard.name(folder / COCO_NAME), name, spec, wanted.simplify))
    if wanted.rle is not None:
        tables.append(Submission.plan(shard.name(Path(wanted.rle)), targets))
    return tables


def _results(outputs: Outputs | None, tables: Sequence[Table], tasks: Sequence[Task], *, apart: bool) -> Iterator[Path]:
    """Every file that may be written; where some results are put apart, which ones is not known yet."""
    if outputs is not None:
        volume = ""
        for task in tasks:
            paths = outputs.paths(task.result)
            if outputs.form == "nifti" and volume == (volume := volume_of(task)):
                # Slices of one volume have one file of masks.
                paths = [path for path in paths if path not in outputs.masks(task.result)]
            yield from paths
            if apart:
                yield from outputs.paths(_place(task.result, apart=True))
    yield from (table.path for table in tables)


def _journal_path(out: str | Path | None, wanted: Wanted, shard: Shard) -> Path:
    """Where the journal lies: hidden, with the results."""
    if out is not None:
        return shard.name(Path(out) / ".limner-predict.jsonl")
    rle = Path(wanted.rle or "")
    return shard.name(rle.with_name(f".{rle.name}.jsonl"))


def _unit(task: Task) -> str:
    """What is not divided among shards: the slices of a volume."""
    return volume_of(task) or task.result


def _predict(job: _Job, inputs: Iterator[_Read | _Failure]) -> Iterator[tuple[_Read, Prediction] | _Failure]:
    """Each input with its prediction, or why there is none, in order."""
    # The predictor runs a batch ahead; tee keeps just the pictures in between.
    ours, theirs = tee(inputs)
    readable = (item.image for item in theirs if isinstance(item, _Read))
    predictions = job.predictor.attempt_inputs(
        readable, probabilities=bool(job.wanted.probabilities) or job.wanted.measure, doubts=job.wanted.doubts
    )
    for item in ours:
        if isinstance(item, _Failure):
            yield item
            continue
        outcome = next(predictions)
        yield (item, outcome) if isinstance(outcome, Prediction) else _Failure(item.picture, outcome)
