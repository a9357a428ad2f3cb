"""Candidates trained alike and compared on the validation samples; the best of them is scored on test.

Layer: workflow, below `train`.

    RUN/candidates/NAME   ordinary run folders, perhaps with folds or repeats; `evaluation/` is of validation samples
    RUN/candidates.json   the ranking, the verdict, and which was kept
    RUN/                  everything else is of the one that was kept; `evaluation/` is of test samples
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from limner.bundle import BUNDLE_NAME
from limner.config import Config
from limner.data.prepare import Prepared
from limner.evaluation.candidates import Cost, content, measure_of
from limner.evaluation.compare import compare
from limner.evaluation.folds import OUT_OF_FOLD
from limner.evaluation.report import write_report
from limner.evaluation.run_folder import CANDIDATES_NAME, FOLDS_NAME, REPEATS_NAME, TEST_NAME, read_evaluation
from limner.files import write_text
from limner.training.record import RunRecord
from limner.types import Progress
from limner.workflow.evaluate import evaluate_run
from limner.workflow.familiarity import learn_pictures
from limner.workflow.folds import train_folds
from limner.workflow.parts import Part, adopt, part_settings, read_record, train_parts, training_seconds
from limner.workflow.repeats import best_in_validation, train_repeats, write_repeats
from limner.workflow.run import Run, Sitting, train_run
from limner.workflow.variants import Variant, variants


def train_candidates(folder: Path, config: Config, data: Prepared, record: RunRecord, sitting: Sitting) -> Run:
    """Train every candidate, compare them in validation, and score the best on the test samples.

    Args:
        folder: Run folder of them all; holds data and settings already.
        config: Settings; a time budget is divided over the candidates.
        data: As `read_data` gives them for the folder.
        record: Of the folder.
        sitting: See `train_parts`.

    Raises:
        LimnerError: As `train_run`.
    """
    found = variants(config)
    parts = [
        Part(each.name, f"candidate {each.name}", part_settings(each.config, len(found), {}), data) for each in found
    ]
    train = train_folds if config.data.folds else train_repeats if config.experiment.repeats else train_run

    def finish(runs: list[Run]) -> Run:
        begin = time.monotonic()
        chosen = _compare(folder, found, runs, in_folds=bool(config.data.folds))
        winner = next(run for run in runs if run.folder.name == chosen["kept"])
        facts, shown = _keep(folder, winner, data, sitting.reporter.stage)
        train, all_of_them = training_seconds([winner]), training_seconds(runs)
        took = {"train": train, "train_others": all_of_them - train, "evaluate": time.monotonic() - begin}
        record.update("finished", seconds=took, **facts)
        summary = json.loads((folder / "evaluation" / "summary.json").read_text(encoding="utf-8"))
        bundle = folder / BUNDLE_NAME
        return Run(
            folder,
            bundle if bundle.is_file() else None,
            write_report(folder),
            summary,
            interrupted=False,
            found={"candidates": chosen, **shown},
        )

    return train_parts(folder, "candidates", parts, train, finish, record, replace(sitting, split="val"))


def _compare(folder: Path, found: tuple[Variant, ...], runs: list[Run], *, in_folds: bool) -> dict[str, Any]:
    """Rank the candidates by their scores in validation, and write that down."""
    metric, target = measure_of(read_evaluation(runs[0].folder)[0])
    comparison = compare([run.folder for run in runs], metric=metric, target=target)
    costs = {run.folder.name: _cost(each, run) for each, run in zip(found, runs, strict=True)}
    chosen = content(comparison, costs, split=OUT_OF_FOLD if in_folds else "val", folder=CANDIDATES_NAME)
    write_text(folder / f"{CANDIDATES_NAME}.json", json.dumps(chosen, indent=2))
    return chosen


def _cost(variant: Variant, run: Run) -> Cost:
    records = [read_record(place) for place in _trainings(run.folder)]
    return Cost(
        settings=variant.text,
        seconds=sum(float(record["seconds"].get("train", 0)) for record in records),
        epochs=tuple(record["epochs"] for record in records),
        parameters=records[0]["parameters"],
        images_per_s=statistics.fmean(record["images_per_s"] for record in records),
    )


def _trainings(folder: Path) -> list[Path]:
    """The run folders in which networks were trained: those of the folds or repeats, or the run's own."""
    parts = [place for kind in (FOLDS_NAME, REPEATS_NAME) for place in (folder / kind).glob("*/")]
    return sorted(parts, key=lambda place: int(place.name)) or [folder]


def _keep(folder: Path, winner: Run, data: Prepared, progress: Progress) -> tuple[dict[str, Any], dict[str, Any]]:
    """Score the best candidate on test, and make it the run's; facts for its record, and what its repeats showed."""
    trainings = _trainings(winner.folder)
    if (winner.folder / FOLDS_NAME).is_dir():
        if winner.model is not None:
            learn_pictures(winner.model, data, progress=progress)
        facts = adopt(folder, winner, winner.folder / "evaluation")
        return {**facts, "folds": len(trainings)}, {}
    runs = [Run(place, place / BUNDLE_NAME, None, None, interrupted=False) for place in trainings]
    # Without test samples the scores are those of the validation samples, which are there already.
    name = TEST_NAME if len(data.catalog.indices("test")) else "evaluation"
    if name == TEST_NAME:
        for run in runs:
            evaluate_run(run.folder, data, split="test", out=run.folder / name, progress=progress)
    shown = {}
    if len(runs) > 1:
        summaries = [json.loads((run.folder / name / "summary.json").read_text(encoding="utf-8")) for run in runs]
        shown = {"repeats": write_repeats(folder, runs, summaries)}
    kept = best_in_validation(runs)
    learn_pictures(kept.folder / BUNDLE_NAME, data, progress=progress)
    return adopt(folder, kept, kept.folder / name), shown
