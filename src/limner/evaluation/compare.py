"""Compare evaluations of the same images: is the difference more than chance?

Layer: part of `evaluation`. Works from `summary.json` and `per_image.csv` alone; no model is run.

Images are compared one by one, which leaves out what makes all images differ, and the interval is that of
`limner.metrics.bootstrap`, over images or over groups. Of runs with several seeds the means over the seeds are
compared, and the interval is widened by how far seeds differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtrit

from limner.errors import ConfigError, DataError
from limner.evaluation.records import ImageRow, SummaryRecord
from limner.evaluation.run_folder import REPEATS_NAME, read_evaluation
from limner.metrics import bootstrap, foreground, units
from limner.metrics.intervals import FEWEST, LEVEL
from limner.types import Task

PERFECT = {
    **dict.fromkeys(("dice", "iou", "nsd", "boundary_iou", "object_f1"), 1.0),
    **dict.fromkeys(("hd95", "assd", "rmse", "mae", "abs_rel", "silog"), 0.0),
    "delta": 1.0,
}
"""Metrics that runs can be compared by, and what they are at best."""


@dataclass(frozen=True)
class Difference:
    """How a run differs from another, image by image.

    Attributes:
        better: By how much it is better on average; negative where it is worse.
        low: Low end of the interval; None where there is none.
        high: High end.
        n: Images, or groups, that were compared.
        over: `images` or `groups`.
        alike: Every image scores the same in both.
        seeds: Trainings of the better run and of the other.
    """

    better: float
    low: float | None
    high: float | None
    n: int
    over: str
    alike: bool
    seeds: tuple[int, int] = (1, 1)

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out no difference at all."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Ranked:
    """One run of a comparison: its mean score, and how much better the best run is than it."""

    name: str
    mean: float
    behind: Difference | None


@dataclass(frozen=True)
class Comparison:
    """Runs by mean score, the best first.

    Attributes:
        metric: What they are compared by.
        target: Of which target.
        n_images: Images of the test set.
        ranked: The runs.
    """

    metric: str
    target: str
    n_images: int
    ranked: tuple[Ranked, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        runs = []
        for run in self.ranked:
            behind = run.behind
            entry: dict[str, Any] = {"run": run.name, "mean": run.mean}
            if behind is not None:
                entry["behind_the_best"] = {**vars(behind), "level": LEVEL, "shown": behind.shown}
            runs.append(entry)
        return {"metric": self.metric, "target": self.target, "n_images": self.n_images, "runs": runs}


@dataclass(frozen=True)
class _Scored:
    name: str
    ids: list[str]
    groups: list[str]
    values: Float64[np.ndarray, "seeds images classes"]


def compare(runs: Sequence[str | Path], *, metric: str = "dice", target: str | None = None) -> Comparison:
    """Rank evaluations of the same images, and say how sure the order is.

    Where one run rightly draws nothing in an image without the class and another draws something, the first
    counts as perfect in that image; where both rightly draw nothing, the image says nothing.

    Args:
        runs: Two or more run folders, or folders that `evaluate` wrote. Of a run with repeats all are counted.
        metric: A key of `PERFECT`.
        target: Of which target, where there are several.

    Raises:
        ConfigError: An unknown metric or target, or fewer than two runs.
        DataError: A folder has no evaluation, or they are not of the same images.
    """
    if metric not in PERFECT:
        raise ConfigError(f"a metric of {', '.join(PERFECT)}", repr(metric), "Change --metric.")
    if len(runs) < 2:
        raise ConfigError("two runs or more to compare", str(len(runs)), "Name another run.")
    folders = [Path(run) for run in runs]
    places = [_of_seeds(folder) for folder in folders]
    read = {place: read_evaluation(place) for seeds in places for place in seeds}
    _require_same({place: summary for place, (summary, _) in read.items()})
    first, _ = read[places[0][0]]
    chosen = _target(first, target, folders[0])
    scored = [
        _together([_scored(name, *read[place], chosen, metric) for place in seeds])
        for name, seeds in zip(_names(folders), places, strict=True)
    ]
    scored = [_in_order(one, scored[0]) for one in scored]
    means = [float(np.mean([_mean(seed) for seed in one.values])) for one in scored]
    sign = 1 if PERFECT[metric] else -1
    order = sorted(range(len(scored)), key=lambda place: -sign * means[place] if np.isfinite(means[place]) else np.inf)
    best = scored[order[0]]
    ranked = [
        Ranked(
            scored[place].name, means[place], None if place == order[0] else _difference(best, scored[place], metric)
        )
        for place in order
    ]
    return Comparison(metric, chosen, first.n_images, tuple(ranked))


def sentence(comparison: Comparison) -> str:
    """The verdict on the best two runs in words."""
    best, other = comparison.ranked[:2]
    found = other.behind
    if found is None or found.alike:
        return f"{best.name} and {other.name} score the same on every image."
    if (found.low is None or found.high is None) and found.n >= FEWEST:
        same = f"the same on each of {found.n:,} {found.over}"
        return f"{best.name} is better than {other.name} by {found.better:.3g} in {comparison.metric}, {same}."
    if found.low is None or found.high is None:
        return (
            f"At least {FEWEST} {found.over} are needed to compare, there {'is' if found.n == 1 else 'are'} {found.n}."
        )
    seeds = "" if max(found.seeds) == 1 else f" and {_seeds(found.seeds)}"
    over = f"{LEVEL * 100:g} % interval {found.low:.3g} to {found.high:.3g}, on {found.n:,} {found.over}{seeds}"
    if not found.shown:
        return f"No difference shown: {best.name} − {other.name} in {comparison.metric} is {found.better:.3g}, {over}."
    return f"{best.name} is better than {other.name} by {found.better:.3g} in {comparison.metric}, {over}."


def _seeds(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]} seeds each" if numbers[0] == numbers[1] else f"{numbers[0]} and {numbers[1]} seeds"


def _of_seeds(folder: Path) -> list[Path]:
    """The evaluations of a run: those of its repeats, where it has some."""
    return sorted((folder / REPEATS_NAME).glob("*/")) or [folder]


def _difference(best: _Scored, other: _Scored, metric: str) -> Difference:
    return paired_difference(best.values, other.values, best.groups, metric)


def paired_difference(
    first: Float64[np.ndarray, "seeds images classes"],
    second: Float64[np.ndarray, "other_seeds images classes"],
    groups: Sequence[str],
    metric: str,
) -> Difference:
    """By how much scores are better than others of the same images, compared as `compare` does.

    Args:
        first: Scores; NaN where undefined.
        second: The others.
        groups: Of the images.
        metric: A key of `PERFECT`.
    """
    perfect = PERFECT[metric]
    # Rightly nothing in all trainings of both: the image says nothing.
    both = np.isnan(first).all(axis=0) & np.isnan(second).all(axis=0)
    first, second = (
        np.where(both, np.nan, np.where(np.isnan(values), perfect, values)) * (1 if perfect else -1)
        for values in (first, second)
    )
    better = first.mean(axis=0) - second.mean(axis=0)
    unit = units(groups)
    found = bootstrap(better[:, :, None], range(better.shape[1]), unit)
    n = int(found.mean_units[0])
    ends = _widened(_mean(better), found.mean[0], n, [[_mean(seed) for seed in run] for run in (first, second)])
    low, high = (None if np.isnan(end) else float(end) for end in ends)
    over = "groups" if len(set(unit.tolist())) < len(unit) else "images"
    alike = not np.nan_to_num(better).any()
    return Difference(_mean(better), low, high, n, over, alike, (len(first), len(second)))


def _widened(
    difference: float, ends: Float64[np.ndarray, " 2"], n: int, means: Sequence[Sequence[float]]
) -> Float64[np.ndarray, " 2"]:
    """An interval over `n` images or groups, widened by how far the means of seeds differ.

    The variance of the mean over images, and that of a mean over seeds, are added up; the latter is taken to be
    alike in both runs. The freedom is Satterthwaite's (1946, "An Approximate Distribution of Estimates of Variance
    Components"), so that two or three seeds make the interval as wide as so few deserve.
    """
    free_seeds = sum(len(own) - 1 for own in means)
    if not free_seeds or np.isnan(ends).any():
        return ends
    share = (1 + LEVEL) / 2
    images = (float(ends[1] - ends[0]) / 2 / float(stdtrit(n - 1, share))) ** 2
    spread = sum(float(np.sum(np.square(np.array(own) - np.mean(own)))) for own in means) / free_seeds
    seeds = spread * sum(1 / len(own) for own in means)
    freedom = (images + seeds) ** 2 / (images**2 / (n - 1) + seeds**2 / free_seeds)
    reach = float(stdtrit(freedom, share)) * (images + seeds) ** 0.5
    return np.array([difference - reach, difference + reach])


def _mean(values: Float64[np.ndarray, "images classes"]) -> float:
    """Mean over images, then over classes, of what is defined; NaN where nothing is."""
    means = [column[~np.isnan(column)].mean() for column in values.T if not np.isnan(column).all()]
    return float(np.mean(means)) if means else float("nan")


def _require_same(summaries: Mapping[Path, SummaryRecord]) -> None:
    (reference, first), *others = summaries.items()
    for folder, summary in others:
        if summary.data_hash != first.data_hash or summary.n_images != first.n_images:
            raise DataError(
                f"evaluations of the same images as '{reference}' ({_what(first)})",
                f"'{folder}' is of others ({_what(summary)})",
                "Score both on one data set, limner evaluate RUN DATA -o FOLDER, and compare these folders. Runs have "
                "the same test images where the data, data.seed and the shares are the same, or data.keep_splits.",
            )


def _what(summary: SummaryRecord) -> str:
    split = f"{summary.split} " if summary.split else ""
    return f"{summary.n_images:,} {split}images, hash {summary.data_hash[:8] or 'not recorded'}"


def _target(summary: SummaryRecord, target: str | None, folder: Path) -> str:
    known = [*summary.targets, *summary.numbers]
    if target is None and len(known) == 1:
        return known[0]
    if target not in known:
        found = "none is named" if target is None else repr(target)
        raise ConfigError(f"one of the targets of '{folder}': {', '.join(known)}", found, "Change --target.")
    return target


def _scored(name: str, summary: SummaryRecord, rows: Sequence[ImageRow], target: str, metric: str) -> _Scored:
    classes = [""]
    if target in summary.targets:
        names, task = [entry.name for entry in summary.targets[target].classes], summary.targets[target].task
        classes = [names[index] for index in foreground(_task(task), len(names))]
    own = [row for row in rows if row.target == target and row.class_name in classes]
    if not any(getattr(row, metric) is not None for row in own):
        raise DataError(
            f"{metric} of {target} in the evaluation of '{name}'",
            "it has none",
            "Choose another --metric, or evaluate the run again: limner evaluate RUN.",
        )
    groups = {row.id: row.group for row in own}
    places = {sample: place for place, sample in enumerate(groups)}
    values = np.full((len(places), len(classes)), np.nan)
    for row in own:
        value = getattr(row, metric)
        values[places[row.id], classes.index(row.class_name)] = np.nan if value is None else value
    return _Scored(name, list(groups), list(groups.values()), values[None])


def _task(task: str) -> Task:
    return "multilabel" if task == "multilabel" else "multiclass"


def _in_order(scored: _Scored, first: _Scored) -> _Scored:
    """The same with its images, and classes, in the order of the first."""
    if set(scored.ids) != set(first.ids) or scored.values.shape[1:] != first.values.shape[1:]:
        raise DataError(
            f"the images and classes of '{first.name}'",
            f"others in '{scored.name}'",
            "Score both on one data set: limner evaluate RUN DATA -o FOLDER.",
        )
    places = {sample: place for place, sample in enumerate(scored.ids)}
    return _Scored(scored.name, first.ids, first.groups, scored.values[:, [places[sample] for sample in first.ids]])


def _together(seeds: Sequence[_Scored]) -> _Scored:
    """The trainings of one run as one."""
    first = seeds[0]
    return _Scored(
        first.name, first.ids, first.groups, np.concatenate([_in_order(seed, first).values for seed in seeds])
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """Short names where these tell the folders apart."""
    short = [folder.resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]
