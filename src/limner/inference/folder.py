"""Predict many pictures: read, predict and write at the same time.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from limner.bundle import BundleMeta
from limner.errors import ConfigError
from limner.images import read_info
from limner.inference.collisions import check_results
from limner.inference.delivery import Copies, copied, delivery_to, normal_place
from limner.inference.destinations import Destinations, result_place
from limner.inference.journal import Journal, Record, is_there
from limner.inference.outputs import huge_outputs, volume_name
from limner.inference.pipeline import APART, EMPTY, STRANGE, TILES, Failure, Job, Outcome
from limner.inference.predicting import Predicting
from limner.inference.shards import Shard
from limner.inference.stacking import Stacker, check_dicom, check_slices, volume_of
from limner.inference.tables import Records
from limner.inference.tasks import Places, Task, find_tasks
from limner.inference.wanted import Wanted
from limner.inference.written import Written

_WHOLE = Shard()
_MASKS = Wanted()

Run: TypeAlias = Callable[[Destinations, Sequence[Task]], Generator[tuple[int, Outcome], None, None]]
"""Has samples predicted: gives the number of each, from 0, once, with what became of it; in order for volumes."""


@dataclass(frozen=True)
class FolderResult:
    """What became of the pictures.

    Attributes:
        written: Files of masks that this call wrote, in the order of the pictures, as URLs where they went to a store;
            overlays and probabilities go with them.
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

    written: Sequence[Path | str]
    failed: list[tuple[str, str]]
    skipped: list[str]
    predicted: int = 0
    resumed: int = 0
    doubts: Path | str | None = None
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
        out: Folder of the results, or URL of a store; None for a table of run lengths alone.
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
    return predict_places(
        predictor.meta,
        lambda to, tasks: Job(predictor, to, wanted, tile_progress=tile_progress).run(tasks),
        pictures,
        out,
        wanted,
        overwrite=overwrite,
        resume=resume,
        shard=shard,
        made=made,
        progress=progress,
    )


def predict_places(
    meta: BundleMeta,
    run: Run,
    pictures: Places,
    out: str | Path | None,
    wanted: Wanted,
    *,
    overwrite: bool = False,
    resume: bool = False,
    shard: Shard = _WHOLE,
    made: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FolderResult:
    """As `predict_folder`, wherever the network runs.

    Args:
        meta: Of the model.
        run: Reads, predicts and writes pictures.
        pictures: See `predict_folder`, also of the others and for errors.
        out: Likewise.
        wanted: Likewise.
        overwrite: Likewise.
        resume: Likewise.
        shard: Likewise.
        made: Likewise.
        progress: Likewise.
    """
    wanted.check(out, meta.targets)
    if resume and overwrite:
        raise ConfigError("either to keep what is there or to replace it", "--resume and --overwrite", "Leave one out.")
    out = normal_place(out)
    found = find_tasks(pictures, meta.inputs, leave_out=out)
    if wanted.form == "nifti":
        check_slices(found.tasks)
    elif wanted.form == "dicom-seg":
        check_dicom(found.tasks)
    tasks = shard.take(found.tasks, _unit)
    with delivery_to(out) as delivery:
        to = Destinations.plan(out, wanted, meta, shard, delivery)
        there = to.presence()
        if delivery is not None and resume and there(to.journal):
            delivery.fetch(to.journal)
        shards = list(filter(is_there, shard.files(to.journal))) if resume and shard.count == 1 else []
        going_on = resume and is_there(to.journal)
        to = replace(to, replacing=overwrite or going_on or bool(shards))
        check_results(
            to,
            lambda: to.files(tasks, apart=wanted.flag_below is not None),
            (source for task in found.tasks for source in task.sources),
            None if to.replacing else there,
        )
        names = [task.result for task in tasks]
        made = {**(made or {}), **wanted.judged()}
        with (
            Journal.open(to.journal, names, made, resume=going_on, others=shards) as journal,
            copied(delivery, to.journal) as copies,
        ):
            tally = _Tally(Written(to, names))
            todo = _unfinished(to, wanted, tasks, journal, there)
            for place in journal.places():
                tally.count(place, journal[place])
            _predict_all(run, to, wanted, tasks, todo, journal, tally, copies, progress)
            for table in to.tables:
                table.write(Records(journal, table.key))
                to.send([table.path])
    return tally.result(tasks, found.others, resumed=len(tasks) - len(todo), to=to)


def _predict_all(
    run: Run,
    to: Destinations,
    wanted: Wanted,
    tasks: Sequence[Task],
    todo: Sequence[int],
    journal: Journal,
    tally: _Tally,
    copies: Copies,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Have pictures predicted, and keep what became of them."""
    before = len(tasks) - len(todo)
    if progress is not None and before:
        progress(before, len(tasks))
    stacker = Stacker(to.outputs) if to.outputs is not None and wanted.form == "nifti" else None
    with closing(run(to, [tasks[place] for place in todo])) as outcomes:
        for done, (number, outcome) in enumerate(outcomes, start=1):
            place = todo[number]
            if isinstance(outcome, Failure):
                tally.failed.append((place, outcome.picture.name, str(outcome.error)))
            elif stacker is not None:
                stacker.add(outcome.picture.location, outcome.masks)
            else:
                tally.written.add(place, apart=outcome.record[APART], huge=TILES in outcome.record)
            if stacker is not None:
                following = tasks[todo[done]] if done < len(todo) else None
                _stack(stacker, to, tasks, place, following, tally)
            # Once all its files are there; the last slice of a volume, once the volume is.
            if not isinstance(outcome, Failure):
                journal.add(place, outcome.record)
                copies.offer()
                tally.predicted += 1
                tally.count(place, outcome.record)
            if progress is not None:
                progress(before + done, len(tasks))


def _stack(
    stacker: Stacker, to: Destinations, tasks: Sequence[Task], place: int, following: Task | None, tally: _Tally
) -> None:
    """Write the volume of the picture at `place`, if it is the last slice."""
    task = tasks[place]
    volume = volume_of(task)
    if following is not None and volume_of(following) == volume:
        return
    # Slices that were named one by one, and not all, are no volume.
    count = read_info(task.picture.location).pages
    if stacker.finish(task.result, task.picture.location, count):
        to.send(to.outputs.masks(task.result) if to.outputs is not None else [])
        tally.written.add(place, apart=False)
    else:
        tally.failed.append((place, volume_name(task.result), f"Not all of its {count} slices were predicted."))


@dataclass
class _Tally:
    """What adds up over pictures, with their places."""

    written: Written
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    strange: list[tuple[int, str]] = field(default_factory=list)
    doubtful: int = 0
    predicted: int = 0
    huge: int = 0
    tiles: int = 0
    empty: int = 0

    def count(self, place: int, record: Record) -> None:
        self.huge += TILES in record
        self.tiles += record.get(TILES, 0)
        self.empty += record.get(EMPTY, 0)
        self.doubtful += record[APART]
        if record[STRANGE]:
            self.strange.append((place, record[STRANGE]))

    def result(self, tasks: Sequence[Task], others: list[str], *, resumed: int, to: Destinations) -> FolderResult:
        # In the order of the pictures, whichever was done first.
        self.written.sort()
        return FolderResult(
            self.written,
            [(name, problem) for _, name, problem in sorted(self.failed)],
            others,
            predicted=self.predicted,
            resumed=resumed,
            doubts=to.doubts,
            doubtful=self.doubtful,
            strange=[(tasks[place].picture.name, because) for place, because in sorted(self.strange)],
            rle=to.rle,
            huge=self.huge,
            tiles=self.tiles,
            empty=self.empty,
        )


def _unfinished(
    to: Destinations, wanted: Wanted, tasks: Sequence[Task], journal: Journal, there: Callable[[Path], bool]
) -> list[int]:
    """Places of the pictures of which something is missing that this call would write; the others keep their lines."""
    for place in list(journal.places()):
        record = journal[place]
        name = result_place(tasks[place].result, apart=record[APART])
        whole = all(table.key in record for table in to.tables)
        outputs = huge_outputs(to.outputs) if to.outputs is not None and TILES in record else to.outputs
        if not whole or (outputs is not None and not all(map(there, outputs.paths(name)))):
            journal.forget(place)
    if wanted.form == "nifti":
        # A volume is written with all its slices.
        incomplete = {_unit(task) for place, task in enumerate(tasks) if not journal.has(place)}
        for place, task in enumerate(tasks):
            if _unit(task) in incomplete:
                journal.forget(place)
    return [place for place in range(len(tasks)) if not journal.has(place)]


def _unit(task: Task) -> str:
    """What is not divided among shards: the slices of a volume."""
    return volume_of(task) or task.result
