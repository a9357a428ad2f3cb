"""Options that several commands share, each said once.

Layer: cli. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ConfigFile: TypeAlias = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file of settings.", show_default=False)
]
DataAndSettings: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA [KEY=VALUE]...", help="Folder, .csv or .zip; then settings, such as data.layout=pairs."
    ),
]
Device: TypeAlias = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Engine: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="torch, onnxruntime, openvino, or auto: the fastest that is installed. Default: torch.",
        show_default=False,
    ),
]
FromModel: TypeAlias = Annotated[
    str | None, typer.Option("--from", "-k", help="The model, instead of MODEL.", show_default=False)
]
Group: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="Samples that no split parts: a column of the CSV, or an expression like '^(patient[0-9]+)_'.",
        show_default=False,
    ),
]
Host: TypeAlias = Annotated[str, typer.Option(help="Address to listen on; any but this machine's own needs a token.")]
ImagesFolder: TypeAlias = Annotated[
    str | None, typer.Option("--images", "-i", help="Folder of pictures, instead of DATA.", show_default=False)
]
MasksFolder: TypeAlias = Annotated[
    str | None, typer.Option("--masks", "-m", help="Folder of masks, instead of DATA.", show_default=False)
]
MaxPixels: TypeAlias = Annotated[int, typer.Option(min=1, help="Most pixels of a picture.")]
Port: TypeAlias = Annotated[int, typer.Option(help="Port to listen on; 0 is any that is free.")]
Recipe: TypeAlias = Annotated[
    str | None, typer.Option("--recipe", "-r", help="Published project to repeat (limner recipes).", show_default=False)
]
RunFolder: TypeAlias = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
SaveFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="DIR",
        help="Let clients save pictures with their masks, into this folder alone.",
        show_default=False,
    ),
]
Shares: TypeAlias = Annotated[
    str | None, typer.Option("--split", help="Shares train:val:test, such as 70:15:15.", show_default=False)
]
SkipUnmatched: TypeAlias = Annotated[bool, typer.Option("--skip-unmatched", help="Leave out files without a partner.")]
SkipUnreadable: TypeAlias = Annotated[bool, typer.Option("--skip-unreadable", help="Leave out damaged files.")]
SplitSeed: TypeAlias = Annotated[int | None, typer.Option("--seed", help="Seed of the split.", show_default=False)]
Test: TypeAlias = Annotated[
    float | None, typer.Option(help="Test samples: a share below 1, or a count.", show_default=False)
]
TokenFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="File with the token that clients must show. Default: the variable LIMNER_TOKEN, or none.",
        show_default=False,
    ),
]
Val: TypeAlias = Annotated[
    float | None, typer.Option(help="Validation samples: a share below 1, or a count.", show_default=False)
]
