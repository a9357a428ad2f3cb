"""A training that several processes share: the first one runs the verb, the others train when it does.

Layer: workflow, below `attempts`.

The first process prepares, plans, evaluates and reports as if it were alone, and folds, repeats and comparisons are
loops of its own. Whenever it fits a network it tells the others, which wait for that in `follow`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from limner.config import Config
from limner.data.prepare import Prepared
from limner.errors import TrainingError
from limner.training.distributed import Dismissed, Ranks, ranks
from limner.training.fit import Fitted, fit
from limner.training.plan import Plan
from limner.training.progress import Reporter

if TYPE_CHECKING:
    from limner.workflow.run import Run


@dataclass(frozen=True)
class _Task:
    """A training that all begin now."""

    config: Config
    data: Prepared
    run: Path
    resume: bool


def fit_together(
    config: Config, data: Prepared, run: Path, *, resume: bool, reporter: Reporter, plan: Plan | None = None
) -> Fitted:
    """As `fit`, with all other processes.

    Raises:
        LimnerError: As `fit`.
    """
    together = ranks()
    together.of_first(lambda: _Task(config, data, run.absolute(), resume))
    try:
        return fit(config, data, run, resume=resume, reporter=reporter, plan=plan)
    except TrainingError:
        raise  # what all have found
    except BaseException:
        together.lose()
        raise


def follow(together: Ranks) -> Run:
    """Train whenever the first process does, until it is done.

    Args:
        together: The processes, this one not being the first.

    Returns:
        What the first one returned.

    Raises:
        SystemExit: The first one failed, and says why.
        LimnerError: What happened in this process alone, such as a picture that it cannot read.
    """
    task: _Task | Run
    while True:
        try:
            task = together.of_first(_nobody)
            if not isinstance(task, _Task):
                return task
            with contextlib.suppress(TrainingError):  # a loss that is not finite is so for all; the first one says so
                fit(task.config, task.data, task.run, resume=task.resume)
        except Dismissed:
            raise SystemExit(2) from None
        except BaseException:
            together.lose()
            raise


def _nobody() -> _Task | Run:
    raise AssertionError("only the first process makes tasks")
