"""`limner split`: decide which samples train, validate and test.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.options import AsJson, DataAndSettings, Group, Shares, SkipUnmatched, SplitSeed, Test, Val

NAME = "split"


def run(
    data: DataAndSettings,
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write; limner train takes it as DATA.")] = Path(
        "samples.csv"
    ),
    shares: Shares = None,
    val: Val = None,
    test: Test = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Write a column of so many folds instead of train and val.", show_default=False),
    ] = None,
    seed: SplitSeed = None,
    group: Group = None,
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
    from limner.cli.words import data_settings
    from limner.errors import ConfigError
    from limner.workflow.settings import separate_settings
    from limner.workflow.split import split

    if move and copy:
        raise ConfigError("--move or --copy", "both", "Leave one of them out.")
    place, overrides = separate_settings(data)
    given = data_settings(split=shares, val=val, test=test, folds=folds, seed=seed, skip_unmatched=skip_unmatched)
    stages = Stages(quiet=as_json)
    try:
        result = split(
            place,
            out=out,
            overrides=overrides,
            settings=given,
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
