"""`limner verify`: the first steps of a training once more, compared bit for bit.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "verify"


def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder; it is only read.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Repeat the first steps of a training from its seed, settings and data, and compare them bit for bit.

    Exit code 0: the same bits. 1: others; what may be the reason is listed.
    """
    from limner.cli.console import EXIT_PARTLY, output, print_json
    from limner.workflow.verify import verify

    found = verify(folder)
    steps = f"{found.steps} step{'s' * (found.steps != 1)}"
    if as_json:
        print_json(found.to_dict())
    elif found.same:
        output().print(f"The first {steps} and the weights after them are bit for bit the same.")
    else:
        if found.differs_at is None:
            output().print(f"The losses of the first {steps} are the same, the weights after them differ.")
        else:
            assert found.recorded is not None
            assert found.repeated is not None
            digits = next(
                (count for count in range(4, 17) if f"{found.recorded:.{count}g}" != f"{found.repeated:.{count}g}"), 17
            )
            pair = f"{found.recorded:.{digits}g} vs {found.repeated:.{digits}g}"
            output().print(f"Differs at step {found.differs_at} of {found.steps}: {pair}")
        for reason in found.reasons or ("no reason is known: versions, machine and pictures are the same",):
            output().print(f"  {reason}")
    if not found.same:
        raise typer.Exit(EXIT_PARTLY)
