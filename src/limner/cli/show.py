"""`limner show`: look at samples as training will see them.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "show"


def run(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA [KEY=VALUE]...", help="Folder, .csv or .zip; then settings, such as augment.preset=strong."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="PNG file to write.")] = Path("samples.png"),
    count: Annotated[int, typer.Option(min=1, help="Number of samples.")] = 6,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", "-r", help="Published project to repeat (limner recipes).", show_default=False),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file of settings.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a contact sheet: samples with their masks, and how augmentation changes them."""
    from limner.cli.console import Stages, output, print_json
    from limner.workflow import separate_settings, show

    place, overrides = separate_settings(data)
    stages = Stages(quiet=as_json)
    try:
        path = show(place, out=out, count=count, recipe=recipe, config=config, overrides=overrides, progress=stages)
    finally:
        stages.close()
    if as_json:
        print_json({"sheet": str(path)})
    else:
        output().print(f"Sheet  {path}")
