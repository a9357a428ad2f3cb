"""Validation after every epoch: scores by the predictor the user will get, and pictures of some samples.

Layer: training.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np

from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap
from limner.images import write_image
from limner.inference.drawing import draw_row
from limner.inference.predictor import Predictor
from limner.inference.score_table import TargetScores
from limner.inference.scoring import score
from limner.render import grid
from limner.training.distributed import Ranks
from limner.training.module import state_of
from limner.training.progress import Reporter
from limner.training.signals import Interruption
from limner.training.state import TrainingState


class _Interrupted(Exception):  # noqa: N818 - no error
    """A signal came while an epoch was validated."""


class Validation(pl.Callback):
    """Scores the validation samples with the predictor the user will get, and draws some of them.

    Args:
        predictors: For each phase, predicts with the weights that would be kept.
        catalog: Validation samples.
        label_maps: Meaning of the masks.
        previews: Folder of preview pictures.
        count: Samples to draw, always the same ones.
        reporter: Told of the progress.
        interruption: Cuts a validation short: a queue that asks for the end does not wait for it.
        ranks: The processes that train; the first one validates.
        expected: Seconds that the first validation is likely to take.
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
        interruption: Interruption,
        ranks: Ranks,
        expected: float = 0.0,
    ) -> None:
        self._predictors = predictors
        self._catalog = catalog
        self._label_maps = label_maps
        self._previews = previews
        self._drawn = set(spread(np.arange(len(catalog)), count))
        self._reporter = reporter
        self._interruption = interruption
        self._ranks = ranks
        self.seconds = expected
        """How long the last validation took; before the first one, how long that is likely to take."""
        self.cut_short = False
        """Whether a signal ended the last validation before its last picture."""
        self.foreground: dict[str, tuple[float, float]] = {}
        """By target of masks the share of foreground, 0 to 1, predicted and true, over all pixels of the last one."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score, draw, and add both to the epoch's record."""
        state = state_of(pl_module)
        if state.interrupted:
            return

        def validate() -> tuple[float, bool, dict[str, tuple[float, float]], dict[str, Any]]:
            self._validate(state)
            return self.seconds, self.cut_short, self.foreground, state.__dict__

        self.seconds, self.cut_short, self.foreground, values = self._ranks.of_first(validate)
        state.__dict__.update(values)

    def _validate(self, state: TrainingState) -> None:
        begin = time.monotonic()
        predictor = self._predictors[state.phase]
        rows: dict[int, list[np.ndarray]] = {}

        def draw(index: int, image: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Any) -> None:
            if index in self._drawn:
                rows[index] = draw_row(image, truth, prediction, self._label_maps, predictor.meta.inputs.parts)

        def tell(done: int, total: int) -> None:
            self._reporter.stage("validate", done, total)
            if self._interruption.heard and done < total:
                raise _Interrupted

        try:
            table = score(predictor, self._catalog, self._label_maps, progress=tell, on_prediction=draw)
        except _Interrupted:
            state.interrupted = self.cut_short = True
            return
        self.foreground = {name: _foreground(scores) for name, scores in table.targets.items() if scores.samples}
        state.metrics |= {f"val_{name}": value for name, value in table.headline().items()}
        if rows:
            sheet = grid([rows[index] for index in sorted(rows)])
            write_image(self._previews / f"epoch_{state.epoch + 1:04d}.png", sheet)
        self.seconds = time.monotonic() - begin
        state.seconds += self.seconds


def _foreground(scores: TargetScores) -> tuple[float, float]:
    tp, fp, fn, tn = scores.table[:, list(scores.foreground)].sum(axis=(0, 1)).tolist()
    # Each class counts all pixels; those of planes may overlap, those of ids add up to the foreground.
    pixels = (tp + fp + fn + tn) / (1 if scores.task == "multilabel" else len(scores.foreground))
    return ((tp + fp) / pixels, (tp + fn) / pixels) if pixels else (0.0, 0.0)
