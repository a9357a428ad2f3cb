"""Which of several candidates to keep, and what was shown about the others.

Layer: part of `evaluation`. The best mean is kept, whether or not the others are shown to be worse: without a
difference shown it is still the likeliest, and a rule that may be bent is none. Who minds size or speed more finds
the smallest and the fastest of those not shown to be worse named beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from limner.evaluation.compare import Comparison, sentence
from limner.evaluation.records import SummaryRecord

_FEW_EPOCHS = 5


@dataclass(frozen=True)
class Cost:
    """What a candidate took.

    Attributes:
        settings: How it was written.
        seconds: Of training, over all of its parts.
        epochs: Of each of its parts, or its own.
        parameters: Of the network.
        images_per_s: Trained on in a second; the mean over its parts.
    """

    settings: str
    seconds: float
    epochs: tuple[int, ...]
    parameters: int
    images_per_s: float


def measure_of(summary: SummaryRecord) -> tuple[str, str]:
    """Metric and target that candidates are compared by: Dice of the first target of masks, else RMSE of the first."""
    return ("dice", next(iter(summary.targets))) if summary.targets else ("rmse", next(iter(summary.numbers)))


def verdict(comparison: Comparison, costs: Mapping[str, Cost]) -> str:
    """What was shown of the candidates, and what was not."""
    best, *others = comparison.ranked
    said = [sentence(comparison)]
    equals = [run.name for run in others if run.behind is None or not run.behind.shown]
    worse = [run.name for run in others[1:] if run.name not in equals]
    if worse:
        said.append(f"{'Worse' if others[0].name in equals else 'Also worse'} than {best.name}: {', '.join(worse)}.")
    if equals:
        among = [best.name, *equals]
        small = min(among, key=lambda name: costs[name].parameters)
        fast = max(among, key=lambda name: costs[name].images_per_s)
        which = (
            f"{small} is the smallest and trains fastest"
            if small == fast
            else f"{small} is the smallest, {fast} trains fastest"
        )
        said.append(f"Of {best.name} and what is not shown to be worse ({', '.join(equals)}), {which}.")
    least = min(min(cost.epochs) for cost in costs.values())
    if least < _FEW_EPOCHS:
        said.append(f"With only {least} epoch{'s' * (least > 1)} for some, more time may well change the order.")
    return " ".join(said)


def content(comparison: Comparison, costs: Mapping[str, Cost], *, split: str, folder: str) -> dict[str, Any]:
    """The content of `candidates.json`, for `CandidatesRecord`.

    Args:
        comparison: The candidates by mean score.
        costs: By name.
        split: Samples they were compared on.
        folder: Where their run folders are, seen from the run's.
    """
    found = comparison.to_dict()
    candidates = [
        {
            "name": run["run"],
            "folder": f"{folder}/{run['run']}",
            **asdict(costs[run["run"]]),
            "mean": run["mean"],
            "behind_the_best": run.get("behind_the_best"),
        }
        for run in found.pop("runs")
    ]
    return {
        **found,
        "split": split,
        "verdict": verdict(comparison, costs),
        "kept": comparison.ranked[0].name,
        "candidates": candidates,
    }
