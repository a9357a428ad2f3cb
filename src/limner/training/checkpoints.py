"""Checkpoints: `last.ckpt` to go on from, `best.ckpt` to return to, written whole or not at all.

Layer: training.
"""

from __future__ import annotations

import io
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from limner.errors import DataError
from limner.files import atomic_path
from limner.training.loader import Batch
from limner.training.module import SegmentationModule
from limner.training.state import TrainingState

SAVE_EVERY = 600.0
"""Seconds after which a long epoch is saved in its middle."""


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints beside where they belong; Lightning's own way fills the system's temporary folder."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        # Through memory, because `torch.save` hides that a disk is full behind a RuntimeError.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_path(os.fspath(path)) as temporary, temporary.open("wb") as file:
            file.write(content.getbuffer())


class Checkpoints(pl.Callback):
    """Saves after every epoch, and within long ones; the best also as the bundle that prediction needs.

    Args:
        folder: The run's `checkpoints/`.
        keep_best: Called when the validation score improved, to write the bundle.
    """

    def __init__(self, folder: Path, keep_best: Callable[[], None]) -> None:
        self._folder = folder
        self._keep_best = keep_best
        self._saved = time.monotonic()

    @property
    def last(self) -> Path:
        return self._folder / "last.ckpt"

    def save_last(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.last)
        self._saved = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if time.monotonic() - self._saved >= SAVE_EVERY:
            self.save_last(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SegmentationModule)
        if pl_module.state.interrupted:
            return
        best = pl_module.state.best_epoch == pl_module.state.epoch
        if best:
            # Before the checkpoint, which says that it is kept: a kill between the two repeats the epoch.
            self._keep_best()
        self.save_last(trainer)
        if best:
            self._link_best()

    def _link_best(self) -> None:
        # Another name for the same bytes: `last` is replaced, never written into.
        with atomic_path(self._folder / "best.ckpt") as temporary:
            temporary.unlink()
            try:
                os.link(self.last, temporary)
            except OSError:  # a file system without hard links
                temporary.write_bytes(self.last.read_bytes())


def last_checkpoint(run: Path) -> Path:
    """Where a run keeps the checkpoint it goes on from, whether or not there is one yet."""
    return run / "checkpoints" / "last.ckpt"


def find_checkpoint(run: Path) -> Path:
    """The checkpoint a run goes on from.

    Raises:
        DataError: The run has none.
    """
    path = last_checkpoint(run)
    if not path.is_file():
        raise DataError(
            f"a checkpoint at '{path}'",
            "there is none: the run was stopped before its first epoch ended" if run.is_dir() else "no such run",
            "Start it anew with limner train.",
        )
    return path


def read_state(path: Path) -> TrainingState:
    """Where the training of a checkpoint stands.

    Raises:
        DataError: The file is damaged or not a checkpoint of Limner.
    """
    try:
        # weights_only: a checkpoint holds tensors and numbers; nothing in it is ever executed.
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        values = content["limner"]["state"]
    except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise DataError(
            f"a checkpoint of Limner at '{path}'",
            f"it cannot be read ({type(error).__name__})",
            "Copy checkpoints/best.ckpt over it to go on from the best epoch, or train anew.",
        ) from error
    return TrainingState.from_dict(values)
