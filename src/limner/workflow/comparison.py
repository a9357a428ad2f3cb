"""Sheets of a run's own samples: image, truth and prediction side by side.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from limner.data.catalog import Catalog, spread
from limner.data.prepare import Prepared
from limner.data.stored_masks import split_planes
from limner.errors import ConfigError, DataError, shorten
from limner.images import parse_location, resize_image, resize_mask
from limner.inference.drawing import draw_target, predicted, show_inputs
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.scoring import NumberScores, ScoreTable, TargetScores, score
from limner.metrics import Counts, ErrorSums, cases, dice, foreground, rmse
from limner.render import contact_sheet
from limner.training.record import read_data
from limner.types import SPLITS, Progress, Size
from limner.workflow.places import bundle_path
from limner.workflow.sheets import full_legend

_LONGEST = 512
_MOST_NAMED = 2
_CASES = {"both_empty": "rightly empty", "missed": "missed", "false_alarm": "false alarm"}


def comparison_sheet(run: Path, split: str, *, count: int, device: str, progress: Progress) -> bytes:
    """PNG with a row per sample: the image, and of each target truth and prediction, with its Dice.

    Args:
        run: Run folder.
        split: Which of its samples.
        count: Most samples; they are spread evenly over the split.
        device: See `Predictor`.
        progress: Told of the progress.

    Raises:
        DataError: The split is empty, or a file of it is no longer there.
        BundleError: The run has no model yet.
    """
    data = read_data(run)
    catalog = _chosen(data, split, count)
    rows: dict[int, list[np.ndarray]] = {}

    def draw(index: int, image: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Prediction) -> None:
        rows[index] = _panels(image, truth, prediction, data)

    table = score(
        Predictor.from_file(bundle_path(run), device=device),
        catalog,
        data.label_maps,
        progress=lambda done, total: progress("predict", done, total),
        on_prediction=draw,
    )
    total = data.catalog.split_counts()[split]
    return contact_sheet(
        [rows[index] for index in range(len(catalog))],
        heading=f"{run.resolve().name}: {len(catalog):,} of {total:,} {split} samples",
        titles=_titles(data),
        captions=[_captions(table, index, data) for index in range(len(catalog))],
        legend=full_legend(data.label_maps),
    )


def _chosen(data: Prepared, split: str, count: int) -> Catalog:
    counts = data.catalog.split_counts()
    if split not in SPLITS:
        raise ConfigError(f"a split {', '.join(SPLITS)}", repr(split), "Change --split.")
    if not counts[split]:
        there = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
        raise DataError(f"{split} samples in the run", f"none, but {there}", "Choose another --split.")
    catalog = data.catalog.subset(spread(data.catalog.indices(split), count))
    _check_there(catalog)
    return catalog


def files_of(inputs: Mapping[str, Sequence[str]], targets: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """The files and URLs in which pictures and masks lie, each once, and those files that are no longer there."""
    pictures = [location for column in inputs.values() for location in column]
    masks = [plane for column in targets.values() for location in column for plane in split_planes(location)]
    parts = map(parse_location, filter(None, [*pictures, *masks]))
    files = dict.fromkeys(parsed.archive or parsed.path for parsed in parts)
    return list(files), [file for file in files if "://" not in file and not Path(file).exists()]


def _check_there(catalog: Catalog) -> None:
    _, missing = files_of(catalog.inputs, catalog.targets)
    if missing:
        raise DataError(
            "the pictures and masks that the run's samples.csv names",
            f"'{missing[0]}' is no longer there" + (f", nor are {len(missing) - 1:,} others" if missing[1:] else ""),
            "Put the data back where they were, or start Limner in the folder it was trained from. Data at another "
            "place can be scored: limner evaluate RUN DATA.",
            details=shorten(missing) if missing[1:] else (),
        )


def _panels(
    image: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Prediction, data: Prepared
) -> list[np.ndarray]:
    """Inputs, then truth and prediction of each target; what is not known shows the image alone."""
    scale = min(1.0, _LONGEST / max(image.shape[:2]))
    size: Size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    inputs = show_inputs(image, data.fingerprint.parts).inputs.values()
    panels = [resize_image(picture, size) for picture in inputs]
    shown = panels[-1]
    for name, label_map in data.label_maps.items():
        targets = truth.get(name), predicted(prediction, name)
        panels += [shown if one is None else draw_target(shown, resize_mask(one, size), label_map) for one in targets]
    return panels


def _titles(data: Prepared) -> list[str]:
    several = len(data.label_maps) > 1
    targets = [f"{name}: {what}" if several else what for name in data.label_maps for what in ("truth", "prediction")]
    return [*(data.fingerprint.parts or ["image"]), *targets]


def _captions(table: ScoreTable, index: int, data: Prepared) -> list[str]:
    captions = [table.ids[index], *[""] * (len(data.fingerprint.parts) - 1)]
    for name in data.label_maps:
        known: TargetScores | NumberScores = table.numbers[name] if name in table.numbers else table.targets[name]
        if index not in known.samples:
            captions += ["not known", ""]
        elif isinstance(known, NumberScores):
            errors = rmse(ErrorSums.from_table(known.table[known.samples.index(index)]))
            captions += ["", f"RMSE {float(errors):.3g} {known.unit}".rstrip()]
        else:
            captions += _in_words(known, known.samples.index(index))
    return captions


def _in_words(target: TargetScores, place: int) -> list[str]:
    """Captions of truth and prediction."""
    classes = foreground(target.task, len(target.names))
    counted = Counts.from_table(target.table[place])
    scores, kinds = dice(counted), cases(counted)
    there = [target.names[index] for index in classes if counted.tp[index] + counted.fn[index]]
    shown = [index for index in classes if kinds[index] != "both_empty"]
    if not shown:
        return ["nothing marked", f"Dice – ({_CASES['both_empty']})"]
    if len(shown) > _MOST_NAMED:
        words = f"Dice {np.mean(scores[shown]):.2f}, mean of {len(shown)} classes"
    elif len(classes) == 1:
        kind = _CASES.get(str(kinds[shown[0]]))
        words = f"Dice {scores[shown[0]]:.2f}" + (f" ({kind})" if kind else "")
    else:
        words = "Dice " + ", ".join(f"{target.names[index]} {scores[index]:.2f}" for index in shown)
    return [", ".join(there) or "nothing marked", words if there or len(classes) == 1 else "false alarm: " + words]
