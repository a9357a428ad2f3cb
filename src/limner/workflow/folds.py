"""A training in folds: a whole run for each fold, and every sample scored by the model that did not see it.

Layer: workflow, below `train`.

    RUN/folds/0 …     ordinary run folders, whose val split is that fold
    RUN/evaluation/   scores of all samples, each by the model of its fold
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from limner.config import Config
from limner.data.digests import catalog_digest
from limner.data.folds import fold_count, with_fold_apart
from limner.data.prepare import Prepared
from limner.evaluation.folds import evaluate_folds
from limner.evaluation.report import write_report
from limner.evaluation.run_folder import FOLDS_NAME
from limner.inference.measuring import measuring
from limner.inference.predictor import Predictor
from limner.inference.scoring import ScoreTable, score
from limner.training.fit import BUNDLE_NAME
from limner.training.progress import Reporter
from limner.training.record import RunRecord
from limner.workflow.parts import Part, part_settings, train_parts, training_seconds
from limner.workflow.run import Run, Sitting, train_run


def train_folds(folder: Path, config: Config, data: Prepared, record: RunRecord, sitting: Sitting) -> Run:
    """Train a model for each fold, and score every sample by the model that did not see it.

    Args:
        folder: Run folder of them all; holds data and settings already.
        config: Settings; a time budget is divided over the folds.
        data: Samples, divided into folds.
        record: Of the folder.
        sitting: See `train_parts`.

    Raises:
        LimnerError: As `train_run`.
    """
    count = fold_count(data.catalog)
    settings = _settings(config, count)
    parts = [Part(str(fold), f"fold {fold}", settings, fold_data(data, fold)) for fold in range(count)]

    def finish(runs: list[Run]) -> Run:
        begin = time.monotonic()
        tables = [None if run.evaluation is None else run.evaluation.table for run in runs]
        summary = _evaluate(folder, data, tables, sitting.reporter)
        seconds = {"train": training_seconds(runs), "evaluate": time.monotonic() - begin}
        record.update("finished", seconds=seconds, folds=count)
        return Run(folder, None, write_report(folder), summary, interrupted=False)

    return train_parts(folder, "folds", parts, train_run, finish, record, replace(sitting, split="val"))


def fold_data(data: Prepared, fold: int) -> Prepared:
    """The data of one fold's run: its samples validate, those of the other folds train."""
    return replace(data, catalog=with_fold_apart(data.catalog, fold))


def fold_folder(folder: Path, fold: int) -> Path:
    """The run folder of a fold."""
    return folder / FOLDS_NAME / str(fold)


def _settings(config: Config, count: int) -> Config:
    """The settings of each fold, as of a run of its own."""
    # A fold validates on the samples that are scored afterwards: nothing more may be fitted to them.
    return part_settings(config, count, {"data": {"folds": None}, "evaluation": {"calibrate": False}})


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
