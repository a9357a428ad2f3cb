"""`limner compose`: place cut-outs on backgrounds.

Layer: cli.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson

NAME = "compose"


def run(
    backgrounds: Annotated[Path, typer.Option("--backgrounds", "-b", help="Folder or .zip of backgrounds.")],
    foregrounds: Annotated[
        Path, typer.Option("--foregrounds", "-f", help="Folder or .zip of cut-outs: pictures with transparency.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the archives.")],
    per_pair: Annotated[int, typer.Option(min=1, help="Composites of each cut-out on each background.")] = 2,
    size: Annotated[
        str | None,
        typer.Option(
            help="Size of the composites, 224 or HEIGHTxWIDTH. Default: the background's.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of places, scales and flips.")] = 0,
    depth: Annotated[
        str, typer.Option(help="none, plane (things on level ground), or MODULE:FUNCTION of your own.")
    ] = "plane",
    as_json: AsJson = False,
) -> None:
    """Make a data set of cut-outs on backgrounds, with exact masks and depths, as zip archives."""
    from limner.cli.console import Stages, output, print_json
    from limner.workflow.compose import compose_data

    stages = Stages(quiet=as_json)
    try:
        result = compose_data(
            backgrounds,
            foregrounds,
            out,
            per_pair=per_pair,
            size=_parse_size(size),
            seed=seed,
            depth=depth,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json({"folder": str(result.folder), "composites": result.count, "archives": result.archives})
    else:
        output().print(
            f"{result.count:,} composites of {result.foregrounds:,} cut-outs on {result.backgrounds:,} backgrounds "
            f"written to {result.folder}\nTry it:  limner train {shlex.quote(str(result.folder))}"
        )


def _parse_size(text: str | None) -> tuple[int, int] | None:
    from limner.errors import ConfigError

    if text is None:
        return None
    match = re.fullmatch(r"(\d{2,5})(?:[x×](\d{2,5}))?", text.strip().lower())
    if match is None or min(int(match[1]), int(match[2] or match[1])) < 16:
        raise ConfigError("a size such as 224 or 240x320, height first, from 16 pixels", f"'{text}'", "Correct --size.")
    return int(match[1]), int(match[2] or match[1])
