"""`limner shard`: put a data set into few large files, for training on many machines.

Layer: cli.
"""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.options import AsJson, DataAndSettings, Group, SkipUnmatched, SkipUnreadable, SplitSeed, Test, Val

NAME = "shard"


def run(
    data: DataAndSettings,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder, or URL of a store such as s3://bucket/cells.")],
    val: Val = None,
    test: Test = None,
    group: Group = None,
    seed: SplitSeed = None,
    skip_unmatched: SkipUnmatched = False,
    skip_unreadable: SkipUnreadable = False,
    as_json: AsJson = False,
) -> None:
    """Check and split a data set, and put its files into shards, which limner train takes as DATA.

    Files stay as they are, byte for byte. After an interruption the same command completes the shards.
    """
    import shlex

    from limner.cli.console import Stages, output, print_json
    from limner.cli.words import data_settings
    from limner.workflow.settings import separate_settings
    from limner.workflow.shard import shard

    place, overrides = separate_settings(data)
    given = data_settings(
        val=val,
        test=test,
        group=group,
        seed=seed,
        skip_unmatched=skip_unmatched,
        skip_unreadable=skip_unreadable,
    )
    stages = Stages(quiet=as_json)
    try:
        result = shard(place, out=out, overrides=overrides, settings=given, progress=stages)
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
