"""`limner predict`: draw outlines on new pictures.

Layer: cli.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.cli.options import AsJson, Device, Engine, FromModel

if TYPE_CHECKING:
    from limner.inference.folder import FolderResult

NAME = "predict"


def run(
    model: Annotated[
        str | None,
        typer.Argument(help="Run folder, .safetensors or exported file; not with --from.", show_default=False),
    ] = None,
    pictures: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, globs or .zip archives.", show_default=False)
    ] = None,
    source: FromModel = None,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="MODEL",
            help="Another model, whose probabilities are averaged with those of MODEL. May be given several times.",
            show_default=False,
        ),
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
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", help="Folder of the results, or a URL such as s3://bucket/masks.", show_default=False
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that exist.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an earlier call stopped: what is finished is left out.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER/COUNT",
            help="Take a part of the pictures, such as 3/8, as one of several processes that write into one folder.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="Of masks: png (class ids with colours), png16, tiff, npy, nifti: slices are stacked into volumes; or "
            "dicom-seg: a segmentation object for each DICOM picture.",
        ),
    ] = "png",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write class probabilities (.npz).")
    ] = False,
    probabilities_as: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="Also write class probabilities: npz (float16), or tiff (float32, a page for each class).",
            show_default=False,
        ),
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write pictures with outlines drawn on them, numbers in colour.")
    ] = False,
    tta: Annotated[
        str,
        typer.Option(
            metavar="VIEWS",
            help="Also ask about views of each picture, and take the mean: flips (4), symmetries (8: mirrored and "
            "turned), scales (3), none, or auto: those that helped on validation pictures, which a run is asked "
            "about the first time.",
        ),
    ] = "none",
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
    contours: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT",
            help="Also write outlines of objects, with their holes: coco (one file), geojson (as QuPath reads it), "
            "labelme, svg (one per picture). May be given several times.",
            show_default=False,
        ),
    ] = None,
    simplify: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            help="How far simpler outlines may leave the objects'. Default: outlines follow every pixel.",
            show_default=False,
        ),
    ] = 0.0,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also write objects.csv: area, perimeter, length, … of every object.")
    ] = False,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Size of a pixel in mm, as 0.5, or 0.8,0.5 for row and column: sizes are then in mm. Default: what "
            "DICOM and NIfTI files say; else sizes are in pixels.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    engine: Engine = None,
    precision: Annotated[
        str,
        typer.Option(
            help="auto, bf16, float32, or int8: calibrated on a run's training pictures the first time, and refused if "
            "it then loses 0.005 of Dice on its validation pictures."
        ),
    ] = "auto",
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ray", help="Predict on all machines of a Ray cluster.", show_default=False),
    ] = None,
    address: Annotated[
        str, typer.Option(help="Of the cluster: auto, HOST:PORT of its head, or local (this machine alone).")
    ] = "auto",
    stream: Annotated[
        str,
        typer.Option(
            help="Pictures to read by window and write as tiled TIFF, in memory that does not grow with them: auto "
            "(TIFF and zarr of more than 64 million pixels), always or never."
        ),
    ] = "auto",
    skip_empty: Annotated[
        bool,
        typer.Option(
            "--skip-empty", help="Of these, leave out tiles of one value or of bright glass: they become background."
        ),
    ] = False,
    tile_weights: Annotated[
        str | None,
        typer.Option(
            metavar="WINDOW",
            help="What weighs tiles where they overlap: gaussian or spline. Default: what the model says.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict masks for pictures: same names and sub-folders, at the pictures' own size."""
    from limner.cli.console import EXIT_PARTLY, Stages, messages, output, print_json
    from limner.cli.words import int8_sentence, spacing_of, split_model
    from limner.errors import shorten
    from limner.workflow.predict import predict

    chosen, words = split_model([model, *(pictures or [])], source)
    words += [images] if images else []
    stages = Stages(quiet=as_json)
    try:
        result = predict(
            [chosen, *(others or [])],
            places(words, inputs or []),
            out,
            overwrite=overwrite,
            resume=resume,
            shard=shard,
            form=form,
            probabilities=probabilities_as or probabilities,
            overlay=overlay,
            tta=tta,
            uncertainty=uncertainty,
            flag_below=flag_below,
            rle=rle,
            contours=contours or (),
            simplify=simplify,
            measure=measure,
            spacing=None if spacing is None else spacing_of(spacing),
            device=device,
            batch_size=batch,
            engine=engine,
            cluster=cluster,
            address=address,
            stream=stream,
            skip_empty=skip_empty,
            tile_weights=tile_weights,
            precision=precision,
            progress=stages,
        )
    finally:
        stages.close()
    if as_json:
        print_json(as_dict(result))
    else:
        if engine == "auto" or result.int8:
            messages().print(f"Engine: {result.engine}")
        if tta != "none":
            messages().print(result.views)
        for measured in result.int8:
            messages().print(int8_sentence(measured))
        for name, problem in result.failed:
            messages().print(f"Failed  {name}\n{problem}")
        if result.skipped:
            messages().print(f"Not taken for pictures: {', '.join(shorten(result.skipped))}")
        for line in result_lines(result, out):
            output().print(line)
        for line in doubtful_lines(result, out, flag_below):
            messages().print(line)
    if result.failed:
        raise typer.Exit(EXIT_PARTLY)


def as_dict(result: FolderResult) -> dict[str, Any]:
    """The result for JSON."""
    from limner.inference.doubtful import doubts_in

    table = {} if result.rle is None else {"rle": str(result.rle), "pictures": result.predicted + result.resumed}
    doubts = {} if result.doubts is None else {"doubts": list(doubts_in(result.doubts))}
    return {
        "written": [str(path) for path in result.written],
        "failed": dict(result.failed),
        "skipped": result.skipped,
        "resumed": result.resumed,
        "unlike_training": dict(result.strange),
        "engine": result.engine,
        "huge": {"pictures": result.huge, "tiles": result.tiles, "empty": result.empty},
        "views": result.views,
        "int8": list(result.int8),
        **doubts,
        **table,
    }


def result_lines(result: FolderResult, out: str | None) -> list[str]:
    """What was done."""
    lines = []
    if result.resumed:
        lines.append(f"{_counted(result.resumed, 'picture')} finished before, left out")
    if result.huge:
        left = f", {result.empty:,} of them empty and left out" if result.empty else ""
        lines.append(f"{_counted(result.huge, 'large picture')} by window: {_counted(result.tiles, 'tile')}{left}")
    if out is not None:
        kind = "file" if any(str(path).endswith(".tif") for path in result.written[:100]) else "mask"
        lines.append(f"{_counted(len(result.written), kind)} written to {out}")
    if result.rle is not None:
        lines.append(f"Masks of {_counted(result.predicted + result.resumed, 'picture')} written to {result.rle}")
    return lines


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def doubtful_lines(result: FolderResult, out: str | None, flag_below: float | None) -> list[str]:
    """What is to be said about pictures that need a look."""
    from limner.errors import shorten
    from limner.inference.doubtful import FOLDER

    lines = []
    if result.strange:
        lines.append(f"Unlike the training pictures, so that the masks may be worth nothing: {len(result.strange):,}")
        lines += shorten([f"  {name} ({because})" for name, because in result.strange], 5)
    if flag_below is not None:
        expected = f"a Dice below {flag_below:g} expected, or unlike the training pictures"
        lines.append(
            f"Doubtful ({expected}): {result.doubtful:,} of {result.predicted + result.resumed:,}"
            f"{f', in {out}/{FOLDER}' if result.doubtful else ''}"
        )
    if result.doubts is not None and result.predicted + result.resumed:
        lines.append(f"The most doubtful first: {result.doubts}")
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
