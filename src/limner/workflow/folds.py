"""A training in folds: a whole run for each fold, and every sample scored by the model that did not see it.

Layer: workflow, below `train`.

    RUN/folds/0 …     ordinary run folders, whose val split is that fold
    RUN/evaluation/   scores of all samples, each by the model of its fold
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from limner.config import Config, config_from, parse_duration
from limner.data.digests import catalog_digest
from limner.data.folds import fold_count, with_fold_apart
from limner.data.prepare import Prepared
from limner.evaluation.folds import evaluate_folds
from limner.evaluation.report import write_report
from limner.evaluation.run_folder import CHECK_NAME, FOLDS_NAME
from limner.files import output_error, write_bytes, write_text
from limner.inference.measuring import measuring
from limner.inference.predictor import Predictor
from limner.inference.scoring import ScoreTable, score
from limner.training.checkpoints import last_checkpoint
from limner.training.fit import BUNDLE_NAME
from limner.training.progress import Reporter
from limner.training.record import RunRecord, write_data
from limner.workflow.run import Run, recording_failure, train_run


def train_folds(
    folder: Path,
    config: Config,
    data: Prepared,
    record: RunRecord,
    *,
    resume: bool,
    extended: bool,
    reporter: Reporter,
) -> Run:
    """Train a model for each fold, and score every sample by the model that did not see it.

    Args:
        folder: Run folder of them all; holds data and settings already.
        config: Settings; a time budget is divided over the folds.
        data: Samples, divided into folds.
        record: Of the folder.
        resume: Go on with the fold that was interrupted; finished ones are left as they are.
        extended: Go on with the finished ones, too, because a setting such as their length may be another.
        reporter: Told of the progress.

    Raises:
        LimnerError: As `train_run`.
    """
    count = fold_count(data.catalog)
    settings = _settings(config, count)
    runs: list[Run] = []
    tables: list[ScoreTable | None] = []
    with recording_failure(record):
        for fold in range(count):
            part, place = fold_data(data, fold), fold_folder(folder, fold)
            counts = part.catalog.split_counts()
            if resume and not extended and (done := _finished(place)) is not None:
                reporter.note(f"Fold {fold} ({fold + 1} of {count}) is finished.")
                run, table = done, None
            else:
                amounts = f"trains on {counts['train']:,}, validates on {counts['val']:,}"
                reporter.note(f"Fold {fold} ({fold + 1} of {count}): {amounts}.")
                run, table = _train_fold(folder, place, settings, part, reporter)
            runs.append(run)
            tables.append(table)
            if run.interrupted:
                record.update("interrupted")
                return Run(folder, None, None, None, interrupted=True, folds=tuple(runs))
        begin = time.monotonic()
        summary = _evaluate(folder, data, tables, reporter)
        seconds = {"train": _seconds(runs), "evaluate": time.monotonic() - begin}
        record.update("finished", seconds=seconds, folds=count)
    return Run(folder, None, write_report(folder), summary, interrupted=False, folds=tuple(runs))


def fold_data(data: Prepared, fold: int) -> Prepared:
    """The data of one fold's run: its samples validate, those of the other folds train."""
    return replace(data, catalog=with_fold_apart(data.catalog, fold))


def fold_folder(folder: Path, fold: int) -> Path:
    """The run folder of a fold."""
    return folder / FOLDS_NAME / str(fold)


def _settings(config: Config, count: int) -> Config:
    """The settings of each fold, as of a run of its own."""
    values = config.model_dump(mode="json", exclude_unset=True)
    del values["data"]["folds"]
    # A fold validates on the samples that are scored afterwards: nothing more may be fitted to them.
    values["evaluation"] = {"calibrate": False}
    if config.training.time is not None:
        values["training"]["time"] = f"{parse_duration(config.training.time) / count:.6g}s"
    return config_from(values)


def _finished(place: Path) -> Run | None:
    """The run of a fold that is done."""
    try:
        record = json.loads((place / "run.json").read_text(encoding="utf-8"))
        if record["status"] != "finished":
            return None
        summary = json.loads((place / "evaluation" / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return None
    return Run(place, place / BUNDLE_NAME, place / "report.html", summary, interrupted=False)


def _seconds(runs: Sequence[Run]) -> float:
    """How long the folds trained, over all sittings."""
    records = [json.loads((run.folder / "run.json").read_text(encoding="utf-8")) for run in runs]
    return sum(float(record["seconds"].get("train", 0)) for record in records)


def _train_fold(
    folder: Path, place: Path, settings: Config, part: Prepared, reporter: Reporter
) -> tuple[Run, ScoreTable | None]:
    resume = last_checkpoint(place).is_file()
    if not resume:
        # What is there was left before the first epoch ended.
        try:
            shutil.rmtree(place, ignore_errors=not place.exists())
        except OSError as error:
            raise output_error(place, error) from error
        write_data(place, part)
        for name in (CHECK_NAME, "samples.png"):
            write_bytes(place / name, (folder / name).read_bytes())
    write_text(place / "config.yaml", settings.to_yaml())
    record = RunRecord(place, resume=resume)
    run, evaluation = train_run(place, settings, part, record, resume=resume, reporter=reporter, split="val")
    return run, None if evaluation is None else evaluation.table


def _evaluate(
    folder: Path, data: Prepared, known: Sequence[ScoreTable | None], reporter: Reporter
) -> dict[str, object]:
    """Score every sample by the model of its fold; folds of an earlier sitting are predicted again."""
    catalog = data.catalog.subset([index for index, split in enumerate(data.catalog.splits) if split != "test"])
    parts = [
        catalog.subset([i for i, own in enumerate(catalog.facts["fold"]) if own == str(fold)])
        for fold in range(len(known))
    ]
    bundles = [fold_folder(folder, fold) / BUNDLE_NAME for fold in range(len(known))]
    tables = [
        score(
            Predictor.from_file(bundle),
            part,
            data.label_maps,
            measuring=measuring(part),
            progress=lambda done, total: reporter.stage("evaluate", done, total),
        )
        if table is None
        else table
        for table, part, bundle in zip(known, parts, bundles, strict=True)
    ]
    result = evaluate_folds(
        tables, parts, bundles, data.label_maps, folder / "evaluation", data_hash=catalog_digest(catalog)
    )
    return result.summary
