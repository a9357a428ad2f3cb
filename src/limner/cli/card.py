"""`limner card`: a model card and a data card of a run.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, RunFolder

NAME = "card"


def run(
    folder: RunFolder,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the two files. Default: the run folder.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace cards that are there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write MODEL_CARD.md and DATA_CARD.md of a run: what a stranger must know to use the model and the data."""
    from limner.cli.console import output, print_json
    from limner.workflow.card import card

    cards = card(folder, out, overwrite=overwrite)
    if as_json:
        print_json({"model": str(cards.model), "data": str(cards.data)})
    else:
        output().print(f"Model card  {cards.model}\nData card   {cards.data}")
