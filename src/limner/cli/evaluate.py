"""`limner evaluate`: score a model on pictures whose masks are known.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, Device, FromModel, ImagesFolder, MasksFolder, SkipUnmatched, SkipUnreadable

NAME = "evaluate"


def run(
    model: Annotated[
        str | None,
        typer.Argument(help="Run folder or .safetensors file; left out if --from names it.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Argument(help="Folder, .csv or .zip. Default: the samples the run set aside.", show_default=False),
    ] = None,
    source: FromModel = None,
    images: ImagesFolder = None,
    masks: MasksFolder = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, val or test: score these samples only. Default: test if there is one.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder of the results. Default: evaluation/ beside the model.", show_default=False
        ),
    ] = None,
    device: Device = "auto",
    skip_unmatched: SkipUnmatched = False,
    skip_unreadable: SkipUnreadable = False,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Size of a pixel in mm, as 0.5, or 0.8,0.5 for row and column: distances and areas are then in mm. "
            "Default: the column spacing of the data, or data.spacing of the run; else pixels.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="How far apart, in mm or pixels, outlines are that surface Dice (NSD) takes for the same. "
            "Default: two pixels.",
            show_default=False,
        ),
    ] = None,
    miss_distance: Annotated[
        float | None,
        typer.Option(
            "--miss-distance",
            help="HD95 and ASSD of a miss or a false alarm. Default: the diagonal of the picture.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a model per picture and class: overlap, distances, objects; means with their 95 % intervals."""
    from limner.cli.console import Stages, output, print_json
    from limner.cli.tables import print_scores
    from limner.cli.words import spacing_of, split_model
    from limner.errors import ConfigError
    from limner.workflow.evaluate import evaluate

    chosen, places = split_model([model, data], source)
    if len(places) > 1:
        raise ConfigError("one data set", f"{len(places)}: {', '.join(places)}", "Name the model once.")

    size = None if spacing is None else spacing_of(spacing)
    stages = Stages(quiet=as_json)
    try:
        result = evaluate(
            chosen,
            places[0] if places else None,
            images=images,
            masks=masks,
            split=split,
            out=out,
            device=device,
            skip_unmatched=skip_unmatched,
            skip_unreadable=skip_unreadable,
            spacing=size,
            tolerance=tolerance,
            miss_distance=miss_distance,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json(result.summary)
        return
    print_scores(result.summary)
    output().print(f"Results  {result.folder}")
