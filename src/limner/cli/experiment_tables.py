"""Tables of candidates that were compared, and of trainings with several seeds.

Layer: cli.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limner.cli.console import output, print_table

_SAMPLES = {"val": "validation", "out-of-fold": "out-of-fold"}
_SCORES = {"dice": "Dice", "iou": "IoU", "rmse": "RMSE", "mae": "MAE"}


def print_candidates(found: Mapping[str, Any]) -> None:
    """The candidates by mean, what each took, and the verdict; as in `candidates.json`."""
    metric = _SCORES.get(found["metric"], found["metric"])
    rows = []
    for entry in found["candidates"]:
        behind = entry["behind_the_best"]
        known = behind is not None and behind["low"] is not None
        interval = f"\n{behind['low']:.3f}…{behind['high']:.3f}" if behind is not None and known else ""
        rows.append(
            [
                entry["name"],
                f"{entry['mean']:.3f}",
                "" if behind is None else f"{behind['better']:.3f}{interval}",
                _clock(entry["seconds"]),
                _range(entry["epochs"]),
                _millions(entry["parameters"]),
                f"{entry['images_per_s']:.1f}",
            ]
        )
    title = (
        f"Candidates: mean {metric} on {found['n_images']:,} {_SAMPLES.get(found['split'], found['split'])} pictures"
    )
    columns = ["candidate", metric, "behind", "trained", "epochs", "weights", "images/s"]
    print_table(title, columns, rows)
    output().print(f"Kept: {found['kept']}, which has the best mean. {found['verdict']}\n")


def print_repeats(found: Mapping[str, Any]) -> None:
    """The scores of each seed, and how far they differ; as in `repeats.json`."""
    count = len(found["repeats"])
    for target, spread in found["spread"].items():
        names = [name for name in _SCORES if name in spread]
        rows = [
            [
                f"seed {entry['seed']}" + (" (kept)" if entry["folder"] == found["kept"] else ""),
                _cell(entry["validation"]),
                *(_cell(entry["targets"][target][name]) for name in names),
            ]
            for entry in found["repeats"]
        ]
        for what, key in (("mean", "mean"), ("std. deviation", "std"), ("lowest", "min"), ("highest", "max")):
            rows.append([what, "", *(_cell(spread[name][key]) for name in names)])
        number = found["repeats"][0]["n_images"]
        samples = _SAMPLES.get(found["split"], found["split"])
        title = f"{target}: {count} seeds on the same {number:,} {samples} pictures"
        print_table(title, ["", "validation", *(_SCORES[name] for name in names)], rows)
    few = f" Of {count} seeds the deviation is itself a rough number." if count < _FEW else ""
    output().print(f"Kept is the seed that is best in validation.{few}\n")


_FEW = 5


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _millions(number: int) -> str:
    return f"{number / 1e6:.3g} M" if number >= 1e5 else f"{number:,}"


def _range(epochs: Sequence[int]) -> str:
    low, high = min(epochs), max(epochs)
    return f"{low}" if low == high else f"{low}–{high}"


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
