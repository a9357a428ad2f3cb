"""`limner compare`: which of several models is better on the same pictures, and whether that is more than chance.

Layer: cli.
"""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.options import AsJson

NAME = "compare"


def run(
    runs: Annotated[
        list[str],
        typer.Argument(help="Two or more run folders, or folders that limner evaluate -o wrote.", show_default=False),
    ],
    metric: Annotated[
        str,
        typer.Option(help="dice, iou, nsd, hd95, assd, boundary_iou, object_f1; of numbers rmse, mae, abs_rel, …"),
    ] = "dice",
    target: Annotated[
        str | None, typer.Option(help="Which target, where there are several.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs scored on the same pictures, picture by picture: which is better, and how sure that is."""
    from limner.cli.console import output, print_json, print_table
    from limner.evaluation.compare import compare, sentence

    found = compare(runs, metric=metric, target=target)
    if as_json:
        print_json({**found.to_dict(), "sentence": sentence(found)})
        return
    rows = []
    for place, entry in enumerate(found.ranked, start=1):
        behind = entry.behind
        said = ["", ""]
        if behind is not None:
            known = behind.low is not None and behind.high is not None
            interval = f" [{behind.low:.3g}, {behind.high:.3g}]" if known else ""
            said = [f"{behind.better:.3g}{interval}", "yes" if behind.shown else "no"]
        rows.append([entry.name, str(place), f"{entry.mean:.4g}", *said])
    title = f"{found.target}, {found.metric}: {found.n_images:,} pictures"
    print_table(title, ["run", "rank", "mean", "behind the best", "shown"], rows)
    output().print(sentence(found))
    if len(rows) > 3:
        output().print("Of many comparisons, about one in twenty shows a difference by chance.")
