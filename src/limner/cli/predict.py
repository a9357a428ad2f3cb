"""`limner predict`: draw outlines on new pictures.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from limner.inference.folder import FolderResult

NAME = "predict"


def run(
    model: Annotated[
        str | None,
        typer.Argument(help="Run folder or .safetensors file; left out if --from names it.", show_default=False),
    ] = None,
    pictures: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, globs or .zip archives.", show_default=False)
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", "-k", help="The model, instead of MODEL.", show_default=False)
    ] = None,
    images: Annotated[
        str | None, typer.Option("--images", "-i", help="Folder of pictures, besides PICTURES.", show_default=False)
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            "-b",
            min=1,
            help="Pictures or tiles at once. Default: as many as keep the device busy.",
            show_default=False,
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=PLACE",
            help="File or folder of one input, for a model of several: once for each, instead of PICTURES. "
            "Files go together by name; a single file goes with all.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the results.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that exist.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write class probabilities (.npz).")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write pictures with outlines drawn on them, numbers in colour.")
    ] = False,
    uncertainty: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Also write how unsure each pixel is (uncertainty/) and doubts.csv, the most doubtful picture first. "
            "From: tta (views of each picture), members (of an ensemble), dropout, single (one look), or auto.",
            show_default=False,
        ),
    ] = None,
    flag_below: Annotated[
        float | None,
        typer.Option(
            metavar="DICE",
            help="Put results apart, in doubtful/, where less Dice than this is expected or the picture is unlike the "
            "training pictures; with doubts.csv.",
            show_default=False,
        ),
    ] = None,
    rle: Annotated[
        Path | None,
        typer.Option(
            help="Write all masks as run lengths to this CSV, for Kaggle; --out may be left out.", show_default=False
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    engine: Annotated[
        str, typer.Option(help="torch, onnxruntime, openvino, or auto: the fastest that is installed.")
    ] = "torch",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Predict masks for pictures: same names and sub-folders, at the pictures' own size."""
    from limner.cli.console import EXIT_PARTLY, Stages, messages, output, print_json
    from limner.cli.words import split_model
    from limner.errors import shorten
    from limner.workflow.predict import predict

    chosen, words = split_model([model, *(pictures or [])], source)
    words += [images] if images else []
    stages = Stages(quiet=as_json)
    try:
        result = predict(
            chosen,
            places(words, inputs or []),
            out,
            overwrite=overwrite,
            probabilities=probabilities,
            overlay=overlay,
            uncertainty=uncertainty,
            flag_below=flag_below,
            rle=rle,
            device=device,
            batch_size=batch,
            engine=engine,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        written = [str(path) for path in result.written]
        table = {} if rle is None else {"rle": str(rle), "pictures": result.predicted}
        doubts = {"doubts": [doubt.row() for doubt in result.doubts]} if result.doubts else {}
        print_json(
            {
                "written": written,
                "failed": dict(result.failed),
                "skipped": result.skipped,
                "unlike_training": dict(result.strange),
                "engine": result.engine,
                **doubts,
                **table,
            }
        )
    else:
        if engine == "auto":
            messages().print(f"Engine: {result.engine}")
        for name, problem in result.failed:
            messages().print(f"Failed  {name}\n{problem}")
        if result.skipped:
            messages().print(f"Not taken for pictures: {', '.join(shorten(result.skipped))}")
        if out is not None:
            kind = "file" if any(path.suffix == ".tif" for path in result.written) else "mask"
            output().print(f"{len(result.written):,} {kind}{'' if len(result.written) == 1 else 's'} written to {out}")
        if rle is not None:
            count = f"{result.predicted:,} picture{'' if result.predicted == 1 else 's'}"
            output().print(f"Masks of {count} written to {rle}")
        for line in doubtful_lines(result, out, flag_below):
            messages().print(line)
    if result.failed:
        raise typer.Exit(EXIT_PARTLY)


def doubtful_lines(result: FolderResult, out: Path | None, flag_below: float | None) -> list[str]:
    """What is to be said about pictures that need a look."""
    from limner.errors import shorten
    from limner.inference.doubtful import FOLDER, TABLE_NAME

    lines = []
    if result.strange:
        lines.append(f"Unlike the training pictures, so that the masks may be worth nothing: {len(result.strange):,}")
        lines += shorten([f"  {name} ({because})" for name, because in result.strange], 5)
    if flag_below is not None:
        count = sum(doubt.doubtful for doubt in result.doubts)
        expected = f"a Dice below {flag_below:g} expected, or unlike the training pictures"
        lines.append(
            f"Doubtful ({expected}): {count:,} of {result.predicted:,}{f', in {out}/{FOLDER}' if count else ''}"
        )
    if result.doubts:
        lines.append(f"The most doubtful first: {out}/{TABLE_NAME}")
    return lines


def places(pictures: list[str], inputs: list[str]) -> list[str] | dict[str, str]:
    """Where the pictures are: as named, or by input.

    Example:
        >>> places([], ["background=room.jpg", "composite=photos/"])
        {'background': 'room.jpg', 'composite': 'photos/'}

    Raises:
        ConfigError: None or both are named, or an input without its name or twice.
    """
    from limner.errors import ConfigError

    if bool(pictures) == bool(inputs):
        raise ConfigError(
            "pictures to predict",
            "both PICTURES and --input" if inputs else "none",
            "Name files or folders, or for a model of several inputs --input NAME=PLACE for each.",
        )
    named = [text.partition("=") for text in inputs]
    by_name = {name: place for name, _, place in named}
    if not all(name and place for name, place in by_name.items()) or len(by_name) < len(named):
        raise ConfigError(
            "--input NAME=PLACE, once for each input", " ".join(inputs), "Such as --input background=room.jpg."
        )
    return by_name or pictures
