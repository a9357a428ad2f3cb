"""Predict many pictures: read, predict and write at the same time.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limner.errors import ConfigError
from limner.images import read_info
from limner.inference.collisions import check_results
from limner.inference.destinations import Destinations, result_place
from limner.inference.journal import Journal, Record, is_there
from limner.inference.outputs import huge_outputs, volume_name
from limner.inference.pipeline import APART, EMPTY, STRANGE, TILES, Failure, HugePicture, Job, predict_inputs
from limner.inference.predicting import Predicting
from limner.inference.shards import Shard
from limner.inference.stacking import Stacker, check_dicom, check_slices, volume_of
from limner.inference.tables import Records
from limner.inference.tasks import Places, Task, find_tasks
from limner.inference.wanted import Wanted
from limner.inference.written import Written
from limner.threads import ordered_map

_WHOLE = Shard()
_MASKS = Wanted()


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
        engine: What ran the network.
        int8: What was measured of each model in int8, see `limner.workflow.int8`; empty in other precisions.
        views: Which views were used, and what is known of them, as a sentence.
        huge: Number of pictures that were read by window, among them those whose results were there.
        tiles: How many tiles these have.
        empty: How many of the tiles were left out, because there is nothing in them.
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
    engine: str = "torch"
    views: str = ""
    int8: Sequence[Mapping[str, Any]] = ()
    huge: int = 0
    tiles: int = 0
    empty: int = 0


def predict_folder(
    predictor: Predicting,
    pictures: Places,
    out: str | Path | None,
    wanted: Wanted = _MASKS,
    *,
    overwrite: bool = False,
    resume: bool = False,
    shard: Shard = _WHOLE,
    made: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    tile_progress: Callable[[int, int], None] | None = None,
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
        tile_progress: Told the number of tiles done, and of all tiles of a picture that is read by window.

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
    elif wanted.form == "dicom-seg":
        check_dicom(found.tasks)
    tasks = shard.take(found.tasks, _unit)
    to = Destinations.plan(out, wanted, meta, shard)
    going_on = resume and is_there(to.journal)
    check_results(
        lambda: to.files(tasks, apart=wanted.flag_below is not None),
        (source for task in found.tasks for source in task.sources),
        to.journal.parent,
        replace=overwrite or going_on,
    )
    job = Job(predictor, to, wanted, replace_existing=overwrite or going_on)
    names = [task.result for task in tasks]
    with Journal.open(to.journal, names, {**(made or {}), **wanted.judged()}, resume=going_on) as journal:
        tally = _Tally(Written(to.outputs, names))
        todo = _unfinished(job, tasks, journal)
        for place in journal.places():
            tally.count(tasks[place].picture.name, journal[place])
        _predict_all(job, tasks, todo, journal, tally, (progress, tile_progress))
        for table in to.tables:
            table.write(Records(journal, table.key))
    return FolderResult(
        tally.written,
        tally.failed,
        found.others,
        predicted=tally.predicted,
        resumed=len(tasks) - len(todo),
        doubts=to.doubts,
        doubtful=tally.doubtful,
        strange=tally.strange,
        rle=to.rle,
        huge=tally.huge,
        tiles=tally.tiles,
        empty=tally.empty,
    )


def _predict_all(
    job: Job,
    tasks: Sequence[Task],
    todo: Sequence[int],
    journal: Journal,
    tally: _Tally,
    tell: tuple[Callable[[int, int], None] | None, Callable[[int, int], None] | None],
) -> None:
    """Read, predict and write, each a bounded distance ahead of the next."""
    progress, tile_progress = tell
    before = len(tasks) - len(todo)
    if progress is not None and before:
        progress(before, len(tasks))
    inputs = ordered_map(job.read, (tasks[place] for place in todo))
    outcomes = ordered_map(job.write, predict_inputs(job, inputs))
    stacker = Stacker(job.to.outputs) if job.to.outputs is not None and job.wanted.form == "nifti" else None
    with closing(inputs), closing(outcomes):
        # Predicting happens here, in this thread, whenever the next thing to write is asked for.
        for done, (place, outcome) in enumerate(zip(todo, outcomes, strict=True), start=1):
            if isinstance(outcome, HugePicture):
                # Here, so that each has its line before the next is begun: hours may lie between them.
                outcome = job.predict_huge(outcome, tile_progress)
            if isinstance(outcome, Failure):
                tally.failed.append((outcome.picture.name, str(outcome.error)))
            elif stacker is not None:
                stacker.add(outcome.picture.location, outcome.masks)
            else:
                tally.written.add(place, apart=outcome.record[APART], huge=TILES in outcome.record)
            if stacker is not None:
                following = tasks[todo[done]] if done < len(todo) else None
                _stack(stacker, tasks, place, following, tally)
            # Once all its files are there; the last slice of a volume, once the volume is.
            if not isinstance(outcome, Failure):
                journal.add(place, outcome.record)
                tally.predicted += 1
                tally.count(outcome.picture.name, outcome.record)
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
    huge: int = 0
    tiles: int = 0
    empty: int = 0

    def count(self, picture: str, record: Record) -> None:
        self.huge += TILES in record
        self.tiles += record.get(TILES, 0)
        self.empty += record.get(EMPTY, 0)
        self.doubtful += record[APART]
        if record[STRANGE]:
            self.strange.append((picture, record[STRANGE]))


def _unfinished(job: Job, tasks: Sequence[Task], journal: Journal) -> list[int]:
    """Places of the pictures of which something is missing that this call would write; the others keep their lines."""
    for place in list(journal.places()):
        record = journal[place]
        name = result_place(tasks[place].result, apart=record[APART])
        whole = all(table.key in record for table in job.to.tables)
        outputs = job.to.outputs
        outputs = huge_outputs(outputs) if outputs is not None and TILES in record else outputs
        if not whole or (outputs is not None and not all(path.exists() for path in outputs.paths(name))):
            journal.forget(place)
    if job.wanted.form == "nifti":
        # A volume is written with all its slices.
        incomplete = {_unit(task) for place, task in enumerate(tasks) if not journal.has(place)}
        for place, task in enumerate(tasks):
            if _unit(task) in incomplete:
                journal.forget(place)
    return [place for place in range(len(tasks)) if not journal.has(place)]


def _unit(task: Task) -> str:
    """What is not divided among shards: the slices of a volume."""
    return volume_of(task) or task.result
