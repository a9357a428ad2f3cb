"""`limner export`: a trained model as a file for other programs, with proof.

Layer: cli.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.options import AsJson

if TYPE_CHECKING:
    from limner.workflow.export import Exported

NAME = "export"


class Format(StrEnum):
    """Of the file."""

    onnx = "onnx"
    openvino = "openvino"
    torchscript = "torchscript"


def run(
    model: Annotated[str, typer.Argument(help="Run folder or .safetensors file.")],
    to: Annotated[Format, typer.Option(help="Format of the file.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file. Default: beside the model.", show_default=False),
    ] = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Compute in bf16 (openvino, torchscript).")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Convolutions in int8 (onnx, openvino), calibrated on training pictures.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder, .csv or .zip of pictures with masks to prove it on. Default: the run's validation samples.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a model as one graph, from stored pixels to probabilities, and prove that it answers the same.

    20 validation pictures go through the model and through the file; above the limits the command fails and leaves no
    file.
    """
    from limner.cli.console import Stages, print_json
    from limner.errors import ConfigError
    from limner.workflow.export import export

    if bf16 and int8:
        raise ConfigError("one precision", "--bf16 and --int8", "Leave one of them out.")
    precision = "bf16" if bf16 else "int8" if int8 else "float32"
    stages = Stages(quiet=as_json)
    try:
        result = export(
            model, to=to.value, out=out, precision=precision, data=data, overwrite=overwrite, progress=stages
        )
    finally:
        stages.close()
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)


def _print(result: Exported) -> None:
    from limner.cli.console import messages, output, print_table

    proof = result.proof
    pictures = f"{proof.pictures} picture{'' if proof.pictures == 1 else 's'}"
    rows = []
    for name, target in proof.targets.items():
        numbers = (target.dice, target.dice_exported) if target.error is None else (target.error, target.error_exported)
        kind = "Dice" if target.error is None else "error"
        shown = [f"{kind} {number:.4f}" if number is not None else "–" for number in numbers]
        rows.append([name, f"{target.mean_difference:.1e}", f"{target.max_difference:.1e}", *shown])
    print_table(f"Proof on {pictures}: {proof.source}", ["target", "mean difference", "max", "model", "file"], rows)
    if proof.computed != proof.precision:
        messages().print(f"This CPU has no {proof.precision}: the proof was computed in {proof.computed}.")
    output().print(f"{result.to} ({proof.precision})  {result.path}  {result.bytes / 1e6:.1f} MB")
