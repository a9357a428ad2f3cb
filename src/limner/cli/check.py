"""`limner check`: what is wrong with a data set, before anything is trained.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, ConfigFile, Group, ImagesFolder, MasksFolder, Recipe

NAME = "check"


def run(
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA] [KEY=VALUE]...",
            help="Folder, .csv or .zip with pictures and masks; then any settings, such as data.values=[[0],[255]].",
            show_default=False,
        ),
    ] = None,
    images: ImagesFolder = None,
    masks: MasksFolder = None,
    recipe: Recipe = None,
    config: ConfigFile = None,
    group: Group = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Page to write, with pictures of each doubt.")] = Path(
        "check.html"
    ),
    strict: Annotated[bool, typer.Option("--strict", help="Doubts fail like stops, with exit code 2.")] = False,
    as_json: AsJson = False,
) -> None:
    """Examine a data set before anything is trained: pairs, mask values, form, content, duplicates.

    Exit code: 0 clean, 1 doubts, 2 cannot train.
    """
    from limner.cli.console import EXIT_PARTLY, EXIT_USER, Stages, print_json
    from limner.cli.findings import print_findings
    from limner.cli.words import data_settings
    from limner.workflow.check import check
    from limner.workflow.settings import separate_settings

    place, overrides = separate_settings(data or [])
    stages = Stages(quiet=as_json)
    try:
        checked = check(
            place,
            out=out,
            recipe=recipe,
            config=config,
            overrides=overrides,
            settings=data_settings(images=images, masks=masks, group=group),
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json(checked.to_dict())
    else:
        print_findings(checked)
    if checked.outcome == "cannot train" or (strict and checked.outcome == "doubts"):
        raise typer.Exit(EXIT_USER)
    if checked.outcome == "doubts":
        raise typer.Exit(EXIT_PARTLY)
