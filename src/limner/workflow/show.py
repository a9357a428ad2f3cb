"""`show`: a look at data before anything is trained.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.files import write_bytes
from limner.workflow.settings import Progress, no_progress, prepare_data, read_settings
from limner.workflow.sheets import augmented_sheet


def show(
    data: str | Path | None,
    *,
    out: str | Path = "samples.png",
    count: int = 6,
    recipe: str | None = None,
    config: str | Path | None = None,
    overrides: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Path:
    """Write a contact sheet of samples and of how augmentation changes them.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks.
        out: PNG file to write.
        count: Number of samples.
        recipe: Published project whose settings to start from.
        config: YAML file of settings.
        overrides: Settings as text, such as `augment.preset=strong`.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`.
    """
    chosen = read_settings(config, overrides, None, data=data, recipe=recipe)
    prepared = prepare_data(chosen, progress)
    write_bytes(out, augmented_sheet(prepared, chosen, count=count))
    return Path(out)
