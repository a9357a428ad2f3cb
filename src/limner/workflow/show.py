"""`show`: a look at data before anything is trained, and at what a run makes of them.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limner.errors import ConfigError
from limner.files import write_bytes
from limner.training.record import read_data
from limner.types import Progress, no_progress
from limner.workflow.comparison import comparison_sheet
from limner.workflow.places import find_run
from limner.workflow.settings import prepare_data, read_settings
from limner.workflow.sheets import augmented_sheet


def show(
    data: str | Path | None,
    *,
    out: str | Path | None = None,
    count: int = 6,
    split: str | None = None,
    recipe: str | None = None,
    config: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    progress: Progress = no_progress,
) -> Path:
    """Write a contact sheet: of data, samples and how augmentation changes them; of a run, truth beside prediction.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks; or a run folder.
        out: PNG file to write. Default: `samples.png`, or `predictions-SPLIT.png` in the run folder.
        count: Number of samples.
        split: Of a run, the samples to show: `train`, `val` or `test`. Default: test if there is one, else val.
        recipe: Published project whose settings to start from.
        config: YAML file of settings.
        overrides: Settings as text, such as `augment.preset=strong`.
        device: Of a run, where to predict: `auto`, `cpu`, `cuda` or `mps`.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`.
    """
    run = find_run(data)
    if run is not None:
        if config or recipe or overrides:
            raise ConfigError("a run, alone", "settings besides", "A run has its own settings; leave these out.")
        return _show_run(run, split, out, count=count, device=device, progress=progress)
    if split is not None:
        raise ConfigError(
            "a run folder, whose samples are split",
            f"--split {split} with {'no run' if data is None else repr(str(data))}",
            "Name the folder that limner train made, or leave --split out.",
        )
    chosen = read_settings(config, overrides, None, data=data, recipe=recipe)
    prepared = prepare_data(chosen, progress)
    path = Path(out or "samples.png")
    write_bytes(path, augmented_sheet(prepared, chosen, count=count))
    return path


def _show_run(
    run: Path, split: str | None, out: str | Path | None, *, count: int, device: str, progress: Progress
) -> Path:
    split = split or ("test" if len(read_data(run).catalog.indices("test")) else "val")
    sheet = comparison_sheet(run, split, count=count, device=device, progress=progress)
    path = run / f"predictions-{split}.png" if out is None else Path(out)
    write_bytes(path, sheet)
    return path
