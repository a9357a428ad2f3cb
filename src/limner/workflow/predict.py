"""`predict`: a trained model, used on many pictures.

Layer: workflow.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from limner.allocator import keep_large_blocks
from limner.errors import ConfigError, OutputError
from limner.inference.folder import FolderResult, predict_folder
from limner.inference.shards import Shard, parse_shard
from limner.inference.tasks import Places
from limner.inference.view_evidence import views_sentence
from limner.inference.wanted import Wanted
from limner.inference.worker import Assignment
from limner.types import Progress, Spacing, no_progress
from limner.workflow.cluster import predict_on_cluster
from limner.workflow.models import is_exported, models_digest, open_models
from limner.workflow.places import bundle_path
from limner.workflow.views import learn_views_of_run

_log = logging.getLogger(__name__)


def predict(
    model: str | Path | Sequence[str | Path],
    pictures: Places,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    shard: str | None = None,
    form: str = "png",
    probabilities: bool | str = False,
    overlay: bool = False,
    tta: str = "none",
    uncertainty: str | None = None,
    flag_below: float | None = None,
    rle: str | Path | None = None,
    contours: Sequence[str] = (),
    simplify: float = 0.0,
    measure: bool = False,
    spacing: Spacing | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    engine: str | None = None,
    precision: str = "auto",
    cluster: str | None = None,
    address: str = "auto",
    stream: str = "auto",
    skip_empty: bool = False,
    tile_weights: str | None = None,
    progress: Progress = no_progress,
) -> FolderResult:
    """Write masks for pictures: same names and sub-folders, at the pictures' own size.

    Args:
        model: Run folder, bundle, or a file that `export` wrote; or several, whose probabilities are averaged, see
            `limner.inference.several.SeveralModels`.
        pictures: A file, folder, glob or .zip archive, or several. For a model of several inputs a place by the name
            of each, whose files belong together by name and of which a single file goes with all; or one
            data set, laid out as for training, or a CSV with columns input.NAME.
        out: Folder of the results, or a URL of fsspec, such as `s3://bucket/masks`; may be left out if `rle` is given.
        overwrite: Replace masks that exist.
        resume: Go on where an earlier call stopped: pictures are left out whose results are all there.
        shard: Take a part of the pictures, such as `3/8`; tables get its number in their names.
        form: Of masks: `png` (class ids with colours), `png16`, `tiff`, `npy`, `nifti`: slices of volumes are stacked
            into volumes again; or `dicom-seg`: a segmentation object for each DICOM picture.
        probabilities: Also write class probabilities: `npz` (also True) or `tiff`.
        overlay: Also write pictures with outlines drawn on them, and coloured maps of numbers.
        tta: Views of each picture whose mean decides: `none`, `flips`, `symmetries`, `scales`; `auto`: those that were
            shown to help on pictures the model did not learn from, see `limner.workflow.views`. Of a run this is
            measured on its validation samples the first time, and kept in its bundle.
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
            Default: torch, and of int8 the fastest.
        precision: `auto`, `bf16`, `float32`, or `int8`, which a run is calibrated for the first time and which is
            refused if it loses Dice, see `limner.workflow.int8`.
        cluster: `ray`: predict on all machines of a Ray cluster.
        address: Of the cluster: `auto`, `HOST:PORT` or `local`, see `limner.inference.cluster.Cluster`.
        stream: Which pictures are read by window, predicted by tile and written as tiled TIFF, in memory that does not
            grow with them: `auto` (those of more than 64 million pixels), `always` or `never`.
        skip_empty: Of these, leave out tiles of background: of one value, or of bright glass.
        tile_weights: What weighs tiles that overlap: `gaussian` or `spline`. Default: what the model says.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`. A picture that fails is listed in the result instead.
    """
    keep_large_blocks()
    if cluster is None and address != "auto":
        raise ConfigError("a cluster for --address", "none", "Add --cluster ray, or leave --address out.")
    part = Shard() if shard is None else parse_shard(shard)
    paths = [bundle_path(one) for one in ([model] if isinstance(model, str | Path) else model)]
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
    made = {
        "model": models_digest(paths),
        "--uncertainty": uncertainty,
        "--tta": tta,
        "--engine": engine or "torch",
        "--precision": precision,
        "--tile-weights": tile_weights,
    }

    def tell(done: int, total: int) -> None:
        progress("predict", done, total)

    if cluster is not None:
        asked = Assignment(
            wanted,
            None,
            device=device,
            precision=precision,
            batch_size=batch_size,
            uncertainty=uncertainty or "single",
            tta=tta,
            engine=engine or "torch",
            window=tile_weights,
        )
        result = predict_on_cluster(
            cluster,
            address,
            paths,
            pictures,
            out,
            asked,
            overwrite=overwrite,
            resume=resume,
            shard=part,
            made=made,
            progress=tell,
        )
        return replace(result, engine=asked.engine)
    bundles = [path for path in paths if not is_exported(path)]
    measured = []
    if precision == "int8":
        from limner.workflow.int8 import prepare_int8  # imports metrics, which other predictions start without

        measured = [prepare_int8(path, engine=engine, progress=progress) for path in bundles]
    if tta == "auto" and len(paths) == len(bundles) == 1:
        _measure_views(paths[0], device, engine or "torch", progress)
        made["model"] = models_digest(paths)
    predictor = open_models(
        paths,
        device=device,
        precision=precision,
        batch_size=batch_size,
        uncertainty=uncertainty or "single",
        tta=tta,
        engine=engine,
        window=tile_weights,
    )
    result = predict_folder(
        predictor,
        pictures,
        out,
        wanted,
        overwrite=overwrite,
        resume=resume,
        shard=part,
        made={**made, "--tta": predictor.tta, "--engine": predictor.engine_name},
        progress=tell,
        tile_progress=lambda done, total: progress("tiles", done, total),
    )
    views = views_sentence(predictor.meta, predictor.tta, models=len(paths))
    return replace(result, engine=predictor.engine_name, views=views, int8=measured)


def _measure_views(path: Path, device: str, engine: str, progress: Progress) -> None:
    """See to it that the bundle knows what views buy, where its run can say."""
    try:
        learn_views_of_run(path, device=device, engine=engine, progress=progress)
    except OutputError as error:
        _log.warning("What views buy cannot be kept in the bundle, so none are used: %s", error.found)
