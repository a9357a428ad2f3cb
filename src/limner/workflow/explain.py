"""`explain`: why a prediction is empty or wrong.

Layer: workflow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from limner.allocator import keep_large_blocks
from limner.bundle import BundleMeta, load_bundle
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap, read_target
from limner.errors import ConfigError, DataError
from limner.evaluation.explain.alike import alike_rung
from limner.evaluation.explain.ladder import Background, Explanation, explain_picture
from limner.evaluation.explain.looking import Model
from limner.evaluation.explain.page import write_explain_page
from limner.evaluation.run_folder import read_evaluation
from limner.images import read_image
from limner.inference.engine import prepare_weights
from limner.inference.hardware import choose_device, choose_precision
from limner.types import Progress, no_progress
from limner.workflow.places import bundle_path


def explain(
    model: str | Path,
    picture: str | Path | np.ndarray | Mapping[str, str | Path],
    *,
    mask: str | Path | Mapping[str, str | Path] | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    progress: Progress = no_progress,
) -> Explanation:
    """Why a model's prediction of a picture is empty or wrong: what was looked at, and causes, the likeliest first.

    Args:
        model: Run folder or bundle. A run folder adds its training pictures and its scores.
        picture: A file, an array, or files by name for a model of several inputs. A picture that the model refuses
            is explained, too.
        mask: The true mask, by target where there are several. Real Dice then judges instead of expected Dice.
        out: Page to write.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`. The picture or the mask cannot be read, or do not fit together.
    """
    keep_large_blocks()
    path = bundle_path(model)
    chosen = choose_device(device)
    bundle = load_bundle(path)
    precision = choose_precision(bundle.meta.precision, chosen)
    loaded = Model(prepare_weights(bundle.model, precision).to(chosen), bundle.meta, str(chosen), precision)
    where = _name(picture)
    read = _read(picture)
    shape = (list(read.values())[-1] if isinstance(read, Mapping) else read).shape[:2]
    truth = _truth(mask, bundle.meta, (shape[0], shape[1]), where)
    background = _background(path.parent, bundle.meta, read)
    found = explain_picture(loaded, read, where, truth, background, progress)
    if out is not None:
        write_explain_page(out, found, bundle.meta, truth)
    return found


def _name(picture: str | Path | np.ndarray | Mapping[str, str | Path]) -> str:
    if isinstance(picture, np.ndarray):
        return "the picture"
    return str(list(picture.values())[-1]) if isinstance(picture, Mapping) else str(picture)


def _read(picture: str | Path | np.ndarray | Mapping[str, str | Path]) -> np.ndarray | dict[str, np.ndarray]:
    if isinstance(picture, Mapping):
        return {name: _planes(read_image(str(place))) for name, place in picture.items()}
    return _planes(picture if isinstance(picture, np.ndarray) else read_image(str(picture)))


def _planes(picture: np.ndarray) -> np.ndarray:
    """As `height width channels`."""
    picture = picture[..., None] if picture.ndim == 2 else picture
    if picture.ndim != 3 or 0 in picture.shape:
        raise DataError(
            "a picture with height, width and channels",
            f"an array of shape {picture.shape}",
            "Give one picture at a time, channels last.",
        )
    # A 1-bit picture holds truth values, which have no range.
    return picture.astype(np.uint8) if picture.dtype == bool else picture


def _truth(
    mask: str | Path | Mapping[str, str | Path] | None, meta: BundleMeta, size: tuple[int, int], where: str
) -> dict[str, np.ndarray]:
    if mask is None:
        return {}
    targets = [name for name, spec in meta.targets.items() if spec.task != "regression"]
    if not isinstance(mask, Mapping):
        if len(targets) != 1:
            raise ConfigError(
                "a mask for one target with classes", f"{', '.join(targets) or 'none'}", "Name it: --mask TARGET=FILE."
            )
        mask = {targets[0]: mask}
    unknown = [name for name in mask if name not in targets]
    if unknown:
        raise ConfigError(f"masks of {', '.join(targets)}", f"one of '{unknown[0]}'", "Correct its name.")
    found = {}
    for name, place in mask.items():
        found[name] = read_target(str(place), LabelMap.from_dict(meta.targets[name].label_map))
        if found[name].shape[:2] != size:
            raise DataError(
                f"a mask of the size of '{where}' ({size[0]}×{size[1]})",
                f"'{place}' is {found[name].shape[0]}×{found[name].shape[1]}",
                "Give the mask that belongs to the picture.",
            )
    return found


def _background(folder: Path, meta: BundleMeta, read: np.ndarray | dict[str, np.ndarray]) -> Background:
    """What the run folder beside the bundle adds; a bundle alone does."""
    catalog = Catalog.load(folder / "samples.csv") if (folder / "samples.csv").is_file() else None
    usual = meta.scores.get("val_dice")
    usual, of = (float(usual), "on validation samples") if isinstance(usual, (int, float)) else (math.nan, "")
    alike = None
    if (folder / "evaluation" / "summary.json").is_file():
        summary, _ = read_evaluation(folder)
        means = [
            dice for target in summary.targets.values() if (dice := getattr(target.mean, "dice", None)) is not None
        ]
        if means:
            usual, of = sum(means) / len(means), f"on {summary.n_images:,} {summary.split} pictures".replace("  ", " ")
        last = list(read.values())[-1] if isinstance(read, dict) else read
        alike = alike_rung(folder / "evaluation", last)
    return Background(usual, of, catalog, alike)
