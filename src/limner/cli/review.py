"""`limner review`: masks that a trained model doubts, ranked, to be looked at.

Layer: cli.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, Device

NAME = "review"

_PRINTED = 10


def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, best of a training with --folds.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="val, test, or all, which adds training samples. Default: val and test; with folds, all unseen.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Page to write; review.csv lies beside it. Default: review/review.html in RUN.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        int | None,
        typer.Option(
            "--show", "-n", min=1, help="Samples on the page. Default: a tenth, at most 50.", show_default=False
        ),
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Rank samples whose masks a confident model contradicts; a page to mark them, for limner train --review."""
    from limner.cli.console import Stages, output, print_json
    from limner.workflow.review import review

    stages = Stages(quiet=as_json)
    try:
        found = review(folder, split=split, out=out, show=show, device=device, progress=stages)
    finally:
        stages.close()
    if as_json:
        print_json(found.to_dict())
        return
    for row in found.rows[:_PRINTED]:
        output().print(f"{row['rank']:>4}  {row['score']:>7.1f}  {row['id']}: {row['what']}  [{row['evidence']}]")
    output().print(
        f"The page shows the first {found.shown} of {len(found.rows):,} samples; mark them, save review.csv."
    )
    output().print(f"Page   {found.page}\nTable  {found.table}")
    output().print(f"Then:  limner train DATA --review {shlex.quote(str(found.table))}")
