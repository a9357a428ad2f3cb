"""`card`: a model card and a data card of a run.

Layer: workflow.
"""

from __future__ import annotations

from pathlib import Path

from limner.config import DataConfig, TrainingConfig
from limner.evaluation.card import Cards, write_cards


def card(run: str | Path, out: str | Path | None = None, *, overwrite: bool = False) -> Cards:
    """Write `MODEL_CARD.md` and `DATA_CARD.md` of a run, from the files in its folder alone.

    Args:
        run: The run folder, finished or not.
        out: Folder to write to. Default: the run folder.
        overwrite: Replace cards that are there; people may have completed them.

    Raises:
        LimnerError: See `limner.errors`.
    """
    # What the settings file leaves out was the default.
    seeds = {"data": DataConfig().seed, "training": TrainingConfig().seed}
    return write_cards(run, out, overwrite=overwrite, seeds=seeds)
