"""Validation after every epoch: scores by the predictor the user will get, and pictures of some samples.

Layer: training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np

from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap
from limner.images import write_image
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.render import color_numbers, grid, overlay
from limner.training.module import state_of
from limner.training.progress import Reporter

SCORE = "val_score"
"""The number the best epoch is chosen by, where it is not the mean Dice alone."""


class Validation(pl.Callback):
    """Scores the validation samples with the predictor the user will get, and draws some of them.

    Args:
        predictors: For each phase, predicts with the weights that would be kept.
        catalog: Validation samples.
        label_maps: Meaning of the masks.
        previews: Folder of preview pictures.
        count: Samples to draw, always the same ones.
        reporter: Told of the progress.
    """

    def __init__(
        self,
        predictors: Sequence[Predictor],
        catalog: Catalog,
        label_maps: Mapping[str, LabelMap],
        *,
        previews: Path,
        count: int,
        reporter: Reporter,
    ) -> None:
        self._predictors = predictors
        self._catalog = catalog
        self._label_maps = label_maps
        self._previews = previews
        self._drawn = set(spread(np.arange(len(catalog)), count))
        self._reporter = reporter
        self.seconds = 0.0
        """How long the last validation took."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score, draw, and add both to the epoch's record."""
        state = state_of(pl_module)
        if state.interrupted:
            return
        begin = time.monotonic()
        rows: dict[int, list[np.ndarray]] = {}

        def draw(index: int, image: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Any) -> None:
            if index in self._drawn:
                rows[index] = [
                    picture
                    for name, label_map in self._label_maps.items()
                    if name in truth
                    for picture in _pictures(name, label_map, image, truth[name], prediction)
                ]

        table = score(
            self._predictors[state.phase],
            self._catalog,
            self._label_maps,
            progress=lambda done, total: self._reporter.stage("validate", done, total),
            on_prediction=draw,
        )
        state.metrics |= epoch_scores(table.summary()["targets"], self._label_maps)
        if rows:
            sheet = grid([rows[index] for index in sorted(rows)])
            write_image(self._previews / f"epoch_{state.epoch + 1:04d}.png", sheet)
        self.seconds = time.monotonic() - begin
        state.seconds += self.seconds


def epoch_scores(targets: Mapping[str, Mapping[str, Any]], label_maps: Mapping[str, LabelMap]) -> dict[str, Any]:
    """What an epoch's record says of its validation.

    With targets of numbers `val_score` is the mean, over all targets, of Dice and of one minus the mean
    absolute error as a share of the range of training values: 1 is perfect for both.

    Args:
        targets: Summaries by target, as in `summary.json`.
        label_maps: Give the range of numbers.
    """
    masks = {name: target["mean"] for name, target in targets.items() if target["task"] != "regression"}
    numbers = {name: target["mean"] for name, target in targets.items() if target["task"] == "regression"}
    scores: dict[str, Any] = {f"val_{key}": _mean([mean[key] for mean in masks.values()]) for key in ("dice", "iou")}
    if len(targets) > 1:
        scores |= {f"val_dice_{name}": mean["dice"] for name, mean in masks.items()}
    for name, mean in numbers.items():
        scores |= {f"val_{key}_{name}": value for key, value in mean.items()}
    if numbers:
        ranges = {name: label_maps[name].high - label_maps[name].low for name in numbers}
        accuracies = [None if mean["mae"] is None else 1 - mean["mae"] / ranges[name] for name, mean in numbers.items()]
        scores[SCORE] = _mean([*(mean["dice"] for mean in masks.values()), *accuracies])
    return scores


def _pictures(
    name: str, label_map: LabelMap, image: np.ndarray, truth: np.ndarray, prediction: Prediction
) -> list[np.ndarray]:
    """Truth and prediction of one target."""
    if label_map.task == "regression":
        return [color_numbers(values, label_map.low, label_map.high) for values in (truth, prediction.values[name])]
    return [overlay(image, mask, label_map.colors) for mask in (truth, prediction.masks[name])]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return sum(known) / len(known) if known else None
