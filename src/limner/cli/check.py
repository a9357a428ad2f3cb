"""`limner check`: what is wrong with a data set, before anything is trained.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, ConfigFile, Group, Recipe

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
    images: Annotated[str | None, typer.Option(help="Folder of pictures, instead of DATA.", show_default=False)] = None,
    masks: Annotated[str | None, typer.Option(help="Folder of masks, instead of DATA.", show_default=False)] = None,
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
    from limner.workflow.check import check
    from limner.workflow.settings import separate_settings

    place, overrides = separate_settings(data or [])
    settings = {"data.images": images, "data.masks": masks, "data.group": group}
    stages = Stages(quiet=as_json)
    try:
        checked = check(
            place,
            out=out,
            recipe=recipe,
            config=config,
            overrides=overrides,
            settings={name: value for name, value in settings.items() if value is not None},
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
