"""`predict`: a trained model, used on many pictures.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from limner.allocator import keep_large_blocks
from limner.errors import BundleError
from limner.evaluation.run_folder import CANDIDATES_NAME, FOLDS_NAME
from limner.images import hash_file
from limner.inference.folder import FolderResult, predict_folder
from limner.inference.predictor import Predictor
from limner.inference.shards import Shard, parse_shard
from limner.inference.wanted import Wanted
from limner.training.fit import BUNDLE_NAME
from limner.types import Progress, Spacing, no_progress


def predict(
    model: str | Path,
    pictures: Sequence[str | Path] | Mapping[str, str | Path],
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    shard: str | None = None,
    form: str = "png",
    probabilities: bool | str = False,
    overlay: bool = False,
    uncertainty: str | None = None,
    flag_below: float | None = None,
    rle: str | Path | None = None,
    contours: Sequence[str] = (),
    simplify: float = 0.0,
    measure: bool = False,
    spacing: Spacing | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    engine: str = "torch",
    stream: str = "auto",
    skip_empty: bool = False,
    tile_weights: str | None = None,
    progress: Progress = no_progress,
) -> FolderResult:
    """Write masks for pictures: same names and sub-folders, at the pictures' own size.

    Args:
        model: Run folder or bundle.
        pictures: Files, folders, globs or .zip archives. For a model of several inputs a place by the name
            of each, whose files belong together by name and of which a single file goes with all; or one
            data set, laid out as for training, or a CSV with columns input.NAME.
        out: Folder of the results; may be left out if `rle` is given.
        overwrite: Replace masks that exist.
        resume: Go on where an earlier call stopped: pictures are left out whose results are all there.
        shard: Take a part of the pictures, such as `3/8`; tables get its number in their names.
        form: Of masks: `png` (class ids with colours), `png16`, `tiff`, `npy`, or `nifti`: slices of volumes are
            stacked into volumes again.
        probabilities: Also write class probabilities: `npz` (also True) or `tiff`.
        overlay: Also write pictures with outlines drawn on them, and coloured maps of numbers.
        uncertainty: Also write how unsure each pixel is, and `doubts.csv`. Where doubts come from: `auto`, `tta`,
            `dropout`, `members` or `single`, see `limner.inference.looks.SOURCES`.
        flag_below: Also write `doubts.csv`, and put results apart, in `doubtful`, of pictures whose expected Dice is
            below it or that are unlike the training pictures.
        rle: CSV of all masks as run lengths, in the form of Kaggle's submissions.
        contours: Also write outlines of objects: `coco` (one file), `geojson`, `labelme`, `svg` (one per picture).
        simplify: How far a simpler outline may leave the object's, in pixels; 0 keeps every corner.
        measure: Also write `objects.csv`: area, perimeter, length, width and more of every object.
        spacing: Size of a pixel in mm, `(row, column)`, for sizes. Default: what DICOM and NIfTI files say; else
            sizes are in pixels.
        device: `auto`, `cpu`, `cuda` or `mps`.
        batch_size: Pictures or tiles at once. Default: as many as keep the device busy.
        engine: What runs the network: `torch`, `onnxruntime`, `openvino`, or `auto`: the fastest that is installed.
        stream: Which pictures are read by window, predicted by tile and written as tiled TIFF, in memory that does not
            grow with them: `auto` (those of more than 64 million pixels), `always` or `never`.
        skip_empty: Of these, leave out tiles of background: of one value, or of bright glass.
        tile_weights: What weighs tiles that overlap: `gaussian` or `spline`. Default: what the model says.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`. A picture that fails is listed in the result instead.
    """
    keep_large_blocks()
    part = Shard() if shard is None else parse_shard(shard)
    predictor = Predictor.from_file(
        bundle_path(model),
        device=device,
        batch_size=batch_size,
        uncertainty=uncertainty or "single",
        engine=engine,
        window=tile_weights,
    )
    wanted = Wanted(
        form=form,
        probabilities=probabilities if isinstance(probabilities, str) else "npz" if probabilities else "",
        overlay=overlay,
        uncertainty=uncertainty is not None,
        flag_below=flag_below,
        rle=rle,
        contours=tuple(dict.fromkeys(contours)),
        simplify=simplify,
        measure=measure,
        spacing=spacing,
        stream=stream,
        skip_empty=skip_empty,
    )
    result = predict_folder(
        predictor,
        pictures,
        out,
        wanted,
        overwrite=overwrite,
        resume=resume,
        shard=part,
        made={
            "model": hash_file(str(bundle_path(model))).hex(),
            "--uncertainty": uncertainty,
            "--engine": predictor.engine_name,
            "--tile-weights": predictor.window,
        },
        progress=lambda done, total: progress("predict", done, total),
        tile_progress=lambda done, total: progress("tiles", done, total),
    )
    return replace(result, engine=predictor.engine_name)


def bundle_path(model: str | Path) -> Path:
    """The bundle of a run folder, or the bundle itself.

    Raises:
        BundleError: Nothing is there, or a folder without a bundle.
    """
    path = Path(model)
    if not path.exists():
        raise BundleError(
            f"a run folder or bundle at '{path}'",
            "nothing is there",
            f"Give the folder that limner train made, or its {BUNDLE_NAME}; upper and lower case differ.",
        )
    if path.is_dir():
        folds = sorted(path.glob(f"{FOLDS_NAME}/*/{BUNDLE_NAME}"), key=str)
        folds = folds or sorted(path.glob(f"{CANDIDATES_NAME}/*/{FOLDS_NAME}/*/{BUNDLE_NAME}"), key=str)
        if folds and not (path / BUNDLE_NAME).is_file():
            raise BundleError(
                f"one model at '{path}'",
                f"a training in folds, with {len(folds)} models: {folds[0].parent} … {folds[-1].parent}",
                "Name the folder of one. None is known to be better than another, since each was scored on other "
                "samples; for one model of all samples train without folds.",
            )
        if not (path / BUNDLE_NAME).is_file():
            raise BundleError(
                f"a run folder or bundle at '{path}'",
                f"a folder without {BUNDLE_NAME}",
                "Give the folder that limner train made, after its first epoch.",
            )
        return path / BUNDLE_NAME
    return path
