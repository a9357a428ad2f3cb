"""`limner traces`: fill the outlines that experts drew.

Layer: cli.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.cli.options import AsJson

if TYPE_CHECKING:
    from limner.data.traces.convert import Converted

NAME = "traces"


def run(
    traced: Annotated[Path, typer.Argument(help="Folder or .zip of traced copies; may hold the originals too.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the masks.")],
    originals: Annotated[
        Path | None, typer.Option(help="Folder or .zip of untraced originals.", show_default=False)
    ] = None,
    ink: Annotated[
        list[str] | None,
        typer.Option(help="COLOUR=STRUCTURE, once for each; a name or #rrggbb.  [default: blue, green, red]"),
    ] = None,
    gap: Annotated[float, typer.Option(help="Close gaps in strokes up to this many pixels.")] = 6.0,
    as_json: AsJson = False,
) -> None:
    """Turn copies on which experts drew coloured outlines into masks, and say what is doubtful."""
    from limner.cli.console import EXIT_PARTLY, Stages, print_json
    from limner.data.traces.inks import DEFAULT_INKS
    from limner.workflow.traces import traces

    stages = Stages(quiet=as_json)
    try:
        result = traces(traced, out=out, originals=originals, inks=ink or DEFAULT_INKS, gap=gap, progress=stages)
    finally:
        stages.close()
    if as_json:
        print_json(_as_json(result, out))
    else:
        _print(result, out)
    if result.of("unfinished", "failed"):
        raise typer.Exit(EXIT_PARTLY)


def _as_json(result: Converted, out: Path) -> dict[str, Any]:
    from limner.data.traces.agreement import mean_dice

    return {
        "folder": str(out),
        "tracings": [vars(outcome) for outcome in result.outcomes],
        "agreement": {name: {"dice": dice, "n": n} for name, (dice, n) in mean_dice(result.agreements).items()},
        "untouched": list(result.untouched),
        "sheets": [str(path) for path in result.sheets],
    }


def _print(result: Converted, out: Path) -> None:
    from limner.cli.console import messages, output, print_table
    from limner.data.traces.agreement import mean_dice
    from limner.errors import shorten

    for outcome in result.of("unfinished", "failed"):
        who = f" ({outcome.expert})" if outcome.expert else ""
        messages().print(f"{outcome.state} {outcome.picture}{who}: {'; '.join(outcome.notes)}")
    counts = Counter(outcome.state for outcome in result.outcomes)
    doubtful = sum(bool(outcome.notes) for outcome in result.of("used", "second"))
    output().print(f"{counts['used']:,} pictures with masks written to {out / 'images'}")
    for state, words in (
        ("second", "further tracings of the same pictures, in experts/"),
        ("unfinished", "tracings with a stroke missing or open: not filled, see unfinished/"),
        ("failed", "copies that could not be laid over their original"),
    ):
        if counts[state]:
            output().print(f"{counts[state]:,} {words}")
    if doubtful:
        output().print(f"{doubtful:,} filled with doubts: look at the first rows of the sheet")
    if result.untouched:
        names = ", ".join(shorten(result.untouched, 4))
        output().print(f"{len(result.untouched):,} originals that nobody traced: {names}")
    rows = [[name, f"{dice:.3f}", str(n)] for name, (dice, n) in mean_dice(result.agreements).items()]
    if rows:
        print_table("Agreement of experts, the ceiling for a model", ["structure", "Dice", "pictures"], rows)
    output().print(f"Sheet  {result.sheets[0]}")
