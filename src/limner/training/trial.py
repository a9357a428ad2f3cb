"""Trials: real steps and real predictions before a training, to measure what they take; nothing of them is kept.

Layer: training, below `fit`.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from limner.config import Config
from limner.data.catalog import spread
from limner.data.prepare import Prepared
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.training.build import build_meta, build_module, open_batches
from limner.training.engine import cache_dir, create_trainer, fresh_model, memory_errors, quiet_lightning
from limner.training.loader import Batch
from limner.training.pace import Pace
from limner.training.plan import Plan
from limner.training.progress import Silent
from limner.training.signals import Interruption
from limner.types import Progress

_TIMED = 5  # steps, after one that warms up
_SAMPLES = 3  # likewise
_SHARE = 0.05  # of the time budget that measuring may take, each of the two


class Timer(pl.Callback):
    """Times steps, the first one apart: it compiles, chooses algorithms and fills caches.

    Args:
        steps: How many to time.
        limit: Seconds after which the step under way is the last.
    """

    def __init__(self, steps: int, limit: float) -> None:
        self._steps = steps
        self._limit = limit
        self._begin = self._mark = 0.0
        self._seconds: list[float] = []

    @property
    def step(self) -> float:
        """Median seconds of a step."""
        return statistics.median(self._seconds[1:] or self._seconds)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin = self._mark = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.monotonic()
        self._seconds.append(now - self._mark)
        self._mark = now
        if len(self._seconds) > self._steps or now - self._begin > self._limit:
            trainer.should_stop = True


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
    model, _ = fresh_model(config, plan, data)
    module = build_module(config, plan, data, model)
    phase = plan.course.phases[0]
    batches = open_batches(config, plan, data, phase, module.state, cache_dir=cache_dir(config), progress=progress)
    begin = time.monotonic()
    timer = Timer(_TIMED, _SHARE * limit)
    with Interruption(Silent()).handlers_kept(), quiet_lightning(), memory_errors(plan, module.state):
        create_trainer(plan, [timer]).fit(module, batches)
    meta = build_meta(config, plan, data, model, phase)
    predictor = Predictor(module.best_weights, meta, device=plan.device, precision=plan.precision)
    sample = _sample_seconds(predictor, data, _SHARE * limit)
    return Pace(timer.step, sample, time.monotonic() - begin)


def _sample_seconds(predictor: Predictor, data: Prepared, limit: float) -> float:
    """Seconds to validate a sample."""
    val = data.catalog.subset(data.catalog.indices("val"))
    chosen = np.array(spread(np.arange(len(val)), 1 + _SAMPLES))
    begin = time.monotonic()
    score(predictor, val.subset(chosen[:1]), data.label_maps)
    first = time.monotonic() - begin
    if len(chosen) == 1 or first * (len(chosen) - 1) > limit:
        return first
    begin = time.monotonic()
    score(predictor, val.subset(chosen[1:]), data.label_maps)
    return (time.monotonic() - begin) / (len(chosen) - 1)
