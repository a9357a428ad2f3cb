"""`limner predict`: draw outlines on new pictures.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "predict"


def run(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the masks.")],
    model: Annotated[
        str | None,
        typer.Argument(help="Run folder or .safetensors file; left out if --from names it.", show_default=False),
    ] = None,
    pictures: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, globs or .zip archives.", show_default=False)
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", "-k", help="The model, instead of MODEL.", show_default=False)
    ] = None,
    images: Annotated[
        str | None, typer.Option("--images", "-i", help="Folder of pictures, besides PICTURES.", show_default=False)
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            "-b",
            min=1,
            help="Pictures or tiles at once. Default: as many as keep the device busy.",
            show_default=False,
        ),
    ] = None,
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
    from limner.cli.words import split_model
    from limner.errors import ConfigError, shorten
    from limner.workflow import predict

    chosen, places = split_model([model, *(pictures or [])], source)
    places += [images] if images else []
    if not places:
        raise ConfigError("pictures to predict", "none were named", "Name files, folders, globs or .zip archives.")
    stages = Stages(quiet=as_json)
    try:
        result = predict(
            chosen,
            places,
            out,
            overwrite=overwrite,
            probabilities=probabilities,
            overlay=overlay,
            device=device,
            batch_size=batch,
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
