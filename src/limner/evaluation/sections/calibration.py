"""The section on calibration: what probabilities are worth, and which thresholds were chosen.

Layer: part of `evaluation`. No score is computed here; the tables are those of the run's files.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from limner.evaluation import wording
from limner.evaluation.charts import Series, reliability_chart
from limner.evaluation.records import FitRecord, TargetCalibrationRecord, ThresholdRecord
from limner.evaluation.run_folder import RunFolder


@dataclass(frozen=True)
class Calibration:
    """What is known of one target's probabilities.

    Attributes:
        target: Its name.
        svg: Reliability diagram of the evaluated images, or of those it was fitted on.
        legend: Names of its lines, in drawing order.
        facts: Names and values.
        notes: Sentences.
        goal: What thresholds are for; empty where none was given.
        thresholds: Of each class, where a goal was given.
    """

    target: str
    svg: Markup
    legend: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    goal: str
    thresholds: tuple[tuple[str, ThresholdRecord], ...]


def calibrations(folder: RunFolder) -> list[Calibration]:
    """What is known, by target; targets of which nothing is are left out."""
    fitted = folder.calibration.targets if folder.calibration else {}
    evaluated = folder.summary.targets if folder.summary else {}
    found = []
    for name in dict.fromkeys([*evaluated, *fitted]):
        target = evaluated.get(name)
        own = target.calibration if target else None
        split = folder.summary.split if folder.summary and own else ""
        record = fitted.get(name)
        shown = own or record
        if shown is None:
            continue
        found.append(
            Calibration(
                target=name,
                svg=_chart(name, shown.before, shown.after, shown.temperature),
                legend=("as the network answers", "calibrated") if shown.temperature != 1 else ("probabilities",),
                facts=_facts(record, shown.before, shown.after, shown.temperature, split),
                notes=(record.because,) if record and record.because else (),
                goal=(folder.calibration.goal or "") if folder.calibration else "",
                thresholds=tuple(record.thresholds.items()) if record else (),
            )
        )
    return found


def _facts(
    record: TargetCalibrationRecord | None, before: FitRecord, after: FitRecord, temperature: float, split: str
) -> tuple[tuple[str, str], ...]:
    where = f" on {split} images" if split else ""
    facts = [("Temperature", wording.number(temperature))]
    if record:
        facts.append(("Fitted on", wording.plural(record.n_images, "image")))
    if temperature != 1:
        facts.append((f"ECE without it{where}", _four(before.ece)))
    facts.append((f"ECE{where}", _four(after.ece)))
    facts.append((f"Negative log-likelihood{where}", _four(after.nll)))
    return tuple(facts)


def _four(value: float | None) -> str:
    return wording.DASH if value is None else f"{value:.4f}"


def _chart(name: str, before: FitRecord, after: FitRecord, temperature: float) -> Markup:
    lines = [_points(after)] if temperature == 1 else [_points(before), _points(after)]
    title = f"How often answers of {name} are right, by how sure the model is: ECE {_four(after.ece)}"
    return reliability_chart(lines, title=title)


def _points(fit: FitRecord) -> tuple[list[float], Series]:
    """Bins that hold something: mean confidence, and share of right answers."""
    held = [
        (confidence, frequency)
        for count, confidence, frequency in zip(fit.count, fit.confidence, fit.frequency, strict=True)
        if count
    ]
    return [confidence for confidence, _ in held], Series("right", [frequency for _, frequency in held])
