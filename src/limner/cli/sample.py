"""`limner sample`: write an example data set.

Layer: cli.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

NAME = "sample"


def run(
    name: Annotated[str, typer.Argument(help="Name of the example; a wrong one lists them.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write it to.")],
    count: Annotated[int | None, typer.Option(help="Number of pictures.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the drawing.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write an example data set: drawn, seeded, free to use."""
    from limner.cli.console import output, print_json
    from limner.examples import write_example

    path = write_example(name, folder, count=count, seed=seed)
    if as_json:
        print_json({"folder": str(path)})
    else:
        output().print(f"Example '{name}' written to {path}\nTry it:  limner train {shlex.quote(str(path))}")
