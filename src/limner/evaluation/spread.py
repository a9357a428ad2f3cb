"""How far the scores of several runs differ.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def mean_scores(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The number of images, and by target the means over them, of an evaluation's summary."""
    return {
        "n_images": summary["n_images"],
        "targets": {name: target["mean"] for name, target in summary["targets"].items()},
    }


def spread(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Mean, standard deviation, least and most over runs of each target's scores; None where undefined.

    Args:
        runs: As `mean_scores` gives them. The deviation is that of a sample, so of two runs or more.

    Example:
        >>> runs = [{"targets": {"mask": {"dice": 0.5}}}, {"targets": {"mask": {"dice": 0.75}}}]
        >>> spread(runs)["mask"]["dice"]
        {'mean': 0.625, 'std': 0.1767766952966369, 'min': 0.5, 'max': 0.75}
    """
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for target, scores in runs[0]["targets"].items():
        found[target] = {}
        for name in scores:
            values = [run["targets"][target][name] for run in runs if run["targets"][target][name] is not None]
            found[target][name] = {
                "mean": statistics.fmean(values) if values else None,
                "std": statistics.stdev(values) if len(values) > 1 else None,
                "min": min(values, default=None),
                "max": max(values, default=None),
            }
    return found
