"""What only measuring on this machine can decide: how a batch fits in memory, and how long an epoch is.

Layer: training, below `fit`.
"""

from __future__ import annotations

from limner.config import Config
from limner.data.prepare import Prepared
from limner.models import Summary
from limner.training.memory import fit_to_memory
from limner.training.pace import fit_to_clock, follows_clock
from limner.training.plan import Plan
from limner.training.progress import Reporter
from limner.training.trial import measure_pace


def measured(config: Config, data: Prepared, plan: Plan, summary: Summary, reporter: Reporter) -> Plan:
    """The plan after some trials, where it takes any. It is made once: a run that goes on keeps what was measured.

    Args:
        config: Settings; what they name is taken as it is.
        data: Samples.
        plan: What could be decided without.
        summary: Of the network, for one picture of `plan.size`.
        reporter: Told of what the user would not expect.

    Raises:
        LimnerError: As `fit`.
    """
    shares = fit_to_memory(config, data, plan, summary, progress=reporter.stage)
    if shares is not None:
        plan = shares.applied(plan, config)
        if plan.accumulate > 1 or plan.recompute:
            reporter.note(f"Memory is short: {describe_shares(plan)} ({plan.because['accumulate']}).")
    if plan.seconds is not None and follows_clock(plan, config):
        pace = measure_pace(config, data, plan, limit=plan.seconds, progress=reporter.stage)
        paced = fit_to_clock(plan, pace, config, count=data.catalog.split_counts()["train"])
        if paced.val_samples < plan.val_samples:
            reporter.note(f"Validating {paced.val_samples:,} samples, {paced.because['val_samples']}.")
        plan = paced
    return plan


def describe_shares(plan: Plan) -> str:
    """How a batch is computed, in a few words."""
    parts = [f"batches are computed in {plan.accumulate} pieces"] * (plan.accumulate > 1)
    return " and ".join(parts + ["activations are computed twice instead of kept"] * plan.recompute)
