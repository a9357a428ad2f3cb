"""Tables that several verbs print.

Layer: cli.
"""

from __future__ import annotations

from typing import Any

from limner.cli.console import output, print_table

_SCORES = ("dice", "iou", "precision", "recall")


def print_scores(summary: dict[str, Any]) -> None:
    """Scores per class, and what became of pictures without the class."""
    for target, result in summary["targets"].items():
        rows = [
            [entry["name"], *(_percent(entry[score]) for score in _SCORES), str(entry["n_present"])]
            for entry in result["classes"]
        ]
        if len(rows) > 1:
            rows.append(["mean", *(_percent(result["mean"][score]) for score in _SCORES), ""])
        title = f"{target}: {summary['n_images']:,} {summary['split']} pictures"
        print_table(title, ["class", "Dice", "IoU", "precision", "recall", "present in"], rows)
        for entry in result["classes"]:
            empty = entry["n_both_empty"] + entry["n_false_alarm"]
            if empty:
                output().print(
                    f"{empty} without {entry['name']}: {entry['n_both_empty']} right, "
                    f"{entry['n_false_alarm']} false alarms"
                )
            if entry["n_missed"]:
                output().print(f"{entry['name']} missed altogether in {entry['n_missed']}")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
