"""The learning rate by a range test: steps with a rising rate, and the rate at which the loss was lowest.

Layer: training, below `fit`. Smith 2017, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186),
section 3.3, with an exponential rise. A tenth of that rate is taken: there the loss still fell, and at the rate itself
it is about to rise (Howard & Gugger 2020, "fastai: A Layered API for Deep Learning", arXiv 2002.04688).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from limner.config import Config
from limner.data.prepare import Prepared
from limner.training.plan import Plan
from limner.training.trial import trying
from limner.types import Progress

_LOWEST = 1e-6
_HIGHEST = {"sgd": 10.0}
_HIGHEST_OF_OTHERS = 1.0
_FEWEST, _MOST = 30, 100  # steps
_SECONDS = 30.0
_SHARE = 0.05  # of a time budget
_SMOOTHING = 0.8
_LOST = 4.0  # times the lowest loss, at which nothing more is to be seen
_FELL = 0.97  # of the loss at first, to which it must have fallen for anything to be seen
_BELOW = 10.0


@dataclass(frozen=True)
class RangeTest:
    """What the steps showed.

    Attributes:
        rates: Learning rate of each step, rising.
        losses: Loss of each, before the step.
        seconds: How long it took.
    """

    rates: Sequence[float]
    losses: Sequence[float]
    seconds: float = 0.0

    def to_csv(self) -> str:
        """The curve, with the smoothed loss."""
        rows = zip(self.rates, self.losses, smoothed(self.losses), strict=True)
        return "rate,loss,smoothed\n" + "".join(f"{rate:.6g},{loss:.6g},{mean:.6g}\n" for rate, loss, mean in rows)


def range_test(config: Config, data: Prepared, plan: Plan, progress: Progress | None = None) -> RangeTest:
    """Take up to a hundred steps with a rate that rises exponentially, until the loss is lost.

    Args:
        config: Settings.
        data: Samples.
        plan: What was decided.
        progress: Told while the cache is filled.

    Raises:
        LimnerError: As `fit`.
    """
    highest = _HIGHEST.get(config.training.optimizer, _HIGHEST_OF_OTHERS)
    limit = min(_SECONDS, _SHARE * plan.seconds) if plan.seconds else _SECONDS
    rates: list[float] = []
    losses: list[float] = []
    with trying(config, data, plan, progress=progress) as trial:
        begin, count = time.monotonic(), _MOST
        for batch in itertools.chain.from_iterable(itertools.repeat(trial.batches)):
            rates.append(_LOWEST * (highest / _LOWEST) ** (len(rates) / (count - 1)))
            losses.append(float(trial.step(batch, lr=rates[-1])))
            if len(losses) == 2:
                # Rates have hardly risen yet, so it may be decided now how fast they do.
                count = max(_FEWEST, min(_MOST, int(limit / (time.monotonic() - begin) * 2)))
            if not math.isfinite(losses[-1]):
                del rates[-1], losses[-1]
                break
            mean = smoothed(losses)
            if len(losses) >= count or (len(losses) > 5 and mean[-1] > _LOST * min(mean)):
                break
        return RangeTest(rates, losses, time.monotonic() - begin)


def choose_rate(test: RangeTest) -> float | None:
    """A tenth of the rate at which the smoothed loss was lowest; None where it never fell.

    Example:
        >>> rates = [10.0**power for power in (-5, -4, -3, -2, -1, 0)]
        >>> choose_rate(RangeTest(rates, [1.0, 1.0, 0.5, 0.2, 5.0, 50.0]))
        0.001
    """
    mean = smoothed(test.losses)
    lowest = min(range(len(mean)), key=mean.__getitem__, default=0)
    if not mean or mean[lowest] > _FELL * mean[0]:
        return None
    return float(f"{test.rates[lowest] / _BELOW:.2g}")


def with_found_rate(plan: Plan, test: RangeTest) -> Plan:
    """The plan with the rate that was found, or the usual one with the reason why none was."""
    rate = choose_rate(test)
    span = f"{len(test.rates)} steps with rates from {test.rates[0]:.1g} to {test.rates[-1]:.2g}"
    if rate is None:
        because = f"the usual one: in {span} the loss never fell, so that none could be found"
    else:
        because = f"found: a tenth of {rate * _BELOW:.2g}, at which the loss of {span} was lowest"
    return replace(plan, lr=rate or plan.lr, because=plan.because | {"lr": because})


def smoothed(losses: Sequence[float]) -> list[float]:
    """Running mean of losses, in which earlier ones count less and less; unbiased at the beginning."""
    found: list[float] = []
    total = 0.0
    for number, loss in enumerate(losses, start=1):
        total = _SMOOTHING * total + (1 - _SMOOTHING) * loss
        found.append(total / (1 - _SMOOTHING**number))
    return found
