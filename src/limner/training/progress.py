"""What a training tells whoever watches; the command line draws it, a script may ignore it.

Layer: training.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from limner.data.prepare import Prepared
from limner.models import Summary
from limner.training.plan import Plan
from limner.training.state import TrainingState


@runtime_checkable
class Reporter(Protocol):
    """Receives the course of a training. Methods return at once and never raise."""

    def stage(self, name: str, done: int, total: int) -> None:
        """Preparation or evaluation: `done` of `total` files or pictures of stage `name`."""

    def prepared(self, data: Prepared) -> None:
        """The data are found, understood and split."""

    def part(self, title: str) -> None:
        """Of a training in parts, which begins, such as `Fold 0 (1 of 5)`; empty when all are put together."""

    def planned(self, plan: Plan, parameters: int, steps: int) -> None:
        """Training begins, with so many parameters and steps per epoch."""

    def summarized(self, summary: Summary, plan: Plan) -> None:
        """What the network consists of and costs, just before `planned`."""

    def step(self, state: TrainingState, loss: float) -> None:
        """An optimiser step is done; `loss` is a smoothed value, refreshed about once a second."""

    def epoch(self, state: TrainingState) -> None:
        """An epoch is done and validated; its numbers are in `state.metrics`."""

    def note(self, text: str) -> None:
        """Something the user should know, in one sentence."""


class Silent:
    """A reporter that says nothing."""

    def stage(self, name: str, done: int, total: int) -> None:
        """Say nothing."""

    def prepared(self, data: Prepared) -> None:
        """Say nothing."""

    def part(self, title: str) -> None:
        """Say nothing."""

    def planned(self, plan: Plan, parameters: int, steps: int) -> None:
        """Say nothing."""

    def summarized(self, summary: Summary, plan: Plan) -> None:
        """Say nothing."""

    def step(self, state: TrainingState, loss: float) -> None:
        """Say nothing."""

    def epoch(self, state: TrainingState) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
