"""Where a training stands: the one object that callbacks share and checkpoints keep.

Layer: training. Imports no torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from limner.errors import DataError


@dataclass
class TrainingState:
    """Position and record of a training.

    The position is Limner's own, not Lightning's: `epoch` and `batch` say exactly which batch comes
    next, so a training stopped in the middle of an epoch goes on with the batch it would have had.
    """

    epoch: int = 0
    """Epochs finished."""
    batch: int = 0
    """Batches done of the epoch under way."""
    phase: int = 0
    """Phase of the epoch under way, from 0."""
    step: int = 0
    """Optimiser steps done."""
    seconds: float = 0.0
    """Time spent training and validating, over all sittings."""
    images: int = 0
    """Samples trained on."""
    train_seconds: float = 0.0
    """Time spent in training epochs alone."""
    best_score: float | None = None
    """Best validation score of this phase so far."""
    best_epoch: int = 0
    stopped: str = ""
    """Why the training ended: `epochs`, `time`, `patience`, `collapse`; empty while it is not finished."""
    interrupted: bool = False
    """A signal asked to stop; the checkpoint is in the middle of an epoch."""
    metrics: dict[str, float | int | None] = field(default_factory=dict)
    """Numbers of the last finished epoch, as in `metrics.jsonl`."""

    def is_finished(self, epochs: int, seconds: float | None, patience: int) -> bool:
        """Whether a training of such a length has nothing left to do."""
        match self.stopped:
            case "epochs":
                return self.epoch >= epochs
            case "time":
                # Training ends a little early, to leave time for the last validation.
                return seconds is None or self.seconds >= 0.9 * seconds
            case "patience":
                return patience > 0 and self.epoch - self.best_epoch >= patience
        return False

    def to_dict(self) -> dict[str, Any]:
        """For a checkpoint: numbers and text alone."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingState:
        """Rebuild from a checkpoint.

        Raises:
            DataError: The checkpoint was written by a Limner whose state differs.
        """
        known = {item.name for item in fields(cls)}
        if set(values) != known:
            raise DataError(
                "a checkpoint of this version of Limner",
                f"its training state holds {', '.join(sorted(values)) or 'nothing'}",
                "Resume with the Limner that wrote it (see run.json), or train anew from its model.safetensors.",
            )
        return cls(**{**values, "interrupted": False})
