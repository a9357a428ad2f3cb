"""Draws a training on the terminal: a bar with images/s, loss, Dice and time left; or plain lines.

Layer: cli.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from limner.cli.console import Stages, messages
from limner.data.folds import fold_count
from limner.data.prepare import Prepared
from limner.models import Summary
from limner.training.plan import Plan
from limner.training.state import TrainingState

_MOST_STAGES = 20


class TrainingView:
    """A `Reporter` for people.

    Args:
        quiet: Say nothing.
        summary: List the network's stages; None does so on a terminal.
    """

    def __init__(self, *, quiet: bool = False, summary: bool | None = None) -> None:
        self._console = messages()
        self._summary = self._console.is_terminal if summary is None else summary
        self._quiet = quiet
        self._stages = Stages(quiet=quiet)
        self._plan: Plan | None = None
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._part = ""
        self._listed = ""
        self._fresh = False  # a part has begun, of which nothing was said yet

    def stage(self, name: str, done: int, total: int) -> None:
        # Validation is part of the training bar.
        if name != "validate":
            self._stages(name, done, total)

    def prepared(self, data: Prepared) -> None:
        if not self._quiet:
            self._stages.close()
            for line in describe(data):
                self._console.print(line)

    def part(self, title: str) -> None:
        self.close()
        self._part = f"{title} · " if title else ""
        self._fresh = bool(title)

    def summarized(self, summary: Summary, plan: Plan) -> None:
        if self._quiet:
            return
        self._stages.close()
        # Folds and seeds have the same network, which is listed once.
        if self._summary and summary.table() != self._listed:
            self._listed = summary.table()
            memory = summary.training_bytes(plan.batch, precision=plan.precision, averaged=plan.ema > 0)
            self._console.print(summary.table(_MOST_STAGES))
            self._console.print(f"Training takes about {memory / 1e9:.2f} GB for weights, gradients and activations.")

    def planned(self, plan: Plan, parameters: int, steps: int) -> None:
        self._plan = plan
        if self._quiet:
            return
        where = f"Training {parameters:,} parameters on {plan.device} ({plan.precision})"
        if plan.phases:
            self._console.print(f"{where}, {plan.epochs} epochs in {len(plan.phases)} phases.")
        else:
            length = (
                f"{_clock(plan.seconds)} minutes"
                if plan.seconds
                else f"at most {plan.epochs} epoch{'s' * (plan.epochs > 1)}"
            )
            size = f"{plan.size[0]}×{plan.size[1]}"
            self._console.print(f"{where}, {length}, {steps} steps each, batches of {plan.batch} at {size}.")
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.fields[part]}Epoch {task.fields[epoch]}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0, part=self._part, epoch=1, text="starting")

    def step(self, state: TrainingState, loss: float) -> None:
        if self._bar is not None:
            self._bar.update(
                self._task, completed=self._done(state), epoch=state.epoch + 1, text=self._status(state, loss)
            )

    def epoch(self, state: TrainingState) -> None:
        if self._quiet:
            return
        metrics = state.metrics
        best = "  *" if state.best_epoch == state.epoch else ""
        self._console.print(
            f"epoch {state.epoch:>3}   loss {_number(metrics.get('train_loss'))}   "
            f"{_validation(metrics)}   "
            f"{metrics.get('images_per_s', 0):.1f} images/s   {_clock(state.seconds)}{best}"
        )
        if state.stopped:
            self.close()

    def note(self, text: str) -> None:
        if not self._quiet:
            if self._fresh:
                self._console.print()
            self._fresh = False
            self._console.print(text)

    def close(self) -> None:
        """Take the bars away."""
        self._stages.close()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _done(self, state: TrainingState) -> float:
        assert self._plan is not None
        by_time = state.seconds / self._plan.seconds if self._plan.seconds else 0.0
        return max(by_time, self._plan.course.done(state))

    def _status(self, state: TrainingState, loss: float) -> str:
        left = state.seconds * (1 / max(self._done(state), 1e-6) - 1)
        rate = state.images / max(state.train_seconds, 1e-6)
        return (
            f"{rate:.1f} images/s · loss {loss:.3f} · Dice {_number(state.metrics.get('val_dice'))} · "
            f"{_clock(left)} left"
        )


def describe(data: Prepared) -> list[str]:
    """What was found, in a few lines: pairs, meaning of the masks, splits, and what to know."""
    found, *leftovers = data.pairing.summary().splitlines()
    images, masks = len(data.pairing.unmatched_images), len(data.pairing.unmatched_masks)
    lines = [f"Found {found} Unmatched: {images:,} image{'s' * (images != 1)}, {masks:,} mask{'s' * (masks != 1)}."]
    lines += leftovers
    if data.fingerprint.parts:
        parts = ", ".join(f"{name} ({channels} channels)" for name, channels in data.fingerprint.parts.items())
        lines.append(f"Pictures of a sample: {parts}, joined in this order.")
    for name, label_map in data.label_maps.items():
        if label_map.task == "regression":
            limits = f"{label_map.low:.4g} to {label_map.high:.4g} {label_map.unit}".rstrip()
            lines.append(f"Numbers ({name}): {label_map.because}. Training values: {limits}.")
            continue
        shares = data.fingerprint.class_share.get(name, [])
        classes = ", ".join(
            f"{class_name} {share:.1%}" for class_name, share in zip(label_map.names, shares, strict=False)
        )
        lines.append(f"Masks ({name}, {label_map.task}): {label_map.because}. Training pixels: {classes}.")
    counts = data.catalog.split_counts()
    if folds := fold_count(data.catalog):
        lines.append(f"Folds: {folds}, of {counts['train']:,} samples; {counts['test']:,} test samples apart.")
        return lines + [f"Note: {note}" for note in data.notes]
    lines.append("Split: " + ", ".join(f"{count:,} {split}" for split, count in counts.items() if count) + ".")
    return lines + [f"Note: {note}" for note in data.notes]


_NAMES = {"val_dice": "Dice", "val_iou": "IoU", "val_score": "score"}


def _validation(metrics: Mapping[str, Any]) -> str:
    """Validation scores of an epoch, and errors where there are regression targets."""
    keys = [key for key in metrics if key.startswith("val_rmse")]
    keys = ["val_dice", "val_iou"] * ("val_dice" in metrics or not keys) + keys + ["val_score"] * bool(keys)
    names = [_NAMES.get(key, key.removeprefix("val_").replace("rmse", "RMSE").replace("_", " ")) for key in keys]
    return "   ".join(f"val {name} {_number(metrics.get(key))}" for name, key in zip(names, keys, strict=True))


def _number(value: float | None) -> str:
    return "  –  " if value is None or math.isnan(value) else f"{value:.3f}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
