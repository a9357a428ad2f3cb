"""What happens around the steps: count, log, and stop in time.

Layer: training. Each callback is small and knows only the module's `TrainingState`; their order in
`fit` is the order of the work after an epoch.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from limner.files import output_error, write_text
from limner.training.checkpoints import Checkpoints
from limner.training.loader import Batch
from limner.training.module import state_of
from limner.training.plan import Plan
from limner.training.progress import Reporter
from limner.training.signals import Interruption
from limner.training.state import TrainingState
from limner.training.validation import Validation

REPORT_EVERY = 1.0
"""Seconds between two reports of steps: reading the loss waits for the device."""


class Clock(pl.Callback):
    """Counts steps, samples and seconds; tells the reporter."""

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        self._plan = plan
        self._reporter = reporter
        self._mark = 0.0
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._loss = math.nan
        self._last_report = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._sums, self._count = state_dict["sums"], state_dict["count"]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state, course = state_of(pl_module), self._plan.course
        number = course.number(state.epoch)
        if self._plan.phases and (state.epoch, state.batch) == (course.begin(number), 0):
            phase = course.phases[number]
            self._reporter.note(f"Phase {number + 1} of {len(course.phases)}: {phase.describe()}.")
        self._mark = time.monotonic()
        if state.batch == 0:  # else the checkpoint knows what the steps before it added up to
            self._sums, self._count = {}, 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        state = state_of(pl_module)
        loss = outputs["loss"].detach()
        targets = outputs["targets"] if len(outputs["targets"]) > 1 else {}
        for name, value in {"train_loss": loss, **{f"train_loss_{name}": targets[name] for name in targets}}.items():
            self._sums[name] = self._sums[name].to(value.device) + value if name in self._sums else value
        self._count += 1
        state.batch += 1
        state.step += 1
        state.images += self._plan.course.phases[state.phase].batch  # of all processes
        now = time.monotonic()
        state.seconds += now - self._mark
        state.train_seconds += now - self._mark
        self._mark = now
        if now - self._last_report > REPORT_EVERY:
            self._last_report = now
            self._loss = float(loss) if math.isnan(self._loss) else 0.8 * self._loss + 0.2 * float(loss)
            self._reporter.step(state, self._loss)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = state_of(pl_module)
        if state.interrupted:
            return
        state.metrics = {
            "epoch": state.epoch + 1,
            "step": state.step,
            "phase": state.phase + 1,
            "train_loss": None,
            **{name: float(value) / self._count for name, value in self._sums.items()},
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "images_per_s": round(state.images / max(state.train_seconds, 1e-9), 2),
        }


class Stop(pl.Callback):
    """Finishes the epoch's record, and ends the training on epochs, time, patience or a signal.

    A signal saves a checkpoint after the step or the validated picture under way.
    """

    def __init__(
        self, plan: Plan, validation: Validation, checkpoints: Checkpoints, interruption: Interruption
    ) -> None:
        self._plan = plan
        self._validation = validation
        self._checkpoints = checkpoints
        self._interruption = interruption

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state_of(pl_module).stopped = ""
        self._interruption.listen()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        state = state_of(pl_module)
        if self._interruption.asked:
            self._interruption.tell()
            # Set here, not in the handler: a signal while an epoch is saved must not cut that short.
            state.interrupted = True
            self._checkpoints.save_last(trainer)
            trainer.should_stop = True
        elif self._out_of_time(state):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = state_of(pl_module)
        if state.interrupted:
            if self._validation.cut_short:
                # The epoch is not finished: going on validates it again.
                self._interruption.tell()
                self._checkpoints.save_last(trainer)
                trainer.should_stop = True
            return
        state.epoch += 1
        state.batch = 0
        value = state.metrics.get("val_score", state.metrics.get("val_dice"))
        if state.epoch == self._plan.course.begin(state.phase) + 1:
            state.best_score = None  # a phase has a best of its own: scores at another size are others
        # Without foreground in the validation samples there is no score: then the last weights are kept.
        if value is None or state.best_score is None or value > state.best_score:
            state.best_score, state.best_epoch = value, state.epoch
        state.metrics |= {"seconds": round(state.seconds, 2), "best_epoch": state.best_epoch}
        if self._out_of_time(state):
            state.stopped = "time"
        elif state.epoch >= self._plan.epochs:
            state.stopped = "epochs"
        elif self._plan.patience and state.epoch - state.best_epoch >= self._plan.patience:
            state.stopped = "patience"
        trainer.should_stop = bool(state.stopped)

    def _out_of_time(self, state: TrainingState) -> bool:
        return self._plan.seconds is not None and state.seconds + self._validation.seconds >= self._plan.seconds


class Logs(pl.Callback):
    """Appends each epoch to `metrics.jsonl` and TensorBoard."""

    def __init__(self, run: Path, reporter: Reporter) -> None:
        self._path = run / "metrics.jsonl"
        self._tensorboard = run / "tensorboard"
        self._reporter = reporter
        self._writer: SummaryWriter | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = state_of(pl_module).epoch
        if self._path.is_file():
            # A run killed between log and checkpoint repeats that epoch; its line must not stand twice.
            lines = self._path.read_text(encoding="utf-8").splitlines()
            write_text(self._path, "".join(f"{line}\n" for line in lines if _epoch_of(line) <= epoch))
        with _writing(self._tensorboard):
            self._writer = SummaryWriter(self._tensorboard, purge_step=epoch + 1 if epoch else None)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = state_of(pl_module)
        if state.interrupted:
            return
        with _writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(state.metrics) + "\n")
        assert self._writer is not None
        with _writing(self._tensorboard):
            for name, value in state.metrics.items():
                if name not in ("epoch", "step") and value is not None:
                    self._writer.add_scalar(name, value, state.epoch)
            self._writer.flush()
        self._reporter.epoch(state)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._writer is not None:
            self._writer.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if self._writer is not None:
            # It may be the very file that cannot be written; the exception under way says so.
            with contextlib.suppress(OSError):
                self._writer.close()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise output_error(path, error) from error


def _epoch_of(line: str) -> float:
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # half a line, cut by a kill
