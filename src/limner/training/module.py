"""The training step as a LightningModule: augment, forward, losses, moving average.

Layer: training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from limner.augment import Augmentation
from limner.inference.numbers import to_unit_range
from limner.models.heads import Heads
from limner.training.freezing import Freezer
from limner.training.loader import Batch
from limner.training.pieces import free_cached, out_of_memory, pieces
from limner.training.randomness import random_state, restore_random_state
from limner.training.recompute import recompute_blocks
from limner.training.state import TrainingState

Loss = Callable[[Tensor, Tensor], Tensor]
Forward = Callable[[Tensor], dict[str, list[Tensor]]]


@dataclass(frozen=True)
class Objective:
    """What the epochs of a phase learn.

    Attributes:
        losses: Loss per target.
        weights: Weight of each target's loss; 1 for those left out.
        frozen: Parts that do not learn (see `find_part`); losses of such targets are told but not added.
        phase: Number of the phase, from 0.
    """

    losses: Mapping[str, Loss]
    weights: Mapping[str, float] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    phase: int = 0


class SegmentationModule(pl.LightningModule):
    """Trains one network on one or several targets.

    Args:
        model: Network with `forward_levels(images) -> {target: [logits, …]}`, finest first.
        objective: What an epoch learns, by the number of epochs finished before it.
        augmentation: Random changes, drawn per sample from (seed, epoch, key).
        value_range: Smallest and largest stored intensity, mapped to 0 and 1.
        mean: Per channel, on that scale.
        std: Per channel, on that scale.
        optimizer: Makes the optimiser for the network.
        rate: Learning rate of the next step, from the state.
        ranges: Smallest and largest number of each regression target, mapped to 0 and 1.
        seed: Seed of the augmentation.
        ema: Highest decay of the weights' moving average; 0 keeps none.
        grad_clip: Largest gradient norm; 0 leaves gradients alone.
        memory_format: Layout of images and weights.
        compiled: Compile the forward pass with torch.compile.
        accumulate: Pieces that a batch is computed in; their gradients are added up. It doubles where memory runs out.
        recompute: Compute activations again for the backward pass instead of keeping them.
        on_shortage: Told after a step for which memory did run out, and which was taken all the same.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Callable[[int], Objective],
        augmentation: Augmentation,
        *,
        value_range: tuple[float, float],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        optimizer: Callable[[nn.Module], Optimizer],
        rate: Callable[[TrainingState], float],
        ranges: Mapping[str, tuple[float, float]] | None = None,
        seed: int = 0,
        ema: float = 0.0,
        grad_clip: float = 0.0,
        memory_format: torch.memory_format = torch.contiguous_format,
        compiled: bool = False,
        accumulate: int = 1,
        recompute: bool = False,
        on_shortage: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.model = model.to(memory_format=memory_format)
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval() if ema else None
        if recompute:
            recompute_blocks(self.model)
        self.accumulate = accumulate
        self.on_shortage = on_shortage
        self.alone = True
        """Whether one process trains; else DDP adds up the gradients of several."""
        forward: Forward = model.forward_levels  # type: ignore[assignment]  # every model of the table has it
        self._forward: Forward = torch.compile(forward) if compiled else forward
        self.state = TrainingState()
        self.trap = Trap()
        self.measured: dict[str, dict[str, Tensor]] | None = None
        """Spread of the logits and gradient of the head by target, of a step that is to be measured; else None."""
        self._step_begun = 0
        self._objective = objective
        self._freezer = Freezer(self.model)
        self._learning: Objective = objective(0)
        self._averaged: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._augmentation = augmentation
        self._range = value_range
        self._make_optimizer = optimizer
        self.rate = rate
        """Learning rate of the next step."""
        self._ranges = dict(ranges or {})
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

    @property
    def in_step(self) -> bool:
        """Whether a step has begun that is not counted yet: weights and generators may be in between."""
        return self._step_begun > self.state.step

    def configure_optimizers(self) -> Optimizer:
        return self._make_optimizer(self.model)

    def on_train_epoch_start(self) -> None:
        """Learn what this epoch is to learn. Validation has just set every part's mode anew."""
        self._learning = self._objective(self.state.epoch)
        self.state.phase = self._learning.phase
        frozen = self._freezer.freeze(self._learning.frozen)
        if self.average is not None:
            # What is frozen keeps its average too: it would drift to the last weights.
            self._averaged = pairs_to_average(self.average, self.model, frozen)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate. Not a Lightning scheduler, because a time budget steers it too."""
        self._step_begun = self.state.step + 1
        rate = self.rate(self.state)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """The loss and that of each target, of frozen ones too; the gradients are computed when it returns.

        Where memory runs out, the batch is computed in twice as many pieces, until they are single samples. Running
        statistics of batch norm may then have counted some of these samples twice. Where several processes share a
        batch, it is computed at once, and gradients while Lightning asks for them: then DDP adds them up.
        """
        if not self.alone:
            return self._forward_whole(batch)
        size, short = len(batch["images"]), False
        random = torch.get_rng_state()
        while True:
            try:
                result = self._forward_and_backward(batch)
                break
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error) or self.accumulate >= size:
                    raise
            # Outside of the handler, which holds on to everything that was computed.
            self.model.zero_grad(set_to_none=True)
            free_cached(self.device)
            torch.set_rng_state(random)
            self.accumulate, short = min(2 * self.accumulate, size), True
        if short:
            self.on_shortage()
        return result

    def _forward_and_backward(self, batch: Batch) -> dict[str, Any]:
        images, targets = self.prepare(batch)
        self.model.zero_grad(set_to_none=True)
        size, sums = len(images), dict[str, Tensor]()
        for rows in pieces(size, self.accumulate):
            losses = self._forward_losses(images[rows], {name: target[rows] for name, target in targets.items()})
            share = (rows.stop - rows.start) / size
            # Backward runs in the types of the forward pass, not in those that autocast would choose now.
            with torch.autocast(images.device.type, enabled=False):
                (share * self._learned(losses)).backward()
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + share * value.detach()
        loss = self._learned(sums)
        self.trap.watch(loss, self.state.step)
        return {"loss": loss, "targets": sums}

    def _forward_whole(self, batch: Batch) -> dict[str, Any]:
        losses = self._forward_losses(*self.prepare(batch))
        loss = self._learned(losses)
        self.trap.watch(loss.detach(), self.state.step)
        return {"loss": loss, "targets": {name: value.detach() for name, value in losses.items()}}

    def _forward_losses(self, images: Tensor, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        levels = self._forward(images)
        if self.measured is not None:
            self.measured = {name: {"spread": found[0].detach().float().std()} for name, found in levels.items()}
        return self.target_losses(levels, targets)

    def _learned(self, losses: Mapping[str, Tensor]) -> Tensor:
        """What the network learns from: the weighted sum over targets that are not frozen."""
        learning = self._learning
        learned = [learning.weights.get(name, 1.0) * losses[name] for name in losses if name not in learning.frozen]
        return torch.stack(learned).sum()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Of one process alone nothing is left to do: see `training_step`."""
        if not self.alone:
            super().backward(loss, *args, **kwargs)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Of one process alone keep the gradients, which are there before Lightning would clear them."""
        if not self.alone:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def target_losses(self, levels: Mapping[str, list[Tensor]], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Loss of each target, from its logits by level."""
        return {
            name: self._target_loss(loss, levels[name], targets[name]) for name, loss in self._learning.losses.items()
        }

    @torch.no_grad()
    def prepare(self, batch: Batch) -> tuple[Float[Tensor, "batch channels height width"], dict[str, Tensor]]:
        """Scale, augment and normalise a batch on the device, in float32."""
        stored, targets, keys = batch["images"], batch["targets"], batch["keys"]
        images = to_unit_range(stored, *self._range)
        size = (images.shape[2], images.shape[3])
        draw = self._augmentation.draw(self._seed, int(batch["epoch"]), keys.cpu().numpy(), size)
        images, targets = self._augmentation.apply(images, targets, draw)
        images = (images - self.mean) / self.std
        targets |= {name: (targets[name] - low) / (high - low) for name, (low, high) in self._ranges.items()}
        return images.contiguous(memory_format=self._memory_format), targets

    def _target_loss(self, loss: Loss, levels: list[Tensor], target: Tensor) -> Tensor:
        """Loss of one target, coarser levels counting half as much each (Isensee et al. 2021, nnU-Net)."""
        weights = [0.5**level for level in range(len(levels))]
        total = sum(
            (
                weight * loss(logits, shrink(target, (logits.shape[2], logits.shape[3])))
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
        for name, found in (self.measured or {}).items():
            found["gradient"] = self._head_gradient(name)
        if self._grad_clip:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._grad_clip)
            self.trap.watch(norm, self.state.step)

    @torch.no_grad()
    def _head_gradient(self, target: str) -> Tensor:
        """Norm of the gradients of a target's last layers."""
        heads = [module.convs for module in self.model.modules() if isinstance(module, Heads)]
        convs = [head[f"to_{target}"] for head in heads if f"to_{target}" in head]
        norms = [weight.grad.norm() for conv in convs for weight in conv.parameters() if weight.grad is not None]
        return torch.stack(norms).norm() if norms else torch.zeros(())

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.follow()

    def follow(self) -> None:
        """Move the average after a step."""
        if self.average is not None:
            decay = min(self._ema, (1 + self.state.step) / (10 + self.state.step))
            update_average(*self._averaged, decay=decay)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["limner"] = {"state": self.state.to_dict(), "rng": random_state()}
        # The position is in `state`; Lightning's own would restart the epoch on resume.
        checkpoint.pop("loops", None)
        checkpoint |= {"epoch": self.state.epoch, "global_step": self.state.step}  # else those of this sitting

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.state.__dict__.update(TrainingState.from_dict(checkpoint["limner"]["state"]).__dict__)
        self._rng = checkpoint["limner"]["rng"]

    def on_train_start(self) -> None:
        self.trap.guard(self.trainer.optimizers[0], self.device)
        # Last of all preparations, so that nothing draws numbers between here and the first step.
        if rng := self.__dict__.pop("_rng", None):
            restore_random_state(rng)


class Trap:
    """The first step that was not finite, known on the device: to ask after each step would make a GPU wait."""

    def __init__(self) -> None:
        self.first = torch.tensor(-1)
        """Number of that step, from 0; -1 while there is none."""
        self._bad = torch.zeros(())

    def guard(self, optimizer: Optimizer, device: torch.device) -> None:
        """Have an optimiser leave the weights as they are from that step on, as for a gradient scaler."""
        self.first, self._bad = self.first.to(device), self._bad.to(device)
        if device.type in ("cpu", "cuda") and all(group.get("fused") for group in optimizer.param_groups):
            optimizer.found_inf = self._bad  # type: ignore[attr-defined]  # read by every fused optimiser

    @torch.no_grad()
    def watch(self, value: Float[Tensor, ""], step: int) -> None:
        """Look at a number of a step."""
        bad = (self.first < 0) & ~value.isfinite()
        self.first.masked_fill_(bad, step)
        self._bad.masked_fill_(bad, 1.0)


def state_of(module: pl.LightningModule) -> TrainingState:
    """Where a module's training stands, for callbacks, which Lightning hands any module."""
    assert isinstance(module, SegmentationModule)
    return module.state


def shrink(target: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest-neighbour reduction of ids or planes to the size of coarser logits."""
    if tuple(target.shape[-2:]) == size:
        return target
    planes = target[:, None] if target.ndim == 3 else target
    small = functional.interpolate(planes.float(), size=size, mode="nearest-exact").to(target.dtype)
    return small[:, 0] if target.ndim == 3 else small


def pairs_to_average(
    average: nn.Module, model: nn.Module, frozen: Iterable[nn.Module] = ()
) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and buffers (running statistics) of `average` and those of `model` they follow, without frozen parts."""
    still = {id(tensor) for part in frozen for tensor in (*part.parameters(), *part.buffers())}
    pairs = [
        (follower, leader)
        for follower, leader in zip(
            (*average.parameters(), *average.buffers()), (*model.parameters(), *model.buffers()), strict=True
        )
        if leader.is_floating_point() and id(leader) not in still
    ]
    return [follower for follower, _ in pairs], [leader for _, leader in pairs]


@torch.no_grad()
def update_average(followers: list[Tensor], leaders: list[Tensor], *, decay: float) -> None:
    """Move every tensor towards its leader."""
    torch._foreach_lerp_(followers, leaders, 1 - decay)
