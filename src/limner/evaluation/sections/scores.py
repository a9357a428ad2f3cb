"""The sections on scores: by class, by image, and for single examples.

Layer: part of `evaluation`. No score is computed here but the per-image means, whose rule stands at `image_scores`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from limner.evaluation import wording
from limner.evaluation.case_records import CaseRecord
from limner.evaluation.charts import histogram
from limner.evaluation.records import (
    ClassSummary,
    IntervalRecord,
    NumberSummary,
    SpreadRecord,
    SummaryRecord,
    TargetSummary,
)
from limner.evaluation.run_folder import RunFolder
from limner.evaluation.sections.data import split_words

_BIASED = {
    "val": "No test samples were set aside, so these are the validation samples. The best epoch was chosen by "
    "them: on new images expect a somewhat lower score.",
    "train": "These are the training samples, which the model has learned from: the score says nothing about "
    "new images.",
    "out-of-fold": "Every sample was scored by the model of its fold, which was not trained on it. Each fold also "
    "chose its model's best epoch: on new images expect a slightly lower score.",
    "all": "All samples are counted, whatever their split: where the model was trained on some of them, the score "
    "is too good.",
}


def headline(folder: RunFolder) -> list[str]:
    """A sentence per target with its mean score; none where nothing was evaluated."""
    summary = folder.summary
    if summary is None:
        return []
    several = len(summary.targets) + len(summary.numbers) > 1
    where = f"on {wording.plural(summary.n_images, f'{split_words(summary.split)} image')}"
    sentences = []
    for name, target in summary.targets.items():
        said = _with_ends("mean Dice", wording.score, target.mean.dice, target.intervals.get("dice"))
        sentences.append((name, said))
    for name, numbers in summary.numbers.items():
        measure = f"mean RMSE in {numbers.unit}" if numbers.unit else "mean RMSE"
        sentences.append((name, _with_ends(measure, wording.number, numbers.mean.rmse, numbers.intervals.get("rmse"))))
    return [f"{f'{name}: {said}' if several else said[0].upper() + said[1:]} {where}." for name, said in sentences]


def _with_ends(
    measure: str, say: Callable[[float | None], str], value: float | None, interval: IntervalRecord | None
) -> str:
    ends = f" [{say(interval.low)}, {say(interval.high)}]" if interval and interval.low is not None else ""
    return f"{measure} {say(value)}{ends}"


_NOT_ON_TEST = (
    "These are the validation samples, by which the best epoch was chosen: on new images expect a somewhat lower "
    "score. The test samples were left aside."
)

_FOLD_SCORES = ("dice", "iou", "precision", "recall", "rmse", "mae", "abs_rel", "delta")


@dataclass(frozen=True)
class FoldTable:
    """Scores of the folds of one target, a line each; `spread` is mean ± standard deviation over them."""

    target: str
    columns: tuple[str, ...]
    lines: tuple[tuple[int, int, tuple[str, ...]], ...]
    spread: tuple[str, ...]


@dataclass(frozen=True)
class Distribution:
    """Per-image scores of one target; `undefined` images have nothing in truth and prediction."""

    target: str
    svg: Markup
    facts: tuple[tuple[str, str], ...]
    undefined: int
    measure: str = "Dice"


def score_note(folder: RunFolder) -> str:
    """A sentence about scores that are not of a test split; empty when they are, and where there are none."""
    summary = folder.summary
    if summary is None:
        return ""
    if summary.split == "val" and "test" in folder.splits:
        return _NOT_ON_TEST
    return _BIASED.get(summary.split, "" if summary.split == "test" else "It is not recorded which samples these are.")


def fold_tables(summary: SummaryRecord) -> list[FoldTable]:
    """The scores of each fold, one table per target; none where the training had no folds."""
    tables = []
    for target, spread in summary.spread.items():
        columns = tuple(name for name in _FOLD_SCORES if name in spread)
        lines = tuple(
            (fold.fold, fold.n_images, tuple(wording.score(fold.targets[target].get(name)) for name in columns))
            for fold in summary.folds
        )
        ranges = tuple(_range(spread[name]) for name in columns)
        tables.append(FoldTable(target, tuple(_NAMES.get(name, name.capitalize()) for name in columns), lines, ranges))
    return tables


def _range(spread: SpreadRecord) -> str:
    return wording.score(spread.mean) + (f" ± {wording.score(spread.std)}" if spread.std is not None else "")


_NAMES = {"iou": "IoU", "rmse": "RMSE", "mae": "MAE", "abs_rel": "AbsRel", "delta": "δ < 1.25"}


def empty_cases(target: TargetSummary, images: int) -> list[str]:
    """A sentence on each foreground class that was missed, falsely found or absent, and on images without a mask."""
    sentences = [_empty_cases(entry) for entry in averaged_classes(target)]
    counted = max((entry.n_images for entry in target.classes), default=0)
    if counted < images:
        sentences.append(f"{wording.plural(images - counted, 'image')} without a mask of this target: not counted.")
    return sentences


def _empty_cases(entry: ClassSummary) -> str:
    there = entry.n_present + entry.n_missed
    parts = []
    if entry.n_missed:
        parts.append(f"missed altogether in {entry.n_missed:,} of the {wording.plural(there, 'image')} with it")
    if entry.n_false_alarm:
        parts.append(f"predicted in {wording.plural(entry.n_false_alarm, 'image')} without it")
    if entry.n_both_empty:
        absent = wording.plural(entry.n_both_empty, "image")
        parts.append(f"rightly not predicted in {absent} without it, which no mean of this class includes")
    found = f"predicted in each of the {wording.plural(there, 'image')} with it, and in no other"
    return f"{entry.name}: {'; '.join(parts) or found}."


def averaged_classes(target: TargetSummary) -> list[ClassSummary]:
    """The classes that the target's mean includes: all but the background."""
    return [entry for entry in target.classes if not _is_background(target, entry)]


def _is_background(target: TargetSummary, entry: ClassSummary) -> bool:
    return entry.id == 0 and target.task in ("binary", "multiclass")


def image_scores(folder: RunFolder) -> dict[str, dict[str, float | None]]:
    """Dice of each image by target: the mean over its foreground classes where defined; None where none is."""
    backgrounds = {
        (name, entry.name)
        for name, target in (folder.summary.targets if folder.summary else {}).items()
        for entry in target.classes
        if _is_background(target, entry)
    }
    collected: dict[str, dict[str, list[float]]] = {}
    for row in folder.rows:
        numbers = folder.summary is not None and row.target in folder.summary.numbers
        if numbers or (row.target, row.class_name) in backgrounds:
            continue
        values = collected.setdefault(row.target, {}).setdefault(row.id, [])
        if row.dice is not None:
            values.append(row.dice)
    return {
        target: {image: statistics.fmean(values) if values else None for image, values in images.items()}
        for target, images in collected.items()
    }


def distributions(folder: RunFolder) -> list[Distribution]:
    """Histogram and quartiles of the per-image Dice, one per target."""
    found = []
    for target, images in image_scores(folder).items():
        known = sorted(value for value in images.values() if value is not None)
        undefined = len(images) - len(known)
        if not known:
            continue
        title = f"Number of images by Dice, {target}: {len(known)} images, median {statistics.median(known):.3f}"
        facts = [("Images", wording.count(len(known))), ("Lowest", wording.score(known[0]))]
        if len(known) > 1:
            low, middle, high = statistics.quantiles(known, n=4, method="inclusive")
            facts += [("Lower quartile", wording.score(low)), ("Median", wording.score(middle))]
            facts += [("Upper quartile", wording.score(high))]
        facts.append(("Highest", wording.score(known[-1])))
        found.append(Distribution(target, histogram(known, title=title), tuple(facts), undefined))
    return found


def error_distributions(folder: RunFolder) -> list[Distribution]:
    """Histogram and quartiles of the per-image RMSE, one per regression target."""
    found = []
    for target, summary in (folder.summary.numbers if folder.summary else {}).items():
        values = [row.rmse for row in folder.rows if row.target == target]
        known = sorted(value for value in values if value is not None)
        if not known:
            continue
        measure = f"RMSE in {summary.unit}" if summary.unit else "RMSE"
        middle = wording.number(statistics.median(known))
        title = f"Number of images by {measure}, {target}: {len(known)} images, median {middle}"
        svg = histogram(known, title=title, high=known[-1] or 1.0, axis=f"{measure} of an image")
        facts = [("Images", wording.count(len(known))), ("Lowest", wording.number(known[0])), ("Median", middle)]
        facts.append(("Highest", wording.number(known[-1])))
        found.append(Distribution(target, svg, tuple(facts), len(values) - len(known), measure))
    return found


def number_notes(target: NumberSummary) -> list[str]:
    """Sentences on what the errors of a regression target leave out."""
    sentences = []
    if target.n_not_positive:
        sentences.append(
            f"{wording.plural(target.n_not_positive, 'pixel')} of {target.n_pixels:,} with a truth of 0 or less: "
            "left out of AbsRel and δ."
        )
    if target.n_unknown:
        sentences.append(f"{wording.plural(target.n_unknown, 'image')} without a known pixel: not counted.")
    return sentences


def case_details(case: CaseRecord) -> str:
    """Dice of each class of a case, where there is more than one."""
    several = len(case.scores) > 1
    details = [
        f"{target + ' ' if several else ''}{name} {wording.score(value)}"
        for target, classes in case.scores.items()
        for name, value in classes.items()
    ]
    return ", ".join(details) if len(details) > 1 else ""
