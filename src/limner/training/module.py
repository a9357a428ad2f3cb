"""The training step as a LightningModule: augment, forward, losses, moving average.

Layer: training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from limner.augment import Augmentation
from limner.inference.inputs import to_unit_range
from limner.training.loader import Batch
from limner.training.optimizers import Schedule
from limner.training.state import TrainingState

Loss = Callable[[Tensor, Tensor], Tensor]
Forward = Callable[[Tensor], dict[str, list[Tensor]]]


class SegmentationModule(pl.LightningModule):
    """Trains one network on one or several targets.

    Args:
        model: Network with `forward_levels(images) -> {target: [logits, …]}`, finest first.
        losses: Loss per target.
        augmentation: Random changes, drawn per sample from (seed, epoch, key).
        value_range: Smallest and largest stored intensity, mapped to 0 and 1.
        mean: Per channel, on that scale.
        std: Per channel, on that scale.
        optimizer: Makes the optimiser for the network.
        schedule: Factor of the highest learning rate at a share of the training done.
        progress: Share of the training done, from the state.
        seed: Seed of the augmentation.
        ema: Highest decay of the weights' moving average; 0 keeps none.
        grad_clip: Largest gradient norm; 0 leaves gradients alone.
        memory_format: Layout of images and weights.
        compiled: Compile the forward pass with torch.compile.
    """

    def __init__(
        self,
        model: nn.Module,
        losses: Mapping[str, Loss],
        augmentation: Augmentation,
        *,
        value_range: tuple[float, float],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Schedule,
        progress: Callable[[TrainingState], float],
        seed: int = 0,
        ema: float = 0.0,
        grad_clip: float = 0.0,
        memory_format: torch.memory_format = torch.contiguous_format,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.model = model.to(memory_format=memory_format)
        forward: Forward = model.forward_levels  # type: ignore[assignment]  # every model of the table has it
        self._forward: Forward = torch.compile(forward) if compiled else forward
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval() if ema else None
        self.state = TrainingState()
        self._losses = dict(losses)
        self._augmentation = augmentation
        self._range = value_range
        self._make_optimizer = optimizer
        self._schedule = schedule
        self._progress = progress
        self._seed = seed
        self._ema = ema
        self._grad_clip = grad_clip
        self._memory_format = memory_format
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    @property
    def best_weights(self) -> nn.Module:
        """The network to validate and keep: the moving average where there is one."""
        return self.model if self.average is None else self.average

    def configure_optimizers(self) -> Optimizer:
        return self._make_optimizer(self.model)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate. Not a Lightning scheduler, because a time budget steers it too."""
        factor = self._schedule(self._progress(self.state))
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group.setdefault("peak_lr", group["lr"]) * factor

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, targets = self.prepare(batch)
        levels = self._forward(images)
        return torch.stack([self._target_loss(name, levels[name], targets[name]) for name in self._losses]).sum()

    @torch.no_grad()
    def prepare(self, batch: Batch) -> tuple[Float[Tensor, "batch channels height width"], dict[str, Tensor]]:
        """Scale, augment and normalise a batch on the device, in float32."""
        stored, targets, keys = batch["images"], batch["targets"], batch["keys"]
        images = to_unit_range(stored, *self._range)
        size = (images.shape[2], images.shape[3])
        draw = self._augmentation.draw(self._seed, int(batch["epoch"]), keys.cpu().numpy(), size)
        images, targets = self._augmentation.apply(images, targets, draw)
        images = (images - self.mean) / self.std
        return images.contiguous(memory_format=self._memory_format), targets

    def _target_loss(self, name: str, levels: list[Tensor], target: Tensor) -> Tensor:
        """Loss of one target, coarser levels counting half as much each (Isensee et al. 2021, nnU-Net)."""
        weights = [0.5**level for level in range(len(levels))]
        total = sum(
            (
                weight * self._losses[name](logits, shrink(target, (logits.shape[2], logits.shape[3])))
                for weight, logits in zip(weights, levels, strict=True)
            ),
            start=torch.zeros((), device=target.device),
        )
        return total / sum(weights)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by norm. Done here because Lightning refuses to clip for fused optimisers."""
        if self._grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self._grad_clip)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            update_average(
                self.average, self.model, decay=min(self._ema, (1 + self.state.step) / (10 + self.state.step))
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["limner"] = {"state": self.state.to_dict(), "rng": random_state()}
        # The position is in `state`; Lightning's own would restart the epoch on resume.
        checkpoint.pop("loops", None)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.state.__dict__.update(TrainingState.from_dict(checkpoint["limner"]["state"]).__dict__)
        self._rng = checkpoint["limner"]["rng"]

    def on_train_start(self) -> None:
        # Last of all preparations, so that nothing draws numbers between here and the first step.
        if rng := self.__dict__.pop("_rng", None):
            restore_random_state(rng)


def shrink(target: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest-neighbour reduction of ids or planes to the size of coarser logits."""
    if tuple(target.shape[-2:]) == size:
        return target
    planes = target[:, None] if target.ndim == 3 else target
    small = functional.interpolate(planes.float(), size=size, mode="nearest-exact").to(target.dtype)
    return small[:, 0] if target.ndim == 3 else small


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, *, decay: float) -> None:
    """Move every weight of `average` towards `model`; buffers (running statistics) likewise."""
    targets = [*average.parameters(), *(b for b in average.buffers() if b.is_floating_point())]
    sources = [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]
    torch._foreach_lerp_(targets, sources, 1 - decay)


def random_state() -> dict[str, Any]:
    """State of the generators the step draws from (dropout); all else is keyed, not stateful."""
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Undo `random_state`. The number of GPUs may differ; then their generators keep their seed."""
    torch.set_rng_state(state["cpu"].cpu())
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([item.cpu() for item in state["cuda"]])
