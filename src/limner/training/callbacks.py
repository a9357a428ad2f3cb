"""What happens around the steps: count, validate, log, draw previews, and stop in time.

Layer: training. Each callback is small and knows only the module's `TrainingState`; their order in
`fit` is the order of the work after an epoch.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import numpy as np
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap
from limner.files import output_error, write_text
from limner.images import write_image
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.render import grid, overlay
from limner.training.checkpoints import Checkpoints
from limner.training.loader import Batch
from limner.training.module import SegmentationModule
from limner.training.plan import Plan
from limner.training.progress import Reporter
from limner.training.state import TrainingState

_REPORT_EVERY = 1.0


class Clock(pl.Callback):
    """Counts steps, samples and seconds; tells the reporter."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._mark = 0.0
        self._loss_sum: Tensor | None = None
        self._loss_count = 0
        self._loss = math.nan
        self._last_report = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._mark = time.monotonic()
        self._loss_sum, self._loss_count = None, 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        state = _state(pl_module)
        loss = outputs["loss"].detach()
        self._loss_sum = loss if self._loss_sum is None else self._loss_sum + loss
        self._loss_count += 1
        state.batch += 1
        state.step += 1
        state.images += batch["images"].shape[0]
        now = time.monotonic()
        state.seconds += now - self._mark
        state.train_seconds += now - self._mark
        self._mark = now
        if now - self._last_report > _REPORT_EVERY:
            self._last_report = now
            # Reading the value waits for the device, so it is done once a second, not every step.
            self._loss = float(loss) if math.isnan(self._loss) else 0.8 * self._loss + 0.2 * float(loss)
            self._reporter.step(state, self._loss)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = _state(pl_module)
        if state.interrupted:
            return
        mean = None if self._loss_sum is None else float(self._loss_sum) / self._loss_count
        state.metrics = {
            "epoch": state.epoch + 1,
            "step": state.step,
            "train_loss": mean,
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "images_per_s": round(state.images / max(state.train_seconds, 1e-9), 2),
        }


class Validation(pl.Callback):
    """Scores the validation samples with the predictor the user will get, and draws some of them.

    Args:
        predictor: Predicts with the weights that would be kept.
        catalog: Validation samples.
        label_maps: Meaning of the masks.
        previews: Folder of preview pictures.
        count: Samples to draw, always the same ones.
        reporter: Told of the progress.
    """

    def __init__(
        self,
        predictor: Predictor,
        catalog: Catalog,
        label_maps: Mapping[str, LabelMap],
        *,
        previews: Path,
        count: int,
        reporter: Reporter,
    ) -> None:
        self._predictor = predictor
        self._catalog = catalog
        self._label_maps = label_maps
        self._previews = previews
        self._drawn = set(spread(np.arange(len(catalog)), count))
        self._reporter = reporter
        self.seconds = 0.0
        """How long the last validation took."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = _state(pl_module)
        if state.interrupted:
            return
        begin = time.monotonic()
        rows: dict[int, list[np.ndarray]] = {}

        def draw(index: int, image: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Any) -> None:
            if index in self._drawn:
                rows[index] = [
                    overlay(image, mask, self._label_maps[name].colors)
                    for name in self._label_maps
                    for mask in (truth[name], prediction.masks[name])
                ]

        table = score(
            self._predictor,
            self._catalog,
            self._label_maps,
            progress=lambda done, total: self._reporter.stage("validate", done, total),
            on_prediction=draw,
        )
        means = [target["mean"] for target in table.summary()["targets"].values()]
        state.metrics |= {f"val_{name}": _mean([mean[name] for mean in means]) for name in ("dice", "iou")}
        if rows:
            sheet = grid([rows[index] for index in sorted(rows)])
            write_image(self._previews / f"epoch_{state.epoch + 1:04d}.png", sheet)
        self.seconds = time.monotonic() - begin
        state.seconds += self.seconds


class Stop(pl.Callback):
    """Finishes the epoch's record, and ends the training on epochs, time, patience or a signal.

    Ctrl-C and SIGTERM save a checkpoint after the step under way; a second Ctrl-C ends at once.
    """

    def __init__(self, plan: Plan, validation: Validation, checkpoints: Checkpoints, reporter: Reporter) -> None:
        self._plan = plan
        self._validation = validation
        self._checkpoints = checkpoints
        self._reporter = reporter
        self._previous: dict[int, Any] = {}
        self._asked = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = _state(pl_module)
        state.stopped = ""
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may set handlers

        def ask(number: int, frame: FrameType | None) -> None:
            if self._asked and number == signal.SIGINT:
                raise KeyboardInterrupt
            self._asked = True
            self._reporter.note("Stopping after this step; press Ctrl-C again to stop at once.")

        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, ask)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        # Lightning tears nothing down after an error.
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        state = _state(pl_module)
        if self._asked:
            # Set here, not in the handler: a signal while an epoch is validated and saved must not cut that short.
            state.interrupted = True
            self._checkpoints.save_last(trainer)
            trainer.should_stop = True
        elif self._out_of_time(state):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = _state(pl_module)
        if state.interrupted:
            return
        state.epoch += 1
        state.batch = 0
        value = state.metrics.get("val_dice")
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
        epoch = _state(pl_module).epoch
        if self._path.is_file():
            # A run killed between log and checkpoint repeats that epoch; its line must not stand twice.
            lines = self._path.read_text(encoding="utf-8").splitlines()
            write_text(self._path, "".join(f"{line}\n" for line in lines if _epoch_of(line) <= epoch))
        with _writing(self._tensorboard):
            self._writer = SummaryWriter(self._tensorboard, purge_step=epoch + 1 if epoch else None)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = _state(pl_module)
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


def _state(module: pl.LightningModule) -> TrainingState:
    assert isinstance(module, SegmentationModule)
    return module.state


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return sum(known) / len(known) if known else None


def _epoch_of(line: str) -> float:
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # half a line, cut by a kill
