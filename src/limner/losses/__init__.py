"""Losses: logits and truth in, one float32 number out, ignored pixels left out.

Layer: beside `metrics`, below `models`. Pure functions on tensors (one file per family), and
`create_loss`, which chooses and sums them by name: `create_loss("0.5*ce+dice", task="multiclass")`.

Shapes, by task:

    task        logits   target
    binary      b 1 h w  b h w    ids 0, 1 and the ignored id
    multiclass  b c h w  b h w    ids 0 … c-1 and the ignored id
    multilabel  b c h w  b c h w  planes of 0, 1 and the ignored id
    regression  b c h w  b c h w  numbers, NaN where unknown; `b h w` where c is 1
"""

from __future__ import annotations

from limner.losses.loss import Loss
from limner.losses.table import LOSSES, create_loss

__all__ = ["LOSSES", "Loss", "create_loss"]
