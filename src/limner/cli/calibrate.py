"""`limner calibrate`: probabilities that mean what they say, and thresholds for a goal.

Layer: cli.
"""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.options import AsJson, Device

NAME = "calibrate"


def run(
    model: Annotated[str, typer.Argument(help="Run folder or .safetensors file; its bundle is changed.")],
    data: Annotated[
        str | None,
        typer.Argument(
            help="Folder, .csv or .zip that the model did not learn from. Default: the run's validation samples.",
            show_default=False,
        ),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="What thresholds are for: max-dice, area, 'recall>=0.95' or 'precision>=0.9'. Default: 0.5 for all.",
            show_default=False,
        ),
    ] = None,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Also measure what views of each picture buy and cost, for predict --tta auto."),
    ] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Fit a temperature per target, and thresholds per class for a goal, and keep them in the model's bundle.

    `limner train` does this after training; here it is done again, with another goal or on other data.
    """
    from limner.cli.console import Stages, output, print_json
    from limner.cli.tables import print_calibration
    from limner.workflow.calibrate import calibrate

    stages = Stages(quiet=as_json)
    try:
        result = calibrate(model, data, goal=goal, tta=tta, device=device, progress=stages)
    finally:
        stages.close()
    if as_json:
        print_json(result.to_dict())
        return
    print_calibration(result.to_dict()["targets"])
    for line in result.views:
        output().print(line)
    output().print(f"Model   {result.model}")
    if result.report:
        output().print(f"Report  {result.report}")
