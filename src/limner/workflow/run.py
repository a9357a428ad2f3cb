"""One run: a training on data that are prepared, its evaluation and report, recorded at each turn.

Layer: workflow, below `train` and `parts`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limner.bundle import BUNDLE_NAME
from limner.config import Config
from limner.data.prepare import Prepared
from limner.evaluation.evaluate import Evaluation
from limner.evaluation.report import write_report
from limner.metrics.thresholds import Goal
from limner.training.fit import Fitted
from limner.training.progress import Reporter
from limner.training.record import RunRecord
from limner.training.start import origin
from limner.workflow.attempts import fit_with_remedies
from limner.workflow.calibrate import calibrate_run
from limner.workflow.evaluate import evaluate_run
from limner.workflow.familiarity import learn_pictures
from limner.workflow.pilot import run_pilot


@dataclass(frozen=True)
class Run:
    """What `train` left.

    Attributes:
        folder: The run folder.
        model: The bundle, everything `load`, `evaluate` and `predict` need; None of a training in folds,
            whose models are those of `folds`.
        report: The report, or None when the training was interrupted.
        summary: Scores on the samples set aside, as in `evaluation/summary.json`, or None likewise.
        interrupted: A signal stopped the training; `train(resume=folder)` goes on.
        folds: Of a training in folds, the run of each fold that was begun.
        candidates: Of a training that compares, the run of each candidate that was begun.
        repeats: Of a training with several seeds, the run of each that was begun.
        found: What the candidates, the repeats and the folds showed: the contents of `candidates.json`,
            `repeats.json` and `post_processing.json`, by the names of these files without their ending; and of an
            `ensemble` of folds the scores on test samples, if there are some.
        reproducible: How far the training can be repeated, in a sentence; empty where it is one of several.
        evaluation: The evaluation behind `summary`, where it was made in this sitting.
    """

    folder: Path
    model: Path | None
    report: Path | None
    summary: dict[str, Any] | None
    interrupted: bool
    folds: tuple[Run, ...] = ()
    candidates: tuple[Run, ...] = ()
    repeats: tuple[Run, ...] = ()
    found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reproducible: str = ""
    evaluation: Evaluation | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        values: dict[str, Any] = {
            "folder": str(self.folder),
            "model": self.model and str(self.model),
            "report": self.report and str(self.report),
            "interrupted": self.interrupted,
            "summary": self.summary,
            **({"reproducible": self.reproducible} if self.reproducible else {}),
        }
        return values | ({"folds": [str(run.folder) for run in self.folds]} if self.folds else {}) | dict(self.found)


@dataclass(frozen=True)
class Sitting:
    """How runs are trained that begin or go on now.

    Attributes:
        reporter: Told of the progress.
        resume: Go on from the folder's last checkpoint, or with the part that was interrupted.
        extended: Go on with finished parts, too, because a setting such as their length may be another.
        split: Samples to score. None is test, or val where there is no test split.
        title: Which part of a training this is; empty where it is the whole.
    """

    reporter: Reporter
    resume: bool = False
    extended: bool = False
    split: str | None = None
    title: str = ""


def train_run(folder: Path, config: Config, data: Prepared, record: RunRecord, sitting: Sitting) -> Run:
    """Train on prepared data, evaluate, and write the report of a run folder that holds its data and settings.

    Args:
        folder: Run folder.
        config: Settings.
        data: As `read_data` gives them for the folder.
        record: Of the folder.
        sitting: Whether to go on, and which samples to score.

    Raises:
        TrainingError: The training collapsed; its report is written.
        LimnerError: As `fit` and `evaluate_run`.
    """
    reporter = sitting.reporter
    record.update("training")
    started_from: dict[str, Any] | None = None
    if not sitting.resume and config.training.start_from:
        started_from = origin(Path(config.training.start_from))
        record.update("training", started_from=started_from)
    with recording_failure(record):
        plan = None if sitting.resume or _is_later_part(folder, sitting) else run_pilot(folder, config, data, reporter)
        tried = fit_with_remedies(config, data, folder, resume=sitting.resume, reporter=reporter, plan=plan)
        fitted, config = tried.fitted, tried.config
        _record_training(record, fitted, config.training.seed, started_from)
        # Of several trainings one that collapsed is scored like the others; its note was given.
        if tried.collapse is not None and not sitting.title:
            record.update("collapsed")
            write_report(folder)
            raise tried.collapse.error(folder, again=tried.again)
        if fitted.state.interrupted:
            return Run(folder, folder / BUNDLE_NAME, None, None, interrupted=True)
        begin, goal = time.monotonic(), parse_goal(config)
        if not sitting.title:  # of several trainings the one that is kept learns them in the end
            learn_pictures(folder / BUNDLE_NAME, data, progress=reporter.stage)
        if config.evaluation.calibrate or goal:
            calibrate_run(folder, data, goal=goal, device=fitted.plan.device, progress=reporter.stage)
        calibrated = time.monotonic()
        result = evaluate_run(folder, data, split=sitting.split, progress=reporter.stage)
        took = {"calibrate": calibrated - begin, "evaluate": time.monotonic() - calibrated}
        record.update("finished", seconds=took)
    report = write_report(folder)
    return Run(
        folder,
        folder / BUNDLE_NAME,
        report,
        result.summary,
        interrupted=False,
        reproducible=fitted.reproducible,
        evaluation=result,
    )


def _is_later_part(folder: Path, sitting: Sitting) -> bool:
    """Whether it is one of several trainings and not the first of them: what its pilot would show is known."""
    return bool(sitting.title) and any(other != folder for other in folder.parent.iterdir())


def parse_goal(config: Config) -> Goal | None:
    """What thresholds are for, where the settings say so.

    Raises:
        ConfigError: It is no goal.
    """
    return None if config.evaluation.goal is None else Goal.parse(config.evaluation.goal)


def _record_training(record: RunRecord, fitted: Fitted, seed: int, started_from: dict[str, Any] | None) -> None:
    state = fitted.state
    facts: dict[str, Any] = {}
    if started_from and fitted.carried:
        carried, new = len(fitted.carried.carried), list(fitted.carried.new)
        facts["started_from"] = {**started_from, "carried": carried, "new": new}
    record.update(
        "interrupted" if state.interrupted else "trained",
        seconds={"train": state.seconds},
        seed=seed,
        **({"processes": fitted.processes} if fitted.processes > 1 else {}),
        reproducible=fitted.reproducible,
        stopped=state.stopped,
        epochs=state.epoch,
        best_epoch=state.best_epoch,
        best_score=state.best_score,
        **facts,
        parameters=fitted.parameters,
        images_per_s=round(state.images / max(state.train_seconds, 1e-9), 2),
    )


@contextmanager
def recording_failure(record: RunRecord) -> Iterator[None]:
    """Say in the record how it ended where the block is left by an error."""
    try:
        yield
    except BaseException as error:
        if record.status != "collapsed":
            record.update("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
