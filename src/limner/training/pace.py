"""How long epochs are where a clock ends the training: by what a step and a validation take, as measured.

Layer: training, beside `plan`. Imports no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from limner.config import Config
from limner.training.plan import Plan

_VALIDATIONS = 10
"""Fewest validations that a time budget should hold: the best epoch is chosen among them."""
_VALIDATING = 0.2
"""Largest share of the time that goes into them."""
_LEAST_SAMPLES = 4


@dataclass(frozen=True)
class Pace:
    """What was measured before a training.

    Attributes:
        step: Seconds of a step.
        sample: Seconds to validate a sample.
        took: Seconds that measuring took; they are part of the time budget.
    """

    step: float
    sample: float
    took: float = 0.0


def follows_clock(plan: Plan, config: Config) -> bool:
    """Whether the length of the epochs is to be found by measuring: a time budget, and nothing said of epochs."""
    training = config.training
    return plan.seconds is not None and training.epochs is None and training.steps_per_epoch is None


def fit_to_clock(plan: Plan, pace: Pace, config: Config, *, count: int) -> Plan:
    """The plan with epochs that are long enough to be worth a validation and short enough to have ten of them.

    Epochs keep the length that suits the data where the time holds ten of them. Where validation would take
    more than a fifth of the time, epochs become longer as far as ten fit; then fewer samples are validated, but at
    least four, or as many as the settings say; then there are fewer validations.

    Args:
        plan: With a time budget.
        pace: As measured on this machine.
        config: Settings; `training.val_samples` is kept.
        count: Training samples.
    """
    assert plan.seconds is not None
    left = max(plan.seconds - pace.took, 0.0)
    step, sample = max(pace.step, 1e-6), max(pace.sample, 1e-9)
    asked = plan.val_samples
    least = asked if config.training.val_samples else min(_LEAST_SAMPLES, asked)
    training = (1 - _VALIDATING) * left
    # As long as `ratio` steps pay for the validation of a sample, it takes no more than its share.
    ratio = (1 - _VALIDATING) / _VALIDATING * sample / step
    longest = max(1, int(training / step))
    tenth = max(1, int(training / step / _VALIDATIONS))
    steps = min(max(plan.steps, math.ceil(asked * ratio)), tenth)
    steps = min(max(steps, math.ceil(least * ratio)), longest)
    samples = max(least, min(asked, int(steps / ratio)))
    cycle = steps * step + samples * sample
    number = max(1, round(left / cycle))
    measured = f"measured: {_seconds(step)} a step, {_seconds(sample)} to validate a sample"
    because = dict(plan.because)
    because["pace"] = "measured before the training; the time it took is part of the budget"
    because["steps"] = f"the time holds about {number:,} such epochs, each with a validation ({measured})"
    visits = f"{steps * plan.batch / count:.2g} times the {count:,} samples"
    because["passes"] = f"{steps:,} step{'s' * (steps != 1)} of {plan.batch} visit {visits}"
    if samples < asked:
        because["val_samples"] = (
            f"evenly spread: to validate all {asked:,} each epoch would take more than a fifth of the time ({measured})"
        )
    return replace(
        plan,
        steps=steps,
        passes=max(1, math.ceil(steps * plan.batch / count)),
        val_samples=samples,
        pace={"step": round(step, 6), "sample": round(sample, 6), "took": round(pace.took, 3)},
        because=because,
    )


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 0.1 else f"{1000 * value:.3g} ms"
