"""A training that collapsed, begun once more with what its diagnosis proposes.

Layer: workflow, below `run`.

    RUN/attempts/1/   plan, epochs, previews and diagnosis of the first attempt, and in `attempt.json` what was changed

Everything else in RUN is of the second. What was changed is read from there whenever the run goes on, so `config.yaml`
keeps the user's words.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.bundle import BUNDLE_NAME
from limner.config import Config, change
from limner.data.prepare import Prepared
from limner.errors import ConfigError, DataError
from limner.evaluation.run_folder import ATTEMPT_NAME, ATTEMPTS_NAME
from limner.files import output_error, write_text
from limner.training.collapse import COLLAPSE_NAME, Collapse, overrides
from limner.training.first_steps import FIRST_STEPS_NAME
from limner.training.fit import Fitted
from limner.training.plan import Plan
from limner.training.progress import Reporter
from limner.workflow.together import fit_together

_FIRST = "1"
_COPIED = ("plan.yaml", "metrics.jsonl", COLLAPSE_NAME, "previews")
_REMOVED = ("checkpoints", "metrics.jsonl", "previews", "tensorboard", FIRST_STEPS_NAME, BUNDLE_NAME)


@dataclass(frozen=True)
class Tried:
    """What came of a training, begun once more if need be.

    Attributes:
        fitted: Of the last attempt.
        config: Settings of the last attempt.
        collapse: Of the last attempt, where it was stopped for that; there is nothing to evaluate then.
        again: Whether it was the second one.
    """

    fitted: Fitted
    config: Config
    collapse: Collapse | None
    again: bool


def fit_with_remedies(
    config: Config, data: Prepared, run: Path, *, resume: bool, reporter: Reporter, plan: Plan | None = None
) -> Tried:
    """Train; where `training.auto_fix` says so and the training collapses, once more with other settings.

    Args:
        config: Settings as the user gave them.
        data: Samples.
        run: Run folder.
        resume: Go on, with the attempt that was under way.
        reporter: Told of the progress.
        plan: Of the first attempt, where it was decided already.

    Raises:
        LimnerError: As `fit`.
    """
    if _interrupted(run):
        _clear(run)
    fitted = fit_together(effective_settings(config, run), data, run, resume=resume, reporter=reporter, plan=plan)
    collapse = fitted.collapse
    if collapse is not None:
        reporter.note(f"Collapse: {collapse.diagnosis}")
        if config.training.auto_fix and not (run / ATTEMPTS_NAME / _FIRST).exists():
            reporter.note(f"Beginning once more with {shlex.join(overrides(collapse.changes))}")
            _begin_again(run, fitted, collapse)
            fitted = fit_together(effective_settings(config, run), data, run, resume=False, reporter=reporter)
            if fitted.collapse is not None:
                reporter.note(f"Collapse: {fitted.collapse.diagnosis}")
    return Tried(
        fitted,
        effective_settings(config, run),
        fitted.collapse if fitted.state.stopped == "collapse" else None,
        (run / ATTEMPTS_NAME / _FIRST).exists(),
    )


def check_auto_fix(config: Config) -> None:
    """Refuse what cannot be begun again with other settings.

    Raises:
        ConfigError: Phases, which have losses and rates of their own.
    """
    if config.training.auto_fix and config.training.phases:
        raise ConfigError(
            "one loss and one rate to change where a training collapses",
            "training.auto_fix and training.phases",
            "Leave one of them out.",
        )


def effective_settings(config: Config, run: Path) -> Config:
    """The settings of the attempt under way in a run folder: the user's, and what the diagnosis changed.

    Raises:
        DataError: The record of the attempt is damaged.
    """
    path = run / ATTEMPTS_NAME / _FIRST / ATTEMPT_NAME
    if not path.is_file():
        return config
    try:
        changes: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["changes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"a readable '{path}'", str(error), "Train anew; the file is damaged.") from error
    return change(config, overrides(changes))


def _begin_again(run: Path, fitted: Fitted, collapse: Collapse) -> None:
    place = run / ATTEMPTS_NAME / _FIRST
    temporary = place.with_name(f".{_FIRST}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=not temporary.exists())
        temporary.mkdir(parents=True)
        for name in _COPIED:
            if (run / name).is_dir():
                shutil.copytree(run / name, temporary / name)
            elif (run / name).is_file():
                shutil.copyfile(run / name, temporary / name)
        record = {
            "diagnosis": collapse.diagnosis,
            "changes": collapse.changes,
            "because": collapse.because,
            "stopped": fitted.state.stopped,
            "epochs": fitted.state.epoch,
            "best_score": fitted.state.best_score,
        }
        write_text(temporary / ATTEMPT_NAME, json.dumps(record, indent=2, ensure_ascii=False))
        os.replace(temporary, place)  # noqa: PTH105 - a folder; whole or not there
    except OSError as error:
        raise output_error(place, error) from error
    _clear(run)


def _interrupted(run: Path) -> bool:
    """Whether a kill came after the first attempt was put aside and before its files were gone."""
    try:
        return (run / COLLAPSE_NAME).read_bytes() == (run / ATTEMPTS_NAME / _FIRST / COLLAPSE_NAME).read_bytes()
    except OSError:
        return False


def _clear(run: Path) -> None:
    """Remove what the first attempt left; its diagnosis last, by which it is known that this is not done yet."""
    for name in (*_REMOVED, COLLAPSE_NAME):
        try:
            if (run / name).is_dir():
                shutil.rmtree(run / name)
            else:
                (run / name).unlink(missing_ok=True)
        except OSError as error:
            raise output_error(run / name, error) from error
