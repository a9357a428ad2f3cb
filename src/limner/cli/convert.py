"""`limner convert`: masks from the annotations of other programs.

Layer: cli.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.options import AsJson

if TYPE_CHECKING:
    from limner.data.annotations.output import Converted

NAME = "convert"


class Overlap(StrEnum):
    """Who gets the pixels that shapes of different classes share."""

    auto = "auto"
    later = "later"
    smaller = "smaller"
    multilabel = "multilabel"
    stop = "stop"


def run(
    annotations: Annotated[
        Path, typer.Argument(help="COCO, labelme, CVAT, Label Studio, GeoJSON or ImageJ: a file, folder or .zip.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the masks.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder or .zip of the pictures, if they lie elsewhere.", show_default=False)
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Only these, in this order: a,b,c.", show_default=False)] = None,
    overlap: Annotated[
        Overlap,
        typer.Option(
            help="Shapes of different classes on one pixel: the later or the smaller wins, all stay (multilabel), or "
            "stop; auto settles seams and what the file itself orders, and stops at the rest."
        ),
    ] = Overlap.auto,
    instances: Annotated[bool, typer.Option("--instances", help="Also write the number of each object.")] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the pictures, instead of naming where they lie.")] = False,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="coco, labelme, cvat, labelstudio, geojson or imagej.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw the annotations of other programs as masks, and say what is doubtful.

    Exit code: 0 all drawn, 1 something was left out, 2 refused.
    """
    from limner.cli.console import EXIT_PARTLY, Stages, print_json
    from limner.workflow.convert import convert

    stages = Stages(quiet=as_json)
    try:
        result = convert(
            annotations,
            out=out,
            images=images,
            kind=kind,
            classes=None if classes is None else classes.split(","),
            overlap=overlap.value,
            instances=instances,
            copy=copy,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json({"folder": str(out), **result.to_dict()})
    else:
        _print(result, out)
    if result.lost:
        raise typer.Exit(EXIT_PARTLY)


def _print(result: Converted, out: Path) -> None:
    from limner.cli.console import output, print_table
    from limner.data.annotations.doubts import KINDS, count_doubts
    from limner.data.annotations.output import describe

    output().print(f"{result.pictures:,} pictures with masks ({result.task}) written to {out}, from {result.kind}")
    rows = [[one.name, f"{one.shapes:,}", f"{one.pictures:,}", f"{one.pixels:,}"] for one in result.classes]
    print_table("Classes", ["class", "shapes", "pictures", "pixels"], rows)
    for lost, title in ((True, "Left out"), (False, "Doubts, and what was settled")):
        counts = [found for found in count_doubts(result.doubts) if KINDS[found[0]][0] == lost]
        if counts:
            output().print(title)
        for kind, count, pixels in counts:
            example = describe(next(doubt for doubt in result.doubts if doubt.kind == kind))
            more = f", {pixels:,} pixels" if pixels else ""
            output().print(f"  {count:,} × {KINDS[kind][1]}{more}; such as {example}")
    output().print(f"Every shape  {out / 'conversion.csv'}")
    output().print(f"Next         limner check {out}")
