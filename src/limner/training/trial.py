"""Trials: real steps and real predictions before a training, to measure what they take; nothing of them is kept.

Layer: training, below `fit`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from limner.config import Config
from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.training.build import build_meta, build_module, open_batches
from limner.training.engine import cache_dir, fresh_model, memory_errors
from limner.training.loader import Batch
from limner.training.nonfinite import batch_to
from limner.training.pace import Pace
from limner.training.phases import Phase
from limner.training.plan import Plan
from limner.training.randomness import random_state, restore_random_state
from limner.types import Progress

_TIMED = 5  # steps, after one that warms up
_SAMPLES = 3  # likewise
_SHARE = 0.05  # of the time budget that measuring may take, each of the two


class Trial:
    """A training that has just begun, one step at a time.

    Args:
        config: Settings.
        data: Samples.
        plan: What was decided.
        phase: Whose batches. Default: the first.
        progress: Told while the cache is filled.

    Attributes:
        module: What learns.
        batches: Its batches, on the host.
    """

    def __init__(
        self,
        config: Config,
        data: Prepared,
        plan: Plan,
        *,
        phase: Phase | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._plan = plan
        phase = phase or plan.course.phases[0]
        model, _ = fresh_model(config, plan, data)
        self.device = torch.device(plan.device)
        self.module = build_module(config, plan, data, model).to(self.device)
        self.module.on_train_epoch_start()
        self._optimizer = self.module.configure_optimizers()
        self.module.trap.guard(self._optimizer, self.device)
        state = self.module.state
        self.batches = open_batches(config, plan, data, phase, state, cache_dir=cache_dir(config), progress=progress)
        self.predictor = Predictor(
            self.module.best_weights,
            build_meta(config, plan, data, model, phase),
            device=plan.device,
            precision=plan.precision,
        )

    def step(self, batch: Batch, *, lr: float | None = None) -> Tensor:
        """Take a step, with the rate of the schedule if none is given; its loss, on the device."""
        module = self.module
        for group in self._optimizer.param_groups:
            group["lr"] = module.rate(module.state) if lr is None else lr
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._plan.precision == "bf16"):
            result = module.training_step(batch_to(batch, self.device), module.state.batch)
        module.configure_gradient_clipping(self._optimizer)
        self._optimizer.step()
        module.follow()
        module.state.step += 1
        loss: Tensor = result["loss"]
        return loss

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


@contextmanager
def trying(
    config: Config, data: Prepared, plan: Plan, *, phase: Phase | None = None, progress: Progress | None = None
) -> Iterator[Trial]:
    """A trial, after which the generators of random numbers are as they were before.

    Raises:
        LimnerError: As `fit`.
    """
    random = random_state()
    trial = Trial(config, data, plan, phase=phase, progress=progress)
    try:
        with memory_errors(plan, trial.module.state):
            yield trial
    finally:
        restore_random_state(random)


def measure_pace(config: Config, data: Prepared, plan: Plan, *, limit: float, progress: Progress | None = None) -> Pace:
    """Take some steps and validate some samples, as the training would.

    Args:
        config: Settings.
        data: Samples; the cache is filled if it is to be used, which is not timed.
        plan: What was decided.
        limit: Seconds of the time budget; measuring takes a tenth of it at most, but for single steps.
        progress: Told while the cache is filled.

    Raises:
        LimnerError: As `fit`.
    """
    with trying(config, data, plan, progress=progress) as trial:
        begin = time.monotonic()
        step = step_seconds(trial, _SHARE * limit)
        val = data.catalog.subset(data.catalog.indices("val"))
        sample = sample_seconds(trial.predictor, val, data.label_maps, _SHARE * limit)
        return Pace(step, sample, time.monotonic() - begin)


def step_seconds(trial: Trial, limit: float) -> float:
    """Median seconds of some steps; the first one, which compiles and fills caches, counts only where it is alone.

    Args:
        trial: Takes them.
        limit: Seconds after which the step under way is the last.
    """
    seconds: list[float] = []
    begin = mark = time.monotonic()
    for batch in trial.batches:
        trial.step(batch)
        trial.wait()
        now = time.monotonic()
        seconds.append(now - mark)
        mark = now
        if len(seconds) > _TIMED or now - begin > limit:
            break
    return statistics.median(seconds[1:] or seconds)


def sample_seconds(predictor: Predictor, val: Catalog, label_maps: dict[str, LabelMap], limit: float) -> float:
    """Seconds to validate a sample; likewise."""
    chosen = np.array(spread(np.arange(len(val)), 1 + _SAMPLES))
    begin = time.monotonic()
    score(predictor, val.subset(chosen[:1]), label_maps)
    first = time.monotonic() - begin
    if len(chosen) == 1 or first * (len(chosen) - 1) > limit:
        return first
    begin = time.monotonic()
    score(predictor, val.subset(chosen[1:]), label_maps)
    return (time.monotonic() - begin) / (len(chosen) - 1)
