"""`limner split`: decide which samples train, validate and test.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, SkipUnmatched, Test, Val

NAME = "split"


def run(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA [KEY=VALUE]...", help="Folder, .csv or .zip; then settings, such as data.layout=pairs."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write; limner train takes it as DATA.")] = Path(
        "samples.csv"
    ),
    shares: Annotated[
        str | None, typer.Option("--split", help="Shares train:val:test, such as 80:10:10.", show_default=False)
    ] = None,
    val: Val = None,
    test: Test = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Write a column of so many folds instead of train and val.", show_default=False),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the draw.", show_default=False)] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Samples that no split parts: a column of the CSV, or an expression like '^(patient[0-9]+)_'.",
            show_default=False,
        ),
    ] = None,
    ungrouped: Annotated[bool, typer.Option("--ungrouped", help="Draw single samples; groups may part.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Split again what came split.")] = False,
    move: Annotated[
        bool, typer.Option("--move", help="Also move the files into train_images, train_masks, val_images …")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="As --move, but copy.")] = False,
    into: Annotated[
        Path | None, typer.Option(help="Folder of these folders. Default: DATA.", show_default=False)
    ] = None,
    skip_unmatched: SkipUnmatched = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the table.")] = False,
    as_json: AsJson = False,
) -> None:
    """Assign samples to train, val and test, groups whole, and write the table; files stay where they are.

    With --move or --copy files are put into a folder for each split; after an interruption, the same
    command completes it.
    """
    import shlex

    from limner.cli.console import Stages, messages, output, print_json, print_table
    from limner.errors import ConfigError
    from limner.workflow.settings import separate_settings
    from limner.workflow.split import split

    if move and copy:
        raise ConfigError("--move or --copy", "both", "Leave one of them out.")
    place, overrides = separate_settings(data)
    given = {
        "data.split": shares,
        "data.val": val,
        "data.test": test,
        "data.folds": folds,
        "data.seed": seed,
        "data.unmatched": "skip" if skip_unmatched else None,
    }
    stages = Stages(quiet=as_json)
    try:
        result = split(
            place,
            out=out,
            overrides=overrides,
            settings={name: value for name, value in given.items() if value is not None},
            group=group,
            ungrouped=ungrouped,
            anew=anew,
            place="move" if move else "copy" if copy else None,
            into=into,
            overwrite=overwrite,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json(result.to_dict())
        return
    for note in result.notes:
        messages().print(note)
    if result.folds:
        rows = [[f"fold {fold}", f"{count:,}"] for fold, count in enumerate(result.folds)]
        print_table("", ["", "samples"], [*rows, ["test", f"{result.counts['test']:,}"]])
        table = shlex.quote(str(result.table))
        output().print(f"Table  {result.table}\nUse it:  limner train {table} --folds {len(result.folds)}")
        return
    rows = [[name, f"{count:,}", f"{result.groups[name]:,}"] for name, count in result.counts.items()]
    print_table("", ["split", "samples", "groups"], rows)
    if move or copy:
        output().print(f"Files {'moved' if move else 'copied'}  {result.placed:,}")
    output().print(f"Table  {result.table}\nUse it:  limner train {shlex.quote(str(result.table))}")
