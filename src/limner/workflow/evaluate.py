"""`evaluate`: scores of a model, on what its run set aside or on other data.

Layer: workflow.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from limner.allocator import keep_large_blocks
from limner.bundle import BUNDLE_NAME
from limner.data.catalog import Catalog
from limner.data.digests import catalog_digest
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared, prepare_to_score
from limner.errors import ConfigError, DataError
from limner.evaluation.evaluate import Evaluation
from limner.evaluation.evaluate import evaluate as evaluate_catalog
from limner.evaluation.run_folder import FOLDS_NAME, TEST_NAME
from limner.inference.predictor import Predictor
from limner.training.record import read_data
from limner.types import SPLITS, Progress, Spacing, no_progress
from limner.workflow.places import bundle_path


def evaluate(
    model: str | Path,
    data: str | Path | None = None,
    *,
    images: str | None = None,
    masks: str | None = None,
    split: str | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    skip_unmatched: bool = False,
    skip_unreadable: bool = False,
    spacing: float | Spacing | None = None,
    tolerance: float | None = None,
    miss_distance: float | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Score a model on pictures whose masks are known.

    Args:
        model: Run folder or bundle.
        data: Folder, .csv or .zip. Default: the samples the run set aside.
        images: Folder of pictures, instead of `data`.
        masks: Folder of masks, instead of `data`.
        split: Score `train`, `val` or `test` samples only. Default: of a run, test if there is one, else
            val; of `data`, all.
        out: Folder of `per_image.csv`, `summary.json` and `cases/`. Default: `evaluation/` beside the
            model for the run's own samples, `evaluation-NAME/` for other data.
        device: `auto`, `cpu`, `cuda` or `mps`.
        skip_unmatched: Leave out files without a partner.
        skip_unreadable: Leave out damaged files.
        spacing: Size of a pixel in mm, a number or `(row, column)`. Default: what the data say in their
            column `spacing`, or the run's `data.spacing`; without these, distances are in pixels.
        tolerance: Of surface Dice (NSD), in mm, or pixels. Default: two pixels.
        miss_distance: HD95 and ASSD of a miss or false alarm. Default: the diagonal of the picture.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`.
    """
    keep_large_blocks()
    bundle = bundle_path(model)
    sizes: dict[str, Any] = {
        "spacing": _spacing(spacing),
        "tolerance": _length(tolerance, "tolerance"),
        "miss_distance": _length(miss_distance, "distance of a miss"),
    }
    if data is None and images is None:
        run = bundle.parent
        return evaluate_run(
            run, read_data(run), split=split, out=Path(out) if out else None, device=device, progress=progress, **sizes
        )
    predictor = Predictor.from_file(bundle, device=device)
    label_maps = {name: LabelMap.from_dict(target.label_map) for name, target in predictor.meta.targets.items()}
    catalog = prepare_to_score(
        data,
        label_maps,
        images=images,
        masks=masks,
        plane=predictor.meta.inputs.plane or "auto",
        unmatched="skip" if skip_unmatched else "stop",
        unreadable="skip" if skip_unreadable else "stop",
        progress=progress,
    )
    catalog = catalog if split is None else _subset(catalog, split)
    name = Path(str(data or images)).stem
    folder = Path(out) if out else bundle.parent / f"evaluation-{name}"
    return evaluate_catalog(
        predictor,
        catalog,
        label_maps,
        folder,
        split=split or "",
        data_hash=catalog_digest(catalog),
        progress=lambda done, total: progress("evaluate", done, total),
        **sizes,
    )


def evaluate_run(
    run: Path,
    data: Prepared,
    *,
    split: str | None = None,
    out: Path | None = None,
    device: str = "auto",
    spacing: Spacing | None = None,
    tolerance: float | None = None,
    miss_distance: float | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Score a run's model on samples of the run: by default test, or val where there is no test split.

    The ensemble of a training in folds can only be scored on test samples, which go beside the scores of its folds.

    Raises:
        DataError: There are no such samples, or some network of the ensemble was trained on them.
    """
    if in_folds := (run / FOLDS_NAME).is_dir():
        _check_unseen(run, data, split)
    split = split or ("test" if len(data.catalog.indices("test")) else "val")
    predictor = Predictor.from_file(run / BUNDLE_NAME, device=device)
    catalog = _subset(data.catalog, split)
    return evaluate_catalog(
        predictor,
        catalog,
        data.label_maps,
        out or run / (TEST_NAME if in_folds else "evaluation"),
        split=split,
        data_hash=catalog_digest(catalog),
        spacing=spacing,
        tolerance=tolerance,
        miss_distance=miss_distance,
        progress=lambda done, total: progress("evaluate", done, total),
    )


def _check_unseen(run: Path, data: Prepared, split: str | None) -> None:
    """Refuse samples that the ensemble of a run was trained on; others than test samples were."""
    if split not in (None, "test") or not len(data.catalog.indices("test")):
        raise DataError(
            f"samples that no network of the ensemble in '{run}' was trained on",
            "no test samples" if split in (None, "test") else f"{split} samples, each of them seen by some network",
            f"The scores of its folds, each on samples it did not see, are in '{run / 'evaluation'}'. For scores of "
            "the ensemble name other data, or train with test samples apart.",
        )


def _spacing(spacing: float | Spacing | None) -> Spacing | None:
    if spacing is None:
        return None
    row, column = (spacing, spacing) if isinstance(spacing, int | float) else spacing
    if not (math.isfinite(row * column) and row > 0 and column > 0):
        raise ConfigError("a size of a pixel above 0, in mm", f"{row:g}, {column:g}", "Change --spacing.")
    return float(row), float(column)


def _length(length: float | None, name: str) -> float | None:
    if length is not None and not (math.isfinite(length) and length >= 0):
        raise ConfigError(f"a {name} of 0 or more", f"{length:g}", "Change it.")
    return None if length is None else float(length)


def _subset(catalog: Catalog, split: str) -> Catalog:
    if split not in SPLITS:
        raise ConfigError("a split train, val or test", repr(split), "Change --split.")
    chosen = catalog.subset(catalog.indices(split))
    if not len(chosen):
        raise DataError(f"{split} samples", "there are none", "Choose another --split.")
    return chosen
