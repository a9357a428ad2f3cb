"""The first steps of a training, kept so that they can be repeated and compared bit for bit.

Layer: training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from limner._version import __version__
from limner.config import Config
from limner.errors import DataError
from limner.files import write_text
from limner.training.loader import Batch
from limner.training.module import SegmentationModule, state_of
from limner.training.plan import Plan
from limner.training.record import machine, versions

FIRST_STEPS_NAME = "first_steps.json"
_STEPS = 10


@dataclass(frozen=True)
class FirstSteps:
    """What `first_steps.json` holds.

    Attributes:
        losses: Of each step, at most ten and at most those of the first epoch.
        rates: Learning rate of each. With a time budget they follow the clock, so a repetition is given them.
        weights: SHA-256 of the network's weights and statistics after these steps.
        made_with: Versions, machine, device and threads that the bits may depend on.
    """

    losses: Sequence[float]
    rates: Sequence[float]
    weights: str
    made_with: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, run: Path) -> FirstSteps:
        """Read those of a run.

        Raises:
            DataError: There are none, or the file is damaged.
        """
        path = run / FIRST_STEPS_NAME
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
            if not found.losses or len(found.losses) != len(found.rates):
                raise ValueError
        except FileNotFoundError:
            parts = sorted(run.glob(f"*/*/{FIRST_STEPS_NAME}"))
            raise DataError(
                f"the first steps of a training in '{path}'",
                "there are none" if run.is_dir() else "no such run",
                f"This run is made of others; name one of them, such as {parts[0].parent}."
                if parts
                else "Give a run folder whose training has come that far.",
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"a readable '{path}'", str(error) or "it is damaged", "Restore it from a copy.") from error
        return found


class KeepFirstSteps(pl.Callback):
    """Keeps losses of the first steps, on the device until there are enough of them, then writes them down.

    Args:
        made_with: See `FirstSteps`.
        run: Run folder; None keeps them in `found` alone.
    """

    def __init__(self, made_with: dict[str, str], run: Path | None = None) -> None:
        self._made_with = made_with
        self._run = run
        self._losses: list[Tensor] = []
        self._rates: list[float] = []
        self._done = False
        self.found: FirstSteps | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"losses": list(self._losses), "rates": list(self._rates), "done": self._done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._losses, self._rates, self._done = state_dict["losses"], state_dict["rates"], state_dict["done"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if self._done:
            return
        self._losses.append(outputs["loss"].detach())
        self._rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        if len(self._losses) == _STEPS:
            self._keep(pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self._done and not state_of(pl_module).interrupted:
            self._keep(pl_module)

    def _keep(self, module: pl.LightningModule) -> None:
        assert isinstance(module, SegmentationModule)
        losses = [float(loss) for loss in self._losses]
        self.found = FirstSteps(losses, list(self._rates), weights_digest(module.model), self._made_with)
        self._done, self._losses, self._rates = True, [], []
        if self._run is not None:
            write_text(self._run / FIRST_STEPS_NAME, json.dumps(asdict(self.found), indent=2))


def weights_digest(model: nn.Module) -> str:
    """SHA-256 of the names and bytes of a network's weights and statistics."""
    total = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def made_with(plan: Plan) -> dict[str, str]:
    """What the bits of a training on this machine may depend on, besides seed, settings and data."""
    here = machine()
    return {
        "limner": __version__,
        **versions(),
        "device": plan.device,
        "precision": plan.precision,
        "compute threads": str(torch.get_num_threads()),
        "system": here["system"],
        "processor": here["processor"],
        **({"gpu": str(here["gpu"])} if plan.device == "cuda" else {}),
    }


def reproducibility(plan: Plan, config: Config) -> str:
    """How far a training with these choices can be repeated, in a sentence."""
    if plan.device != "cpu":
        return (
            "not bit for bit: order and augmentation of the samples are the same with the same seed, but the "
            f"{'GPU' if plan.device == 'cuda' else plan.device} adds numbers up in an order that varies"
        )
    if plan.seconds is not None:
        return (
            "not bit for bit: with a time budget learning rates and the end follow the clock; "
            "with training.epochs instead, the same seed gives the same bits on this CPU"
        )
    if config.training.compile:
        return "bit for bit on this CPU as long as torch.compile makes the same code"
    return "bit for bit on this CPU: the same seed, settings and data give the same weights"
