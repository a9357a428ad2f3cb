"""`limner shard`: put a data set into few large files, for training on many machines.

Layer: cli.
"""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.options import AsJson, Group, SkipUnmatched, SkipUnreadable, Test, Val

NAME = "shard"


def run(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA [KEY=VALUE]...", help="Folder, .csv or .zip; then settings, such as data.layout=pairs."
        ),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder, or URL of a store such as s3://bucket/cells.")],
    val: Val = None,
    test: Test = None,
    group: Group = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the split.", show_default=False)] = None,
    skip_unmatched: SkipUnmatched = False,
    skip_unreadable: SkipUnreadable = False,
    as_json: AsJson = False,
) -> None:
    """Check and split a data set, and put its files into shards, which limner train takes as DATA.

    Files stay as they are, byte for byte. After an interruption the same command completes the shards.
    """
    import shlex

    from limner.cli.console import Stages, output, print_json
    from limner.workflow.settings import separate_settings
    from limner.workflow.shard import shard

    place, overrides = separate_settings(data)
    given = {
        "data.val": val,
        "data.test": test,
        "data.group": group,
        "data.seed": seed,
        "data.unmatched": "skip" if skip_unmatched else None,
        "data.unreadable": "skip" if skip_unreadable else None,
    }
    stages = Stages(quiet=as_json)
    try:
        result = shard(
            place,
            out=out,
            overrides=overrides,
            settings={name: value for name, value in given.items() if value is not None},
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json(result.to_dict())
        return
    made = result.shards
    kept = f", {made.kept:,} of them made before" if made.kept else ""
    counts = ", ".join(f"{count:,} {split}" for split, count in result.counts.items() if count)
    output().print(f"Samples  {counts}")
    output().print(f"Shards   {made.files:,} files, {made.size / 1e6:,.1f} MB in {made.chunks:,} chunks{kept}")
    output().print(f"Use them:  limner train {shlex.quote(made.place)}")
