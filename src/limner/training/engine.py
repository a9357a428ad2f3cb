"""What every training and every trial of one is run with: the network as the seed makes it, and Lightning.

Layer: training, below `fit` and `trial`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as pl
from torch import nn

from limner.config import Config
from limner.data.cache import default_cache_dir
from limner.data.prepare import Prepared
from limner.errors import ResourceError
from limner.training.build import build_model
from limner.training.checkpoints import CheckpointFiles
from limner.training.distributed import ranks
from limner.training.pieces import out_of_memory
from limner.training.plan import Plan
from limner.training.randomness import seed_generators
from limner.training.start import Carried, carry_weights
from limner.training.state import TrainingState


def fresh_model(config: Config, plan: Plan, data: Prepared, *, fresh: bool = True) -> tuple[nn.Module, Carried | None]:
    """The network as the seed, and the weights a training starts from, make it; `fresh` is none that goes on."""
    seed_generators(config.training.seed)
    model = build_model(config, plan, data, fresh=fresh)
    carried = None
    if config.training.start_from and fresh:
        carried = carry_weights(model, Path(config.training.start_from), data)
    return model, carried


def cache_dir(config: Config) -> Path | None:
    """Folder of the cache, if there is to be one."""
    if not config.data.cache:
        return None
    return Path(config.data.cache_dir) if config.data.cache_dir else default_cache_dir()


def create_trainer(plan: Plan, callbacks: list[pl.Callback], *, steps: int = -1) -> pl.Trainer:
    """Lightning, for so many steps; -1 leaves the end to the callbacks."""
    arguments = ranks().trainer_arguments(unused=any(phase.freeze for phase in plan.course.phases))
    return pl.Trainer(
        accelerator="gpu" if plan.device == "cuda" else plan.device,
        precision="bf16-mixed" if plan.precision == "bf16" else "32-true",
        max_steps=steps,
        max_epochs=-1,  # `Stop` decides, because a resumed training does not count from zero
        callbacks=callbacks,
        plugins=[CheckpointFiles(), *arguments.pop("plugins")],
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **arguments,
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice to itself: it speaks of data-loader workers that are not used here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    except SystemExit as error:
        # Lightning answers a second Ctrl-C by leaving the program, even where it is but a library.
        raise KeyboardInterrupt from error
    finally:
        logger.setLevel(level)


@contextmanager
def memory_errors(plan: Plan, state: TrainingState) -> Iterator[None]:
    """Say what to change where memory runs out.

    Raises:
        ResourceError: It did.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        phase = plan.course.phases[state.phase]
        height, width = phase.size
        batch, size = max(1, phase.batch // 2), f"[{height // 2},{width // 2}]"
        remedy = f"Use training.batch={batch}, a smaller data.size={size}, or fewer filters in model.conv_sizes."
        if plan.phases:
            remedy = (
                f"Give phase {state.phase + 1} in training.phases batch: {batch} or size: {size}, or use fewer "
                "filters in model.conv_sizes."
            )
        raise ResourceError(
            f"enough {plan.device} memory for batches of {phase.batch} at {height}×{width}",
            "the machine ran out of memory",
            f"{remedy} The last checkpoint is whole.",
        ) from error
