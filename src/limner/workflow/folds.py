"""A training in folds: a whole run for each fold, and every sample scored by the model that did not see it.

Layer: workflow, below `train`.

    RUN/folds/0 …             ordinary run folders, whose val split is that fold
    RUN/evaluation/           scores of all samples, each by the model of its fold
    RUN/model.safetensors     the models of all folds as an ensemble
    RUN/post_processing.json  what was tried after the threshold, and what there is evidence for
    RUN/evaluation-test/      scores of the ensemble on test samples, where there are some
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limner.bundle import BUNDLE_NAME, DataSpec
from limner.config import Config
from limner.data.catalog import Catalog
from limner.data.digests import catalog_digest
from limner.data.folds import FOLD, fold_count, with_fold_apart
from limner.data.prepare import Prepared
from limner.evaluation.folds import evaluate_folds, fold_predictor
from limner.evaluation.report import write_report
from limner.evaluation.run_folder import FOLDS_NAME, POST_PROCESSING_NAME, TEST_NAME
from limner.files import write_text
from limner.inference.measuring import measuring
from limner.inference.scoring import ScoreTable, score
from limner.training.progress import Reporter
from limner.training.record import RunRecord
from limner.workflow.ensemble import join_bundles
from limner.workflow.evaluate import evaluate_run
from limner.workflow.familiarity import learn_pictures
from limner.workflow.parts import Part, part_settings, train_parts, training_seconds
from limner.workflow.post_processing import PostProcessing, choose_post_processing
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
        folds = _Folds.of(folder, data, len(runs))
        chosen = choose_post_processing(folds.bundles, folds.parts, data.label_maps, progress=sitting.reporter.stage)
        write_text(folder / POST_PROCESSING_NAME, json.dumps(chosen.to_dict(), indent=2))
        summary = _evaluate(folder, data, folds, tables, chosen, sitting.reporter)
        ensemble = _make_ensemble(folder, data, folds, chosen, sitting)
        seconds = {"train": training_seconds(runs), "evaluate": time.monotonic() - begin}
        record.update("finished", seconds=seconds, folds=count)
        found = {"post_processing": chosen.to_dict(), "ensemble": ensemble}
        return Run(folder, folder / BUNDLE_NAME, write_report(folder), summary, interrupted=False, found=found)

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


@dataclass(frozen=True, eq=False)
class _Folds:
    """What was trained.

    Attributes:
        catalog: All samples but those of test.
        parts: The samples of each fold.
        bundles: The model of each fold.
    """

    catalog: Catalog
    parts: Sequence[Catalog]
    bundles: Sequence[Path]

    @classmethod
    def of(cls, folder: Path, data: Prepared, count: int) -> _Folds:
        """The folds of a run folder."""
        catalog = data.catalog.subset([index for index, split in enumerate(data.catalog.splits) if split != "test"])
        own = catalog.facts[FOLD]
        parts = [catalog.subset([i for i, fold in enumerate(own) if fold == str(number)]) for number in range(count)]
        return cls(catalog, parts, [fold_folder(folder, number) / BUNDLE_NAME for number in range(count)])


def _evaluate(
    folder: Path,
    data: Prepared,
    folds: _Folds,
    known: Sequence[ScoreTable | None],
    chosen: PostProcessing,
    reporter: Reporter,
) -> dict[str, object]:
    """Score every sample by the model of its fold, with the steps that the other folds ask for.

    Folds of an earlier sitting, and those with steps, are predicted again.
    """
    tables = [
        score(
            fold_predictor(bundle, steps),
            part,
            data.label_maps,
            doubts=True,
            measuring=measuring(part),
            progress=lambda done, total: reporter.stage("evaluate", done, total),
        )
        if table is None or steps
        else table
        for table, part, bundle, steps in zip(known, folds.parts, folds.bundles, chosen.by_fold, strict=True)
    ]
    result = evaluate_folds(
        tables,
        folds.parts,
        folds.bundles,
        data.label_maps,
        folder / "evaluation",
        steps=chosen.by_fold,
        data_hash=catalog_digest(folds.catalog),
    )
    return result.summary


def _make_ensemble(
    folder: Path, data: Prepared, folds: _Folds, chosen: PostProcessing, sitting: Sitting
) -> dict[str, Any]:
    """Join the models of the folds to one, and score it on test samples; its scores, empty without such samples."""
    counts = data.catalog.split_counts()
    learned = DataSpec(hash=catalog_digest(data.catalog), count=len(data.catalog), splits=counts)
    join_bundles(folds.bundles, folder / BUNDLE_NAME, learned, chosen.steps)
    if not sitting.title:  # of several candidates the one that is kept learns them in the end
        learn_pictures(folder / BUNDLE_NAME, data, progress=sitting.reporter.stage)
    if not counts["test"]:
        return {}
    return evaluate_run(folder, data, split="test", out=folder / TEST_NAME, progress=sitting.reporter.stage).summary
