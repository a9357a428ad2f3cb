"""A run made of parts, each an ordinary run in a folder of its own: the one loop of folds, repeats and candidates.

Layer: workflow, below `folds`, `repeats` and `candidates`.

    RUN/KIND/NAME/   run folder of a part; KIND is one of `PART_KINDS`
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from limner.bundle import BUNDLE_NAME
from limner.config import Config, config_from, parse_duration
from limner.data.prepare import Prepared
from limner.evaluation.folds import OUT_OF_FOLD
from limner.evaluation.report import REPORT_NAME
from limner.evaluation.run_folder import (
    CALIBRATION_NAME,
    CANDIDATES_NAME,
    CHECK_NAME,
    FOLDS_NAME,
    POST_PROCESSING_NAME,
    REPEATS_NAME,
    TEST_NAME,
)
from limner.files import output_error, write_bytes, write_text
from limner.training.checkpoints import has_checkpoint
from limner.training.record import RunRecord, write_data
from limner.workflow.run import Run, Sitting, recording_failure, train_run

Kind: TypeAlias = Literal["folds", "repeats", "candidates"]
PART_KINDS: tuple[Kind, ...] = (FOLDS_NAME, REPEATS_NAME, CANDIDATES_NAME)

Train: TypeAlias = Callable[[Path, Config, Prepared, RunRecord, Sitting], Run]
"""Trains the run of a folder that holds its data and settings: `train_run`, or one that is made of parts itself."""

_ADOPTED = ("plan.yaml", "model.txt", "metrics.jsonl", CALIBRATION_NAME, POST_PROCESSING_NAME, BUNDLE_NAME)
_FACTS = (
    "started_from",
    "seed",
    "reproducible",
    "stopped",
    "epochs",
    "best_epoch",
    "best_score",
    "parameters",
    "images_per_s",
)


@dataclass(frozen=True, eq=False)
class Part:
    """One run of several.

    Attributes:
        name: Of its folder.
        title: What it is called in a message, such as `fold 0`.
        config: Its settings.
        data: Its samples.
    """

    name: str
    title: str
    config: Config
    data: Prepared


def train_parts(
    folder: Path,
    kind: Kind,
    parts: Sequence[Part],
    train: Train,
    finish: Callable[[list[Run]], Run],
    record: RunRecord,
    sitting: Sitting,
) -> Run:
    """Train parts one after the other, then put them together.

    Args:
        folder: Run folder of them all; holds data and settings already.
        kind: What the parts are; the name of the folder they are in.
        parts: The parts. Each is an ordinary run that could be gone on with by itself.
        train: Trains one.
        finish: Makes the whole of the parts' runs, and records it.
        record: Of the folder.
        sitting: Whether to go on: finished parts are left as they are then, unless it is an extended one.

    Returns:
        What `finish` made; or an interrupted run, with the parts so far.

    Raises:
        LimnerError: As `train` and `finish`.
    """
    runs: list[Run] = []
    with recording_failure(record):
        for number, part in enumerate(parts, start=1):
            title = f"{part.title} ({number} of {len(parts)})"
            title = f"{sitting.title}, {title}" if sitting.title else title[0].upper() + title[1:]
            sitting.reporter.part(title)
            place = folder / kind / part.name
            if sitting.resume and not sitting.extended and (done := _finished(place, sitting.split)) is not None:
                sitting.reporter.note(f"{title} is finished.")
                runs.append(done)
                continue
            if train is train_run:  # one that has parts itself leaves the word to these
                counts = part.data.catalog.split_counts()
                sitting.reporter.note(f"{title}: trains on {counts['train']:,}, validates on {counts['val']:,}.")
            begun = _begin(folder, place, part)
            own = RunRecord(place, resume=begun)
            runs.append(train(place, part.config, part.data, own, replace(sitting, resume=begun, title=title)))
            if runs[-1].interrupted:
                record.update("interrupted")
                return with_parts(Run(folder, None, None, None, interrupted=True), kind, runs)
        if not sitting.title:
            sitting.reporter.part("")
        return with_parts(finish(runs), kind, runs)


def with_parts(run: Run, kind: Kind, runs: Sequence[Run]) -> Run:
    """The run, with its parts."""
    parts: dict[str, Any] = {kind: tuple(runs)}
    return replace(run, **parts)


def part_settings(config: Config, count: int, changes: dict[str, dict[str, Any]]) -> Config:
    """The settings of one of `count` parts, as of a run of its own.

    Args:
        config: Of them all; a time budget is divided.
        count: Number of parts.
        changes: By section, keys that differ; None takes a key away.
    """
    values = config.model_dump(mode="json", exclude_unset=True)
    if config.training.time is not None:
        values["training"]["time"] = f"{parse_duration(config.training.time) / count:.6g}s"
    for section, given in changes.items():
        merged = values.get(section, {}) | given
        values[section] = {key: value for key, value in merged.items() if value is not None or key not in given}
    return config_from({section: value for section, value in values.items() if value != {}})


def read_record(place: Path) -> dict[str, Any]:
    """`run.json` of a run folder."""
    record: dict[str, Any] = json.loads((place / "run.json").read_text(encoding="utf-8"))
    return record


def training_seconds(runs: Sequence[Run]) -> float:
    """How long runs trained, over all sittings."""
    return sum(float(read_record(run.folder)["seconds"].get("train", 0)) for run in runs)


def adopt(folder: Path, run: Run, evaluation: Path) -> dict[str, Any]:
    """Make the run of a part that of the whole: its plan, epochs, model and previews, and an evaluation of it.

    Args:
        folder: Run folder of the whole.
        run: The part's run.
        evaluation: Folder of its scores.

    Returns:
        What `run.json` of the whole takes over from that of the part.

    Raises:
        OutputError: A file cannot be written.
    """
    for name in _ADOPTED:
        if (run.folder / name).is_file():
            write_bytes(folder / name, (run.folder / name).read_bytes())
    copied = {"previews": run.folder / "previews", "evaluation": evaluation}
    if (run.folder / FOLDS_NAME).is_dir():
        copied[TEST_NAME] = run.folder / TEST_NAME
    for name, source in copied.items():
        if source.is_dir():
            _copy_folder(source, folder / name)
    record = read_record(run.folder)
    return {name: record[name] for name in _FACTS if name in record}


def _copy_folder(source: Path, target: Path) -> None:
    """Copy a folder in place of another, the summary of an evaluation last: where it is, the rest is complete."""
    last = "summary.json"
    try:
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(last))
    except OSError as error:
        raise output_error(target, error) from error
    if (source / last).is_file():
        write_bytes(target / last, (source / last).read_bytes())


def _finished(place: Path, split: str | None) -> Run | None:
    """The run of a part that is done, with its scores on the split that is asked for."""
    try:
        if read_record(place)["status"] != "finished" or not (place / REPORT_NAME).is_file():
            return None
        summary = json.loads((place / "evaluation" / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return None
    if split is not None and summary.get("split") not in (split, OUT_OF_FOLD):
        return None  # evaluated anew by hand
    bundle = place / BUNDLE_NAME
    return Run(place, bundle if bundle.is_file() else None, place / REPORT_NAME, summary, interrupted=False)


def begun(place: Path) -> bool:
    """Whether there is something in a run folder to go on with."""
    return has_checkpoint(place) or any((place / kind).is_dir() for kind in PART_KINDS)


def _begin(folder: Path, place: Path, part: Part) -> bool:
    """Put data and settings into a part's folder; whether it had begun before."""
    resume = begun(place)
    if not resume:
        # What is there was left before the first step.
        try:
            shutil.rmtree(place, ignore_errors=not place.exists())
        except OSError as error:
            raise output_error(place, error) from error
        write_data(place, part.data)
        for name in (CHECK_NAME, "samples.png"):
            write_bytes(place / name, (folder / name).read_bytes())
    write_text(place / "config.yaml", part.config.to_yaml())
    return resume
