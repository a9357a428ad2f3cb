"""NaN and infinity: the step that would spread them is not taken, and where they came from is found.

Layer: training.

Whether a loss is finite is known on the device alone; to ask after every step would make a GPU wait. So the device
itself remembers the first step that is not (`Trap`), and from then on the fused optimisers leave the weights as they
are, as they do for a gradient scaler. The host looks now and then; then weights, batch and seed are still those of that
step, which is repeated with hooks on every layer.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from limner.errors import LimnerError, TrainingError, shorten
from limner.files import write_text
from limner.training.loader import Batch
from limner.training.module import SegmentationModule
from limner.training.plan import Plan

NONFINITE_NAME = "nonfinite.json"
_LOOK_EVERY = 1.0


@dataclass(frozen=True)
class Place:
    """Where numbers stopped being finite.

    Attributes:
        where: In words.
        rows: Places in the batch of the samples concerned; empty where it is none of them alone.
        layer: Name of the layer or weight; empty where it is none.
    """

    where: str
    rows: Sequence[int] = ()
    layer: str = ""


class NonFinite(pl.Callback):
    """Stops the training where a loss or gradient is not finite, and says which batch, samples and layer.

    Args:
        plan: Says what could be done about it.
        run: Run folder, where `nonfinite.json` is left.
        batch_at: Makes the batch of an epoch and a place in it again.
        ids: Of the training samples, by number.
    """

    def __init__(self, plan: Plan, run: Path, batch_at: Callable[[int, int], Batch], ids: Sequence[str]) -> None:
        self._plan = plan
        self._run = run
        self._batch_at = batch_at
        self._ids = ids
        self._trainer: pl.Trainer | None = None
        self._looked = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._trainer = trainer

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        # On a CPU a number is there as soon as it is computed.
        if pl_module.device.type == "cpu" or time.monotonic() - self._looked > _LOOK_EVERY:
            self._looked = time.monotonic()
            self.check()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.check()

    def check(self) -> None:
        """Look whether all steps so far were finite.

        Raises:
            TrainingError: One was not.
        """
        if self._trainer is None:
            return
        module = self._trainer.lightning_module
        assert isinstance(module, SegmentationModule)
        first = int(module.trap.first)
        if first < 0:
            return
        state = module.state
        number = state.batch - (state.step - first)
        batch = self._batch_at(state.epoch, number)
        with self._forward_context(module):
            place = locate(module, batch_to(batch, module.device))
        keys = batch["keys"].numpy()
        samples = [self._ids[key % len(self._ids)] for key in keys[list(place.rows) or slice(None)]]
        self._raise(first, state.epoch, number, place, list(dict.fromkeys(samples)))

    def _forward_context(self, module: SegmentationModule) -> Any:
        return module.trainer.precision_plugin.forward_context()

    def _raise(self, step: int, epoch: int, batch: int, place: Place, samples: list[str]) -> None:
        record = {"step": step + 1, "epoch": epoch + 1, "batch": batch + 1, **asdict(place), "samples": samples}
        with contextlib.suppress(LimnerError):  # the error says it all
            write_text(self._run / NONFINITE_NAME, json.dumps(record, indent=2, ensure_ascii=False))
        remedies = ["Look at these samples" if place.rows else "Look at the samples of this batch"]
        if self._plan.precision == "bf16":
            remedies.append("train with training.precision=float32")
        remedies.append(f"or train anew with a lower rate, such as training.lr={self._plan.lr / 10:.2g}")
        raise TrainingError(
            "finite losses and gradients",
            f"NaN or infinity in step {step + 1:,}: epoch {epoch + 1}, batch {batch + 1}, {place.where}",
            f"{', '.join(remedies)}. The weights were not changed by it, and the last checkpoint is whole.",
            details=[f"sample {line}" if not line.startswith("…") else line for line in shorten(samples)],
        )


def batch_to(batch: Batch, device: torch.device) -> Batch:
    """A batch on a device."""
    return {
        "images": batch["images"].to(device),
        "targets": {name: target.to(device) for name, target in batch["targets"].items()},
        "keys": batch["keys"],
        "epoch": batch["epoch"],
    }


def locate(module: SegmentationModule, batch: Batch) -> Place:
    """Repeat a step, and find the first place in it that is not finite.

    Args:
        module: With the weights from before the step.
        batch: On the module's device.
    """
    for name, weight in module.model.named_parameters():
        if not weight.isfinite().all():
            return Place(f"in the weights '{name}', which the step before left so", layer=name)
    images, targets = module.prepare(batch)
    if rows := _rows(images):
        return Place("in the pictures themselves, after augmentation", rows)
    module.model.zero_grad()
    with torch.enable_grad(), _watched(module.model) as found:
        levels = module.model.forward_levels(images)  # type: ignore[operator]  # every model of the table has it
        losses = module.target_losses(levels, targets)
    if found:
        return found[0]
    for name, loss in losses.items():
        if not loss.isfinite():
            each = [_one_loss(module, levels, targets, row, name) for row in range(len(images))]
            return Place(f"in the loss of '{name}'", [row for row, one in enumerate(each) if not one.isfinite()])
    torch.autograd.backward(list(losses.values()))
    # Gradients run from the last layer to the first.
    for name, weight in reversed(list(module.model.named_parameters())):
        if weight.grad is not None and not weight.grad.isfinite().all():
            return Place(f"in the gradient of '{name}'", layer=name)
    return Place("nowhere any more when the step was repeated")


@contextlib.contextmanager
def _watched(model: nn.Module) -> Iterator[list[Place]]:
    """Collect the layers whose output is not finite, in the order in which they are computed."""
    found: list[Place] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(layer: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and (rows := _rows(output)):
                found.append(Place(f"in the layer '{name}' ({type(layer).__name__})", rows, name))

        return hook

    leaves = [(name, layer) for name, layer in model.named_modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(look(name)) for name, layer in leaves]
    try:
        yield found
    finally:
        for handle in hooks:
            handle.remove()


def _one_loss(
    module: SegmentationModule, levels: dict[str, list[Tensor]], targets: dict[str, Tensor], row: int, name: str
) -> Tensor:
    one = {key: [logits[row : row + 1].detach() for logits in found] for key, found in levels.items()}
    return module.target_losses(one, {key: target[row : row + 1] for key, target in targets.items()})[name]


def _rows(tensor: Tensor) -> list[int]:
    """Places along the first dimension that hold NaN or infinity."""
    bad = ~tensor.detach().isfinite().flatten(1).all(dim=1) if tensor.ndim > 1 else ~tensor.detach().isfinite()
    return [int(row) for row in bad.nonzero()]
