"""`limner predict`: draw outlines on new pictures.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "predict"


def run(
    model: Annotated[Path, typer.Argument(help="Run folder or .safetensors file.")],
    pictures: Annotated[list[str], typer.Argument(help="Files, folders, globs or .zip archives.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the masks.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that exist.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write class probabilities (.npz).")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write pictures with outlines drawn on them.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Predict masks for pictures: same names and sub-folders, at the pictures' own size."""
    from limner.cli.console import EXIT_PARTLY, Stages, messages, output, print_json
    from limner.errors import shorten
    from limner.workflow import predict

    stages = Stages(quiet=as_json)
    try:
        result = predict(
            model,
            pictures,
            out,
            overwrite=overwrite,
            probabilities=probabilities,
            overlay=overlay,
            device=device,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        written = [str(path) for path in result.written]
        print_json({"written": written, "failed": dict(result.failed), "skipped": result.skipped})
    else:
        for name, problem in result.failed:
            messages().print(f"Failed  {name}\n{problem}")
        if result.skipped:
            messages().print(f"Not taken for pictures: {', '.join(shorten(result.skipped))}")
        output().print(f"{len(result.written):,} mask{'' if len(result.written) == 1 else 's'} written to {out}")
    if result.failed:
        raise typer.Exit(EXIT_PARTLY)
