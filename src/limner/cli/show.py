"""`limner show`: look at samples as training will see them, or at what a run predicts for them.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, ConfigFile, Recipe

NAME = "show"


def run(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA|RUN [KEY=VALUE]...",
            help="Folder, .csv or .zip, then settings, such as augment.preset=strong; or a run folder.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="PNG file to write. Default: samples.png, or predictions-SPLIT.png in the run folder.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Number of samples.")] = 6,
    split: Annotated[
        str | None,
        typer.Option(
            help="Of a run: train, val or test samples. Default: test if there is one, else val.", show_default=False
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Of a run: auto, cpu, cuda or mps.")] = "auto",
    recipe: Recipe = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a contact sheet: samples and how augmentation changes them, or a run's predictions beside the truth."""
    from limner.cli.console import Stages, output, print_json
    from limner.workflow.settings import separate_settings
    from limner.workflow.show import show

    place, overrides = separate_settings(data)
    stages = Stages(quiet=as_json)
    try:
        path = show(
            place,
            out=out,
            count=count,
            split=split,
            recipe=recipe,
            config=config,
            overrides=overrides,
            device=device,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json({"sheet": str(path)})
    else:
        output().print(f"Sheet  {path}")
