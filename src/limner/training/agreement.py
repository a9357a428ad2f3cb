"""After every step processes that train together agree on what clocks and signals say.

Layer: training. Whatever ends, saves or steers a training must do so in all of them at the same step.
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch

from limner.training.distributed import Ranks
from limner.training.loader import Batch
from limner.training.module import state_of
from limner.training.signals import Interruption


class Agreement(pl.Callback):
    """Its place is right after `Clock`; does nothing where one process trains.

    Args:
        ranks: The processes.
        interruption: Heard by any of them, it is obeyed by all.
        seed: Of the training.
    """

    def __init__(self, ranks: Ranks, interruption: Interruption, seed: int) -> None:
        self._ranks = ranks
        self._interruption = interruption
        self._seed = seed
        self._begun = False

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state, rank = state_of(pl_module), self._ranks.seat.rank
        if rank and not self._begun:
            # Else all would drop the same parts of their samples: the checkpoint's generators are the first one's.
            torch.manual_seed(hash((self._seed, state.step, rank)) % 2**63)
        self._begun = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if self._ranks.count == 1:
            return
        state = state_of(pl_module)
        state.seconds, state.train_seconds, asked = self._ranks.most(
            state.seconds, state.train_seconds, float(self._interruption.heard)
        )
        self._interruption.asked = bool(asked)
