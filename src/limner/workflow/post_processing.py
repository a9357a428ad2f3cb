"""Steps after the threshold, chosen by what folds say about the samples that they did not see.

Layer: workflow, below `folds`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from limner.bundle import PostStep, TargetSpec, read_meta
from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap, read_target
from limner.evaluation.folds import fold_predictor
from limner.evaluation.post_processing import Trial, Trials, candidate_steps, chosen_steps, object_areas
from limner.inference.prediction import Prediction
from limner.inference.scoring import score
from limner.types import Progress, no_progress

MOST_IMAGES = 500
"""Pictures that steps are tried on, over all folds."""


@dataclass(frozen=True)
class PostProcessing:
    """What was tried, and what there is evidence for.

    Attributes:
        trials: All candidates, on the samples of all folds.
        steps: Those to do from now on.
        by_fold: Of each fold, the steps that the other folds ask for: its scores with them are not too good.
        images: Pictures that they were tried on.
    """

    trials: Sequence[Trial]
    steps: Sequence[PostStep]
    by_fold: Sequence[Sequence[PostStep]]
    images: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "n_images": self.images,
            "trials": [trial.to_dict() for trial in self.trials],
            "steps": [step.model_dump() for step in self.steps],
            "by_fold": [[step.model_dump() for step in steps] for steps in self.by_fold],
        }


def choose_post_processing(
    bundles: Sequence[Path],
    parts: Sequence[Catalog],
    label_maps: Mapping[str, LabelMap],
    *,
    progress: Progress = no_progress,
) -> PostProcessing:
    """Try steps on out-of-fold predictions.

    Args:
        bundles: The model of each fold.
        parts: The samples of each fold, which its model did not see.
        label_maps: Meaning of the masks, by target.
        progress: Told of the progress.

    Raises:
        DataError: A file can no longer be read.
    """
    targets = read_meta(bundles[0]).targets
    some = [part.subset(spread(np.arange(len(part)), max(1, MOST_IMAGES // len(parts)))) for part in parts]
    areas: dict[tuple[str, str], list[int]] = {}
    for part in some:
        _add_areas(areas, part, label_maps, targets)
    trials = Trials(candidate_steps(targets, areas), targets)
    images = sum(map(len, some))
    done = 0
    for fold, (bundle, part) in enumerate(zip(bundles, some, strict=True)):
        if not trials.steps:
            break

        def look(
            place: int,
            picture: np.ndarray,
            truth: dict[str, np.ndarray],
            prediction: Prediction,
            fold: int = fold,
            part: Catalog = part,
        ) -> None:
            trials.add(fold, part.groups[place], truth, prediction.masks)

        told = partial(_tell, progress, done, images)
        score(fold_predictor(bundle, ()), part, label_maps, on_prediction=look, progress=told)
        done += len(part)
    judged = trials.judge()
    by_fold = [chosen_steps(trials.judge(without=fold)) for fold in range(len(parts))]
    return PostProcessing(judged, chosen_steps(judged), by_fold, images)


def _tell(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress("post-process", before + done, total)


def _add_areas(
    areas: dict[tuple[str, str], list[int]],
    part: Catalog,
    label_maps: Mapping[str, LabelMap],
    targets: Mapping[str, TargetSpec],
) -> None:
    """Areas of the true objects, by target and class."""
    for name, label_map in label_maps.items():
        if label_map.task == "regression":
            continue
        for location in filter(None, part.targets[name]):
            for label, found in object_areas(read_target(location, label_map), targets[name]).items():
                areas.setdefault((name, label), []).extend(found)
