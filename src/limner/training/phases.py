"""Phases: parts of a training with settings of their own, one after the other.

Layer: training. Imports no torch. A training without phases is one phase.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from limner.training.state import TrainingState
from limner.types import Size

Schedule = Callable[[float, int], float]
"""(share of the phase done, 0-1; epochs of it finished) → factor of the highest learning rate."""


@dataclass(frozen=True)
class Phase:
    """What may differ between the phases of a training. Weights, moving average and optimiser go on."""

    size: Size
    batch: int
    passes: int
    """Times an epoch visits every sample."""
    steps: int
    """Steps per epoch."""
    epochs: int
    lr: float
    losses: dict[str, str]
    """By target."""
    target_weights: dict[str, float]
    """By target."""
    freeze: tuple[str, ...]
    """Targets whose branch does not learn, and perhaps `encoder`."""

    def describe(self) -> str:
        """In a few words."""
        height, width = self.size
        words = f"{self.epochs} epoch{'s' * (self.epochs > 1)} of {self.steps} steps, batches of {self.batch} at "
        return f"{words}{height}×{width}" + (f", frozen: {', '.join(self.freeze)}" if self.freeze else "")


@dataclass(frozen=True)
class Course:
    """The phases of a training in their order, and where in them an epoch lies."""

    phases: tuple[Phase, ...]

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def steps(self) -> int:
        """Of all phases."""
        return sum(phase.epochs * phase.steps for phase in self.phases)

    def number(self, epoch: int) -> int:
        """The phase, from 0, of the epoch after `epoch` finished ones; the last one beyond the end."""
        ends = accumulate(phase.epochs for phase in self.phases)
        return next((number for number, end in enumerate(ends) if epoch < end), len(self.phases) - 1)

    def begin(self, number: int) -> int:
        """Epochs finished when phase `number` begins."""
        return sum(phase.epochs for phase in self.phases[:number])

    def done(self, state: TrainingState) -> float:
        """Share of all steps that is done, 0-1."""
        return min(1.0, state.step / self.steps)

    def rate(
        self, schedule: Schedule, state: TrainingState, *, seconds: float | None = None, spent: float = 0.0
    ) -> float:
        """Learning rate of the next step. The schedule runs once per phase.

        Args:
            schedule: How it runs.
            state: Where the training stands.
            seconds: Time budget; where it runs out before the steps do, the schedule follows it.
            spent: Seconds of it that were gone before the first step.
        """
        number = self.number(state.epoch)
        phase = self.phases[number]
        before = sum(earlier.epochs * earlier.steps for earlier in self.phases[:number])
        done = (state.step - before) / (phase.epochs * phase.steps)
        if seconds:
            done = max(done, (state.seconds - spent) / max(seconds - spent, 1e-9))
        return phase.lr * schedule(min(1.0, done), state.epoch - self.begin(number))


def steps_per_epoch(count: int, batch: int, passes: int) -> int:
    """Whole batches in `passes` visits of `count` samples; the rest begins the next epoch."""
    return max(1, count * passes // batch)
