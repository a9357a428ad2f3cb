"""`calibrate`: probabilities that mean what they say, and thresholds for a goal, kept in the bundle.

Layer: workflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.allocator import keep_large_blocks
from limner.bundle import BUNDLE_NAME, describe_anew
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared, prepare_to_score
from limner.evaluation.calibrate import TargetCalibration, calibrated, uncalibrated
from limner.evaluation.calibrate import calibrate as calibrate_catalog
from limner.evaluation.report import write_report
from limner.evaluation.run_folder import CALIBRATION_NAME
from limner.files import write_text
from limner.inference.predictor import Predictor
from limner.inference.view_evidence import views_sentence
from limner.metrics.thresholds import Goal
from limner.training.record import read_data
from limner.types import Progress, no_progress
from limner.workflow.evaluate import evaluate_run
from limner.workflow.places import bundle_path, find_run
from limner.workflow.views import learn_views


@dataclass(frozen=True)
class Calibrated:
    """What `calibrate` left.

    Attributes:
        model: The bundle, which holds temperatures and thresholds now.
        targets: What was found out, by target.
        record: The same as a file.
        report: The run's report, written again; None of a bundle alone.
        views: What each kind of views bought and cost, as sentences; empty where that was not asked.
    """

    model: Path
    targets: Mapping[str, TargetCalibration]
    record: Path
    report: Path | None = None
    views: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "model": str(self.model),
            "targets": {name: target.to_dict() for name, target in self.targets.items()},
            "record": str(self.record),
            "report": self.report and str(self.report),
            "views": list(self.views),
        }


def calibrate(
    model: str | Path,
    data: str | Path | None = None,
    *,
    goal: str | None = None,
    tta: bool = False,
    device: str = "auto",
    progress: Progress = no_progress,
) -> Calibrated:
    """Calibrate a trained model on pictures whose masks are known, and keep the result in its bundle.

    What an earlier calibration found is replaced. A run is evaluated again afterwards, and its report
    written, so that scores and thresholds belong together.

    Args:
        model: Run folder or bundle.
        data: Folder, .csv or .zip that the model did not learn from. Default: the run's validation samples.
        goal: What thresholds are for: `max-dice`, `area`, `recall>=0.95`, `precision>=0.9`. None puts them at 0.5.
        tta: Also measure what views of each picture buy, for `predict` with `tta="auto"`.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`.
    """
    keep_large_blocks()
    chosen = None if goal is None else Goal.parse(goal)
    bundle = bundle_path(model)
    run = bundle.parent
    prepared = read_data(run) if data is None or find_run(run) else None
    if data is None and prepared is not None:
        found = calibrate_run(run, prepared, goal=chosen, device=device, progress=progress)
        catalog, label_maps = _validation(prepared), prepared.label_maps
    else:
        predictor = Predictor.from_file(bundle, device=device)
        label_maps = {name: LabelMap.from_dict(target.label_map) for name, target in predictor.meta.targets.items()}
        catalog = prepare_to_score(data, label_maps, progress=progress)
        found = _calibrate(bundle, predictor, catalog, label_maps, chosen, str(data), progress)
    views: Sequence[str] = ()
    if tta:
        source = "validation pictures" if data is None else f"pictures of {data}"
        meta = learn_views(bundle, catalog, label_maps, source=source, device=device, progress=progress)
        views = [views_sentence(meta, known.tta) for known in meta.views]
    if prepared is None:
        return Calibrated(bundle, found, run / CALIBRATION_NAME, views=views)
    evaluate_run(run, prepared, device=device, progress=progress)
    return Calibrated(bundle, found, run / CALIBRATION_NAME, write_report(run), views)


def _validation(data: Prepared) -> Catalog:
    return data.catalog.subset(data.catalog.indices("val"))


def calibrate_run(
    run: Path,
    data: Prepared,
    *,
    goal: Goal | None = None,
    device: str = "auto",
    progress: Progress = no_progress,
) -> dict[str, TargetCalibration]:
    """Calibrate a run's bundle on its validation samples; what was found, by target."""
    predictor = Predictor.from_file(run / BUNDLE_NAME, device=device)
    catalog = _validation(data)
    return _calibrate(run / BUNDLE_NAME, predictor, catalog, data.label_maps, goal, "val", progress)


def _calibrate(
    bundle: Path,
    predictor: Predictor,
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    goal: Goal | None,
    source: str,
    progress: Progress,
) -> dict[str, TargetCalibration]:
    before = predictor.meta
    predictor.meta = uncalibrated(before)
    found = calibrate_catalog(
        predictor,
        catalog,
        label_maps,
        goal=goal,
        progress=lambda done, total: progress("calibrate", done, total),
    )
    meta = calibrated(predictor.meta, found)
    if any(spec.thresholds != before.targets[name].thresholds for name, spec in meta.targets.items()):
        # What views bought was measured with the thresholds of before.
        meta = meta.model_copy(update={"views": []})
    if meta != before:
        describe_anew(bundle, meta)
    content = {
        "source": source,
        "goal": None if goal is None else str(goal),
        "targets": {name: target.to_dict() for name, target in found.items()},
    }
    write_text(bundle.parent / CALIBRATION_NAME, json.dumps(content, indent=2, ensure_ascii=False))
    return found
