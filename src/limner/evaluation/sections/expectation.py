"""The section on expected scores: whether the model knows where it is bad. And steps after the threshold.

Layer: part of `evaluation`. No score is computed here; the numbers are those of the run's files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from limner.evaluation import wording
from limner.evaluation.charts import scatter_chart
from limner.evaluation.experiment_records import TrialRecord
from limner.evaluation.records import ExpectationRecord
from limner.evaluation.run_folder import RunFolder
from limner.evaluation.sections.scores import averaged_classes, image_scores

_FEW = 20
_CLOSE, _LOOSE = 0.5, 0.3


@dataclass(frozen=True)
class Expected:
    """How well the model knew what it would score on one target.

    Attributes:
        target: Its name.
        svg: Dice of each image over what was expected of it.
        facts: Names and values.
        verdict: What to make of it, as a sentence.
    """

    target: str
    svg: Markup
    facts: tuple[tuple[str, str], ...]
    verdict: str


def expectations(folder: RunFolder) -> list[Expected]:
    """What is known, by target; targets of which nothing is are left out."""
    found = []
    real = image_scores(folder)
    for name, target in (folder.summary.targets if folder.summary else {}).items():
        record = target.expectation
        if record is None or not record.n:
            continue
        counted = {entry.name for entry in averaged_classes(target)}
        expected: dict[str, list[float]] = {}
        for row in folder.rows:
            if row.target == name and row.class_name in counted and row.expected_dice is not None:
                expected.setdefault(row.id, []).append(row.expected_dice)
        points = [
            (sum(values) / len(values), dice, image)
            for image, dice in real.get(name, {}).items()
            if dice is not None and (values := expected.get(image))
        ]
        svg = scatter_chart(
            [(across, up) for across, up, _ in points],
            title=f"Dice of {len(points)} images of {name} over the Dice expected: {_rho(record)}",
            across="Dice expected of an image",
            names=[f"{image}: expected {across:.2f}, found {up:.2f}" for across, up, image in points],
        )
        found.append(Expected(name, svg, _facts(record), _verdict(record)))
    return found


@dataclass(frozen=True)
class TrialLine:
    """One step after the threshold that was tried, in words."""

    class_name: str
    step: str
    change: str
    interval: str
    n: str
    verdict: str


def trial_lines(trials: Sequence[TrialRecord]) -> list[TrialLine]:
    """The steps that were tried, in the order of the file."""
    return [
        TrialLine(
            trial.class_name,
            wording.step_words(trial.step, trial.area),
            _signed(trial.better),
            "" if trial.low is None or trial.high is None else f"{_signed(trial.low)} to {_signed(trial.high)}",
            wording.count(trial.n),
            _evidence(trial),
        )
        for trial in trials
    ]


def _evidence(trial: TrialRecord) -> str:
    if trial.taken:
        return "taken up"
    return "harms" if trial.high is not None and trial.high < 0 else "no evidence"


def _signed(value: float | None) -> str:
    return wording.DASH if value is None else f"{value:+.4f}".replace("-", "−")


def _facts(record: ExpectationRecord) -> tuple[tuple[str, str], ...]:
    return (
        ("Images", wording.count(record.n)),
        ("Rank correlation (Spearman)", wording.DASH if record.spearman is None else f"{record.spearman:.2f}"),
        ("Dice expected, mean", wording.score(record.expected)),
        ("Dice found, mean", wording.score(record.real)),
        ("Off by, mean", wording.score(record.error)),
    )


def _rho(record: ExpectationRecord) -> str:
    known = record.spearman is not None
    return f"rank correlation {record.spearman:.2f}" if known else "no rank correlation"


def _verdict(record: ExpectationRecord) -> str:
    if record.spearman is None:
        return "All images score alike, or are expected to: whether the model knows where it is bad cannot be said."
    if record.n < _FEW:
        return f"{wording.plural(record.n, 'image')} are too few to say whether the model knows where it is bad."
    if record.spearman >= _CLOSE:
        return "The model mostly knows where it is bad: looking at pictures with a low expected Dice is worth while."
    if record.spearman >= _LOOSE:
        return "The model knows somewhat where it is bad; some bad masks will be among those it is sure of."
    return "The model does not know where it is bad: its expected Dice is no ground to leave any picture unseen."
