"""The pilot: in less than a minute the whole way that a long training will go, and what it will take.

Layer: workflow, below `run`.

    RUN/pilot.json   what it showed
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from limner.bundle import BUNDLE_NAME
from limner.config import Config, change
from limner.data.catalog import spread
from limner.data.prepare import Prepared
from limner.evaluation.run_folder import CHECK_NAME
from limner.exporting.proof import ProofError
from limner.files import write_text
from limner.inference.scoring import score
from limner.models import Summary, summarize
from limner.training.build import build_model
from limner.training.distributed import ranks
from limner.training.fit import fit
from limner.training.measuring import measured
from limner.training.pace import Pace
from limner.training.pilot import explain, forecast_seconds, try_to_learn
from limner.training.plan import Plan, make_plan
from limner.training.progress import Reporter, Silent
from limner.training.record import write_data
from limner.training.trial import measure_pace
from limner.workflow.export import export
from limner.workflow.models import open_models

PILOT_NAME = "pilot.json"

_LONG = 600.0  # seconds of a training from which a pilot is worth its time
_FEW_STEPS = 100
_SLOWEST = {"cpu": 1e9, "cuda": 1e11, "mps": 1e10}  # floating-point operations a second that any such device has
_STEPS_SECONDS = 10.0
_LIMIT = 60.0  # measuring takes a tenth of it
_ENOUGH = 35.0  # seconds after which nothing more is begun
_SAMPLES = 2

# The way is that of the training; its length is not.
_SHORT = (
    *("training.epochs=1", "training.steps_per_epoch=1", "training.time=null", "training.phases=null"),
    *("training.patience=null", "training.batch=2", "training.previews=1", "training.collapse_guard=false"),
    "data.cache=false",
)


def run_pilot(folder: Path, config: Config, data: Prepared, reporter: Reporter) -> Plan | None:
    """Try a training before it begins, if `training.pilot` says so or it is likely to take more than ten minutes.

    Two batches are learned by heart; memory and speed are measured; and of a few samples one step, its validation, a
    prediction and, with the extra `export`, an ONNX file are made: what would stop the training late stops it now.

    Args:
        folder: Run folder; has the findings of the check.
        config: Settings.
        data: Samples.
        reporter: Told what came of it.

    Returns:
        The plan with what was measured; None where there was no pilot. Of several processes there is none.

    Raises:
        LimnerError: What the training would have been stopped by.
    """
    if config.training.pilot is False:
        return None
    if ranks().count > 1:
        if config.training.pilot:
            reporter.note("No pilot: it is for one process alone.")
        return None
    begin = time.monotonic()
    plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    if config.training.pilot is None and plan.seconds is None and plan.course.steps < _FEW_STEPS:
        return None
    with torch.device("meta"):
        model = build_model(config, plan, data, fresh=False)
    summary, pace = summarize(model, plan.channels, plan.size), None
    if config.training.pilot is None:
        if not _may_be_long(plan, summary):
            return None
        pace = measure_pace(config, data, plan, limit=_LIMIT, progress=reporter.stage)
        if forecast_seconds(plan, pace) < _LONG:
            return None
    found = measured(config, data, plan, summary, folder, reporter, always=True)
    plan = found.plan
    pace = _known_pace(plan) or pace or measure_pace(config, data, plan, limit=_LIMIT, progress=reporter.stage)
    doubts = None if config.data.check == "off" else _doubts(folder)
    learning, cause = try_to_learn(config, data, plan, doubts, seconds=_STEPS_SECONDS)
    went = _go_all_the_way(config, data, plan, reporter, last=begin + _ENOUGH)
    seconds, rate = forecast_seconds(plan, pace), plan.batch / pace.step
    says = explain(cause, learning, plan)
    record: dict[str, Any] = {
        "learning": learning.to_dict(),
        "cause": cause,
        "says": says,
        "images_per_s": round(rate, 3),
        "forecast_seconds": round(seconds, 1),
        "memory_bytes": found.memory,
        "went": went,
        "seconds": round(time.monotonic() - begin, 2),
    }
    write_text(folder / PILOT_NAME, json.dumps(record, indent=2))
    most = "" if plan.seconds else "at most "
    learned = "two batches are learned" if learning.learned else "two batches are not learned"
    reporter.note(
        f"Pilot: {learned if learning.told else 'too few steps to tell whether it learns'}; {', '.join(went)} work. "
        f"Forecast: {rate:.3g} images/s, {most}{_minutes(seconds)}, {found.memory / 1e9:.2g} GB of memory."
    )
    if says:
        reporter.note(f"Doubt: {says}")
    return plan


def _may_be_long(plan: Plan, summary: Summary) -> bool:
    """Whether ten minutes cannot be ruled out without measuring."""
    if plan.seconds is not None:
        return plan.seconds > _LONG
    pixels = summary.size[0] * summary.size[1]
    phases = plan.course.phases
    images = sum(one.epochs * one.steps * one.batch * one.size[0] * one.size[1] / pixels for one in phases)
    return 3 * summary.flops * images / _SLOWEST[plan.device] > _LONG


def _known_pace(plan: Plan) -> Pace | None:
    return Pace(plan.pace["step"], plan.pace["sample"], plan.pace["took"]) if plan.pace else None


def _doubts(folder: Path) -> Collection[str]:
    """Kinds of what the check doubts."""
    findings = json.loads((folder / CHECK_NAME).read_text(encoding="utf-8"))["findings"]
    return {finding["kind"] for finding in findings if finding["level"] != "note"}


def _go_all_the_way(config: Config, data: Prepared, plan: Plan, reporter: Reporter, *, last: float) -> list[str]:
    """Train, validate, predict and export, with a few samples; what was done."""
    catalog = data.catalog
    chosen = [index for split in ("train", "val") for index in spread(catalog.indices(split), _SAMPLES)]
    few = replace(data, catalog=catalog.subset(chosen))
    changed = change(config, [*_SHORT, f"training.device={plan.device}", f"training.lr={plan.lr}"])
    with tempfile.TemporaryDirectory(prefix="limner-pilot-") as place:
        run = Path(place) / "run"
        write_data(run, few)
        write_text(run / "config.yaml", changed.to_yaml())
        fit(changed, few, run, reporter=Silent())
        val = few.catalog.subset(few.catalog.indices("val"))
        score(open_models([run / BUNDLE_NAME], device=plan.device), val, few.label_maps)
        went = ["a step", "validation", "prediction"]
        installed = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
        if installed and time.monotonic() < last:
            try:
                export(run, to="onnx")
                went.append("export")
            except ProofError as error:
                reporter.note(f"The model cannot be exported to ONNX as it is: {error.found}.")
    return went


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes:,} minute{'s' * (minutes != 1)}" if minutes < 120 else f"{minutes / 60:.1f} hours"
