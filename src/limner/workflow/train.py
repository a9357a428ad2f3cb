"""`train`: the whole way from data to model, evaluation and report.

Layer: workflow.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.allocator import keep_large_blocks
from limner.config import Config
from limner.errors import ConfigError, OutputError
from limner.evaluation.report import write_report
from limner.files import write_bytes, write_text
from limner.metrics.thresholds import Goal
from limner.training.checkpoints import last_checkpoint
from limner.training.fit import BUNDLE_NAME, Fitted, check_settings, fit
from limner.training.progress import Reporter, Silent
from limner.training.record import RunRecord, read_data, write_data
from limner.training.start import adopt_settings, origin
from limner.workflow.calibrate import calibrate_run
from limner.workflow.check import check_prepared, write_findings
from limner.workflow.evaluate import evaluate_run
from limner.workflow.predict import bundle_path
from limner.workflow.settings import prepare_data, read_settings
from limner.workflow.sheets import sample_sheet
from limner.workflow.start import prepare_from


@dataclass(frozen=True)
class Run:
    """What `train` left.

    Attributes:
        folder: The run folder.
        model: The bundle, everything `load`, `evaluate` and `predict` need.
        report: The report, or None when the training was interrupted.
        summary: Scores on the samples set aside, as in `evaluation/summary.json`, or None likewise.
        interrupted: A signal stopped the training; `train(resume=folder)` goes on.
    """

    folder: Path
    model: Path
    report: Path | None
    summary: dict[str, Any] | None
    interrupted: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "model": str(self.model),
            "report": self.report and str(self.report),
            "interrupted": self.interrupted,
            "summary": self.summary,
        }


def train(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    recipe: str | None = None,
    config: str | Path | None = None,
    resume: str | Path | None = None,
    start_from: str | Path | None = None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Run:
    """Train a model on a folder of pictures and masks, evaluate it, and write a report.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks.
        out: Run folder. Default: `runs/NAME`, with a number where that is taken.
        recipe: Published project whose settings to start from; `limner recipes` lists them.
        config: YAML file of settings; they win over the recipe's.
        resume: Run folder to go on with; `data` and `out` are then left out.
        start_from: Run folder or bundle whose weights the training starts from, with its architecture,
            normalisation and classes. It is only read.
        overrides: Settings as text, such as `training.epochs=5`; they win over `config`.
        settings: Settings by name, such as `{"training.epochs": 5}` or `{"epochs": 5}`; they win over
            `overrides`.
        reporter: Told of the progress. Default: silence.

    Raises:
        LimnerError: The data, a setting, the machine or the output folder; see `limner.errors`.

    Example:
        >>> import tempfile, limner
        >>> folder = Path(tempfile.mkdtemp())
        >>> data = limner.sample("cells", folder / "data", count=12)
        >>> run = limner.train(
        ...     data,
        ...     out=folder / "run",
        ...     settings={"epochs": 1, "steps_per_epoch": 1, "size": [64, 64], "conv_sizes": [4, 8]},
        ... )
        >>> run.summary["n_images"], run.report.name
        (2, 'report.html')
        >>> model = limner.load(run.folder)
        >>> prediction = model.predict(data / "images" / "cells_001.png")
        >>> prediction.mask.shape, prediction.mask.dtype, prediction.probs["mask"].shape
        ((256, 256), dtype('uint8'), (1, 256, 256))
        >>> limner.evaluate(run.folder, split="val").summary["n_images"]
        2
    """
    keep_large_blocks()
    reporter = reporter or Silent()
    if resume is not None:
        if any(given is not None for given in (data, out, recipe, start_from)):
            raise ConfigError(
                "a run to resume, alone",
                "data, a recipe, an output folder or a model to start from besides",
                "A run knows its data, its settings and its model; leave them out.",
            )
        folder = Path(resume)
        prepared = read_data(folder)
        chosen = read_settings(folder / "config.yaml", overrides, settings)
        goal = _goal(chosen)
        seconds = 0.0
    else:
        begin = time.monotonic()
        chosen = read_settings(config, overrides, settings, data=data, recipe=recipe)
        goal = _goal(chosen)
        source = chosen.training.start_from if start_from is None else start_from
        if source is None:
            folder = _new_folder(out, chosen)
            prepared = prepare_data(chosen, reporter.stage)
        else:
            bundle = bundle_path(source)
            chosen = adopt_settings(chosen, bundle)
            folder = _new_folder(out, chosen)
            prepared = prepare_from(chosen, bundle, reporter.stage)
        check_settings(chosen, prepared)
        findings = check_prepared(chosen, prepared, reporter.stage)
        write_data(folder, prepared)
        write_findings(folder, findings)
        write_bytes(folder / "samples.png", sample_sheet(prepared.catalog, prepared.label_maps))
        seconds = time.monotonic() - begin
        reporter.prepared(prepared)
        for finding in findings:
            if finding.level == "doubt":
                reporter.note(f"Doubt: {finding.title} {finding.remedy}")
    write_text(folder / "config.yaml", chosen.to_yaml())
    record = RunRecord(folder, resume=resume is not None)
    record.update("training", seconds={} if resume else {"prepare": seconds})
    started_from: dict[str, Any] | None = None
    if resume is None and chosen.training.start_from:
        started_from = origin(Path(chosen.training.start_from))
        record.update("training", started_from=started_from)
    with _recording_failure(record):
        fitted = fit(chosen, prepared, folder, resume=resume is not None, reporter=reporter)
        _record_training(record, fitted, started_from)
        if fitted.state.interrupted:
            return Run(folder, folder / BUNDLE_NAME, None, None, interrupted=True)
        begin = time.monotonic()
        if chosen.evaluation.calibrate or goal:
            calibrate_run(folder, prepared, goal=goal, device=fitted.plan.device, progress=reporter.stage)
        calibrated = time.monotonic()
        result = evaluate_run(folder, prepared, progress=reporter.stage)
        took = {"calibrate": calibrated - begin, "evaluate": time.monotonic() - calibrated}
        record.update("finished", seconds=took)
    return Run(folder, folder / BUNDLE_NAME, write_report(folder), result.summary, interrupted=False)


def _goal(config: Config) -> Goal | None:
    return None if config.evaluation.goal is None else Goal.parse(config.evaluation.goal)


def _new_folder(out: str | Path | None, config: Config) -> Path:
    if out is not None:
        folder = Path(out)
        _refuse_what_is_there(folder)
        return folder
    name = Path(config.data.path or config.data.images or "run").stem or "run"
    folder, number = Path("runs") / name, 2
    while folder.exists():
        folder, number = Path("runs") / f"{name}-{number}", number + 1
    return folder


def _refuse_what_is_there(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"a new run folder at '{folder}'", "there is a file", "Choose another --out.")
    if folder.is_dir() and any(folder.iterdir()):
        resume = f", or go on with that run: limner train --resume {shlex.quote(str(folder))}"
        raise OutputError(
            f"a new run folder at '{folder}'",
            "it holds files already",
            f"Choose another --out{resume if last_checkpoint(folder).is_file() else ''}",
        )


def _record_training(record: RunRecord, fitted: Fitted, started_from: dict[str, Any] | None) -> None:
    state = fitted.state
    facts: dict[str, Any] = {}
    if started_from and fitted.carried:
        carried, new = len(fitted.carried.carried), list(fitted.carried.new)
        facts["started_from"] = {**started_from, "carried": carried, "new": new}
    record.update(
        "interrupted" if state.interrupted else "trained",
        seconds={"train": state.seconds},
        stopped=state.stopped,
        epochs=state.epoch,
        best_epoch=state.best_epoch,
        **facts,
        parameters=fitted.parameters,
        images_per_s=round(state.images / max(state.train_seconds, 1e-9), 2),
    )


@contextmanager
def _recording_failure(record: RunRecord) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        record.update("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
