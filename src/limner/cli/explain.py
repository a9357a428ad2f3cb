"""`limner explain`: why a prediction is empty or wrong.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.options import AsJson, Device

if TYPE_CHECKING:
    from limner.evaluation.explain.ladder import Explanation

NAME = "explain"

_MARKS = {"fine": " ", "odd": "!", "unknown": "?"}
_WIDTH = 14


def run(
    model: Annotated[str, typer.Argument(help="Run folder or .safetensors file.", show_default=False)],
    picture: Annotated[
        str | None, typer.Argument(help="The picture; left out if --input names several.", show_default=False)
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=FILE",
            help="Picture of one input, for a model of several: once for each.",
            show_default=False,
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TARGET=]FILE",
            help="The true mask: real Dice judges instead of expected Dice.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Page to write.", show_default=False)] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Say why the prediction of a picture is empty or wrong: what was looked at, and causes, the likeliest first."""
    from limner.cli.console import Stages, print_json
    from limner.cli.predict import places
    from limner.workflow.explain import explain

    given = places([picture] if picture else [], inputs or [])
    stages = Stages(quiet=as_json)
    try:
        found = explain(
            model,
            given if isinstance(given, dict) else given[0],
            mask=_masks(mask or []),
            out=out,
            device=device,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json(found.to_dict() | ({"page": str(out)} if out else {}))
    else:
        _print(found, out)


def _masks(given: list[str]) -> str | dict[str, str] | None:
    """The mask, or masks by target.

    Example:
        >>> _masks([]), _masks(["a=b.png"]), _masks(["true.png"])
        (None, {'a': 'b.png'}, 'true.png')
    """
    if len(given) == 1 and ("=" not in given[0] or Path(given[0]).exists()):
        return given[0]
    named = [text.partition("=") for text in given]
    return {target: place for target, _, place in named} or None


def _print(found: Explanation, out: Path | None) -> None:
    from limner.cli.console import output

    console = output()
    for rung in found.rungs:
        console.print(f"{_MARKS[rung.verdict]} {rung.name:<{_WIDTH}}{rung.found}")
    console.print(f"\n{found.verdict}")
    for number, cause in enumerate(found.causes, start=1):
        console.print(f"\n{number}. {cause.title}\n   Evidence  {cause.evidence}\n   To do     {cause.remedy}")
    if out is not None:
        console.print(f"\nPage   {out}")
