"""The tables of scores: a few columns with intervals, the others folded, and groups of images.

Layer: part of `evaluation`. No score is computed here but the mean over classes of a group.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limner.evaluation import wording
from limner.evaluation.records import (
    ClassSummary,
    Errors,
    GroupRow,
    IntervalRecord,
    Scores,
    SummaryRecord,
    TargetSummary,
)
from limner.evaluation.run_folder import RunFolder
from limner.evaluation.sections.scores import averaged_classes

_MEASURED = ("nsd", "hd95")
_FURTHER = (
    *("precision", "recall", "specificity", "boundary_iou"),
    *("object_f1", "assd", "area_error", "area_abs_error"),
)
_MOST_GROUPS = 200


@dataclass(frozen=True)
class Cell:
    """A number, and its interval where there is one."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class ScoreTable:
    """Rows of one class each; the last, without a class, is the mean."""

    headings: tuple[str, ...]
    rows: tuple[tuple[ClassSummary | None, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class TargetTables:
    """Everything the report shows about the classes of one target."""

    main: ScoreTable
    more: ScoreTable
    pooled: ScoreTable
    group_headings: tuple[str, ...]
    groups: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    more_groups: int


def target_tables(folder: RunFolder, name: str) -> TargetTables:
    """The tables of one target of an evaluated run."""
    summary = folder.summary or SummaryRecord(n_images=0)
    target = summary.targets[name]
    groups = group_table(folder, name, averaged_classes(target), _by_group(summary))
    return TargetTables(
        main=main_table(target, summary),
        more=more_table(target, summary),
        pooled=pooled_table(target, summary),
        group_headings=tuple(_heading(metric, summary) for metric in _by_group(summary)),
        groups=tuple(groups[:_MOST_GROUPS]),
        more_groups=max(0, len(groups) - _MOST_GROUPS),
    )


def main_table(target: TargetSummary, summary: SummaryRecord) -> ScoreTable:
    """The scores that are looked at first, with their intervals."""
    return _means(target, summary, ("dice", "iou", *(_MEASURED if summary.distances else ("precision", "recall"))))


def more_table(target: TargetSummary, summary: SummaryRecord) -> ScoreTable:
    """All other means, with theirs."""
    return _means(target, summary, _FURTHER if summary.distances else ("specificity",))


def _means(target: TargetSummary, summary: SummaryRecord, shown: Sequence[str]) -> ScoreTable:
    rows: list[tuple[ClassSummary | None, tuple[Cell, ...]]] = [
        (entry, tuple(cell(metric, entry, entry.intervals) for metric in shown)) for entry in target.classes
    ]
    rows.append((None, tuple(cell(metric, target.mean, target.intervals) for metric in shown)))
    return ScoreTable(tuple(_heading(metric, summary) for metric in shown), tuple(rows))


def pooled_table(target: TargetSummary, summary: SummaryRecord) -> ScoreTable:
    """Scores of all images together, and means over groups."""
    pooled = ("dice", "iou", *(("nsd", "boundary_iou", "object_f1", "area_error") if summary.distances else ()))
    grouped = ("dice", "iou") if target.group_mean else ()
    rows: list[tuple[ClassSummary | None, tuple[Cell, ...]]] = [
        (
            entry,
            (
                *(cell(metric, entry.pooled) for metric in pooled),
                *(cell(metric, entry.group_mean or Scores()) for metric in grouped),
            ),
        )
        for entry in target.classes
    ]
    headings = [f"Pooled {_heading(metric, summary)}" for metric in pooled]
    headings += [f"{_heading(metric, summary)}, mean over groups" for metric in grouped]
    return ScoreTable(tuple(headings), tuple(rows))


def group_table(
    folder: RunFolder, name: str, counted: Sequence[ClassSummary], shown: Sequence[str]
) -> list[tuple[str, str, tuple[Cell, ...]]]:
    """A line per group: name, images, and means over the classes that count; the lowest Dice first."""
    classes = {entry.name for entry in counted}
    lines: dict[str, list[GroupRow]] = {}
    for row in folder.groups:
        if row.target == name and row.class_name in classes and row.group:
            lines.setdefault(row.group, []).append(row)
    means = {group: Scores(**{metric: _mean(rows, metric) for metric in shown}) for group, rows in lines.items()}
    order = sorted(means, key=lambda group: (means[group].dice is None, means[group].dice or 0.0))
    return [
        (group, wording.count(lines[group][0].n_images), tuple(cell(metric, means[group]) for metric in shown))
        for group in order
    ]


def group_dice(folder: RunFolder, name: str) -> dict[str, float]:
    """Mean Dice by group, over the classes that the target's mean includes; groups without one are left out."""
    if folder.summary is None:
        return {}
    classes = {entry.name for entry in averaged_classes(folder.summary.targets[name])}
    values: dict[str, list[float]] = {}
    for row in folder.groups:
        if row.target == name and row.class_name in classes and row.group and row.dice is not None:
            values.setdefault(row.group, []).append(row.dice)
    return {group: statistics.fmean(known) for group, known in values.items()}


def _by_group(summary: SummaryRecord) -> tuple[str, ...]:
    return ("dice", "iou", *(_MEASURED if summary.distances else ()))


def cell(metric: str, scores: Scores | Errors, intervals: Mapping[str, IntervalRecord] | None = None) -> Cell:
    """One score in words, with its interval."""
    interval = (intervals or {}).get(metric)
    value = _say(metric, getattr(scores, metric))
    if interval is None or interval.low is None:
        return Cell(value)
    return Cell(value, f"[{_say(metric, interval.low)}, {_say(metric, interval.high)}]")


def interval_note(summary: SummaryRecord) -> str:
    """A sentence on what the intervals are, or why there are none; empty for an evaluation that knows none."""
    made = summary.intervals
    if made is None:
        return ""
    records = [target.intervals for target in summary.targets.values()]
    records += [target.intervals for target in summary.numbers.values()]
    most = max((found[metric].n for found in records for metric in ("dice", "rmse") if metric in found), default=0)
    one = made.over.removesuffix("s")
    if most < made.fewest:
        there = f"there {'is' if most == 1 else 'are'} {most:,}"
        return f"No intervals are given: at least {made.fewest} {made.over} are needed, {there}."
    level = f"{made.level * 100:g} %"
    note = f"In brackets: {level} intervals of the means, over {wording.plural(most, one)} ({made.method})."
    if most < made.rough:
        note += f" With fewer than {made.rough} they are rough."
    return note + " They say what other images of the same kind would change, not what another kind would."


def _mean(rows: Sequence[GroupRow], metric: str) -> float | None:
    known = [value for row in rows if (value := getattr(row, metric)) is not None]
    return statistics.fmean(known) if known else None


def _heading(metric: str, summary: SummaryRecord) -> str:
    unit = summary.distances.unit if summary.distances else "px"
    tolerance = wording.number(summary.distances.tolerance) if summary.distances else ""
    return {
        "dice": "Dice",
        "iou": "IoU",
        "precision": "Precision",
        "recall": "Recall",
        "specificity": "Specificity",
        "nsd": f"NSD at {tolerance} {unit}",
        "hd95": f"HD95 ({unit})",
        "assd": f"ASSD ({unit})",
        "boundary_iou": "Boundary IoU",
        "object_f1": "Object F1",
        "area_error": "Area error",
        "area_abs_error": f"Absolute area error ({unit}²)",
    }[metric]


def _say(metric: str, value: float | None) -> str:
    if metric == "area_error":
        return wording.DASH if value is None else f"{value * 100:+.1f} %"
    if metric in ("hd95", "assd", "area_abs_error", "rmse", "mae"):
        return wording.number(value)
    return wording.score(value)
