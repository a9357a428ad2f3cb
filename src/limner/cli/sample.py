"""`limner sample`: write an example data set.

Layer: cli.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson

NAME = "sample"


def run(
    name: Annotated[str, typer.Argument(help="Name of an example or recipe; a wrong one lists them.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write it to.")],
    count: Annotated[int | None, typer.Option(help="Number of pictures.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the drawing.")] = 0,
    size: Annotated[
        str | None,
        typer.Option(metavar="HEIGHTxWIDTH", help="Size of pictures, such as 320x480.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write an example data set: drawn, seeded, free to use."""
    from limner.cli.console import output, print_json
    from limner.config import describe_recipe, recipe_names
    from limner.examples import EXAMPLES, write_example

    recipe = name if name in recipe_names() else None
    example = describe_recipe(recipe).example if recipe and name not in EXAMPLES else name
    path = write_example(example or name, folder, count=count, seed=seed, size=_read_size(size))
    if as_json:
        print_json({"folder": str(path)})
    else:
        words = ["limner", "train", *(["--recipe", recipe] if recipe else []), str(path)]
        output().print(f"Example '{name}' written to {path}\nTry it:  {shlex.join(words)}")


def _read_size(text: str | None) -> tuple[int, int] | None:
    from limner.errors import ConfigError

    if text is None:
        return None
    numbers = text.lower().replace("×", "x").split("x")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise ConfigError("a size such as 320x480", f"'{text}'", "Write height, x, width, in pixels.")
    return int(numbers[0]), int(numbers[1])
