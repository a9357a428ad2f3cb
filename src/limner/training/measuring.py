"""What only trials can decide: how a batch fits in memory, a rate that is to be found, and how long an epoch is.

Layer: training, below `fit`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from limner.config import Config
from limner.data.prepare import Prepared
from limner.files import write_text
from limner.models import Summary
from limner.training.memory import bytes_in_use, fit_to_memory
from limner.training.pace import fit_to_clock, follows_clock
from limner.training.plan import Plan
from limner.training.progress import Reporter
from limner.training.rate_finder import range_test, with_found_rate
from limner.training.trial import measure_pace

RATES_NAME = "learning_rates.csv"


@dataclass(frozen=True)
class Measured:
    """What trials decided.

    Attributes:
        plan: The plan with it.
        memory: Bytes that the training takes with what was there before; 0 where it was not measured.
    """

    plan: Plan
    memory: int


def measured(
    config: Config, data: Prepared, plan: Plan, summary: Summary, run: Path, reporter: Reporter, *, always: bool = False
) -> Measured:
    """The plan after some trials, where it takes any. It is made once: a run that goes on keeps what was measured.

    Args:
        config: Settings; what they name is taken as it is.
        data: Samples.
        plan: What could be decided without.
        summary: Of the network, for one picture of `plan.size`.
        run: Run folder, where the curve of a range test is left.
        reporter: Told of what the user would not expect.
        always: Measure memory even where there is plenty.

    Raises:
        LimnerError: As `fit`.
    """
    before = bytes_in_use(plan.device)
    shares = fit_to_memory(config, data, plan, summary, always=always, progress=reporter.stage)
    if shares is not None:
        plan = shares.applied(plan, config)
        if plan.accumulate > 1 or plan.recompute:
            reporter.note(f"Memory is short: {describe_shares(plan)} ({plan.because['accumulate']}).")
    spent = 0.0
    if config.training.lr == "find":
        test = range_test(config, data, plan, reporter.stage)
        plan, spent = with_found_rate(plan, test), test.seconds
        write_text(run / RATES_NAME, test.to_csv())
        reporter.note(f"Learning rate {plan.lr:.3g}, {plan.because['lr']}.")
    if plan.seconds is not None and follows_clock(plan, config):
        pace = measure_pace(config, data, plan, limit=plan.seconds, progress=reporter.stage)
        pace = replace(pace, took=pace.took + spent)
        paced = fit_to_clock(plan, pace, config, count=data.catalog.split_counts()["train"])
        if paced.val_samples < plan.val_samples:
            reporter.note(f"Validating {paced.val_samples:,} samples, {paced.because['val_samples']}.")
        plan = paced
    return Measured(plan, before + shares.peak if shares is not None and shares.peak else 0)


def describe_shares(plan: Plan) -> str:
    """How a batch is computed, in a few words."""
    parts = [f"batches are computed in {plan.accumulate} pieces"] * (plan.accumulate > 1)
    return " and ".join(parts + ["activations are computed twice instead of kept"] * plan.recompute)
