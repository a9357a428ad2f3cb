"""Checkpoints: `last.ckpt` to go on from, the one before it, and `best.ckpt`; written whole or not at all.

Layer: training.

    checkpoints/last.ckpt       after every epoch, within long ones, and where a signal or an error stops the training
    checkpoints/previous.ckpt   the one before; goes on where the last one is damaged
    checkpoints/best.ckpt       of the epoch whose weights are kept
    checkpoints/steps.json      steps done at the last and the previous one

Checkpoints are the zip archives of `torch.save`. Those hold a CRC-32 of every part, which PyTorch does not look at
when it reads them; `find_checkpoint` does.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import shlex
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from limner.errors import DataError, LimnerError, TrainingError
from limner.files import atomic_path, write_text
from limner.training.distributed import Ranks
from limner.training.loader import Batch
from limner.training.module import SegmentationModule, state_of
from limner.training.state import TrainingState

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
_DAMAGED = "damaged.ckpt"
_STEPS = "steps.json"


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints beside where they belong; Lightning's own way fills the system's temporary folder."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        # Through memory, because `torch.save` hides that a disk is full behind a RuntimeError.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        target = Path(os.fspath(path))
        with atomic_path(target) as temporary:
            with temporary.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                # Else a machine that loses power may have the new name with nothing in it.
                os.fsync(file.fileno())
            if target.name == LAST and target.exists():
                # Only now, when the new one is whole; and as a second name, so that there is a last one all along.
                _link(target, target.with_name(PREVIOUS))


@dataclass(frozen=True)
class Interval:
    """How long a training may go on without a checkpoint.

    Attributes:
        seconds: Most seconds.
        steps: Most steps.
    """

    seconds: float = math.inf
    steps: float = math.inf


class Checkpoints(pl.Callback):
    """Saves before the first step, after every epoch, and within long ones; the best also as a bundle.

    Where an error stops the training between two steps, such as a picture that can no longer be read, what had been
    done is saved, too.

    Args:
        folder: The run's `checkpoints/`.
        keep_best: Called when the validation score improved, to write the bundle that prediction needs.
        every: How long an epoch may go on without being saved.
        check: Called before anything is saved; raises where the state is not worth keeping.
        ranks: The processes that train. All of them call this at the same steps; the first one writes.
    """

    def __init__(
        self,
        folder: Path,
        keep_best: Callable[[], None],
        every: Interval,
        *,
        check: Callable[[], None] = lambda: None,
        ranks: Ranks | None = None,
    ) -> None:
        self._folder = folder
        self._keep_best = keep_best
        self._every = every
        self._check = check
        self._ranks = ranks or Ranks()
        self._saved = 0.0
        self._saved_step = 0
        self._epoch: int | None = None

    @property
    def last(self) -> Path:
        return self._folder / LAST

    def save_last(self, trainer: pl.Trainer) -> None:
        """Save where the training stands, and keep the checkpoint before."""
        self._check()
        state = state_of(trainer.lightning_module)
        step = state.step
        if self._ranks.first and (step != self._saved_step or not self.last.exists()):
            # What a message needs, should the file be damaged; nothing else relies on it.
            steps = {LAST: step, PREVIOUS: self._saved_step}
            write_text(self._folder / _STEPS, json.dumps(steps))
        trainer.save_checkpoint(self.last)
        self._saved, self._saved_step = state.seconds, step

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state = state_of(pl_module)
        self._saved, self._saved_step = state.seconds, state.step
        if not self._ranks.of_first(self.last.exists):
            self.save_last(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch = state_of(pl_module).epoch

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        state = state_of(pl_module)
        # By the training's own clock, which all processes agree on.
        seconds, steps = state.seconds - self._saved, state.step - self._saved_step
        if seconds >= self._every.seconds or steps >= self._every.steps:
            self.save_last(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SegmentationModule)
        if pl_module.state.interrupted:
            return
        best = pl_module.state.best_epoch == pl_module.state.epoch
        if best:
            self._check()
            # Before the checkpoint, which says that it is kept: a kill between the two repeats the epoch.
            if self._ranks.first:
                self._keep_best()
        self.save_last(trainer)
        if best and self._ranks.first:
            _link(self.last, self._folder / BEST)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        assert isinstance(pl_module, SegmentationModule)
        state = pl_module.state
        # Within a step weights and generators are in between; after an epoch its record may not be written yet.
        between = not pl_module.in_step and state.epoch == self._epoch
        # Ctrl-C twice is to end at once; what is not finite is not worth keeping.
        worth = isinstance(exception, Exception) and not isinstance(exception, TrainingError)
        # Of several processes one cannot save: the others would have to take part.
        if between and worth and state.step != self._saved_step and self._ranks.count == 1:
            try:
                self.save_last(trainer)
            except (LimnerError, OSError) as error:
                exception.add_note(f"What had been done since the last checkpoint could not be saved: {error}")


def finish_saving(folder: Path, state: TrainingState) -> None:
    """Do what a kill may have prevented after the last checkpoint was written.

    Args:
        folder: The run's `checkpoints/`.
        state: Of that checkpoint.
    """
    for left in folder.glob(".*.tmp*"):
        left.unlink(missing_ok=True)
    if state.epoch and (state.best_epoch, state.batch) == (state.epoch, 0):
        _link(folder / LAST, folder / BEST)


def _link(path: Path, name: Path) -> None:
    """Give a checkpoint another name: they are replaced, never written into, so the bytes can be the same."""
    with atomic_path(name) as temporary:
        temporary.unlink()
        try:
            os.link(path, temporary)
        except OSError:  # a file system without hard links
            temporary.write_bytes(path.read_bytes())


def has_checkpoint(run: Path) -> bool:
    """Whether a run has something to go on from, damaged or not."""
    return any((run / "checkpoints" / name).is_file() for name in (LAST, PREVIOUS, BEST))


def find_checkpoint(run: Path, note: Callable[[str], None] = lambda text: None) -> Path | None:
    """The checkpoint a run goes on from: the last one, or where that is damaged the one before, else the best.

    A damaged last one is kept as `damaged.ckpt`, and the one that is found takes its place.

    Args:
        run: Run folder.
        note: Told what was damaged, and how many steps are done again.

    Returns:
        The checkpoint; None where the training had not begun.

    Raises:
        DataError: No such run, all checkpoints are damaged, or those of finished epochs are missing.
        OutputError: The damaged one cannot be replaced.
    """
    if not run.is_dir():
        raise DataError(f"a run folder at '{run}'", "no such run", "Give the folder that limner train made.")
    folder, problems = run / "checkpoints", dict[str, str]()
    for name in (LAST, PREVIOUS, BEST):
        problem = _damage(folder / name)
        if not problem:
            return _in_place_of_last(folder, name, problems, note) if problems else folder / name
        problems[name] = problem
    kept = ""
    if (run / "model.safetensors").is_file():
        kept = f", perhaps from the weights that were kept: --from {shlex.quote(str(run))}"
    if has_checkpoint(run):
        raise DataError(
            f"a whole checkpoint in '{folder}'",
            "all are damaged",
            "Restore one of them from a copy, or train anew"
            + (
                f", perhaps from the weights that were kept: --from {shlex.quote(str(run))}."
                if (run / "model.safetensors").is_file()
                else "."
            ),
            details=[f"{name}: {problem}" for name, problem in problems.items()],
        )
    if (run / "metrics.jsonl").is_file():
        raise DataError(
            f"a checkpoint at '{folder / LAST}'",
            "there is none, though epochs were finished",
            f"Restore it from a copy, or train anew{kept}.",
        )
    return None


def _in_place_of_last(folder: Path, name: str, problems: dict[str, str], note: Callable[[str], None]) -> Path:
    found = read_state(folder / name)
    try:
        steps = json.loads((folder / _STEPS).read_text(encoding="utf-8"))
        lost: int | None = steps[LAST] - found.step
    except (OSError, ValueError, KeyError, TypeError):
        lost = None
    again = "What came after it is" if lost is None else f"{lost:,} step{'s are' if lost != 1 else ' is'}"
    damaged = "; ".join(f"'{folder / other}': {problem}" for other, problem in problems.items())
    note(
        f"A checkpoint is damaged ({damaged}). The run goes on from {name}, after {found.epoch} "
        f"epoch{'s' * (found.epoch != 1)} and {found.step:,} step{'s' * (found.step != 1)}. {again} done again."
    )
    last = folder / LAST
    if last.is_file():
        _link(last, folder / _DAMAGED)
    _link(folder / name, last)
    return last


def _damage(path: Path) -> str:
    """What is wrong with the bytes of a checkpoint; empty where nothing is."""
    try:
        with zipfile.ZipFile(path) as archive:
            part = archive.testzip()
    except FileNotFoundError:
        return "it is missing"
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError):
        return "it is cut off or overwritten"
    except OSError as error:
        return error.strerror or str(error)
    return f"its part {part} does not fit its checksum" if part else ""


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
