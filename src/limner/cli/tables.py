"""Tables that several verbs print.

Layer: cli.
"""

from __future__ import annotations

from typing import Any

from limner.cli.console import output, print_table

_SCORES = ("dice", "iou", "precision", "recall")


def print_scores(summary: dict[str, Any]) -> None:
    """Scores per class, and what became of pictures without the class; errors of numbers."""
    for target, result in summary["targets"].items():
        if result["task"] == "regression":
            _print_errors(target, result, summary)
            continue
        # Background is nobody's question, and its scores are always high.
        classes = result["classes"] if result["task"] == "multilabel" else result["classes"][1:]
        rows = [
            [entry["name"], *(_score(entry[score]) for score in _SCORES), str(entry["n_present"])] for entry in classes
        ]
        if len(rows) > 1:
            rows.append(["mean", *(_score(result["mean"][score]) for score in _SCORES), ""])
        title = f"{target}: {summary['n_images']:,} {summary['split']} pictures".replace("  ", " ")
        print_table(title, ["class", "Dice", "IoU", "precision", "recall", "present in"], rows)
        for entry in classes:
            empty = entry["n_both_empty"] + entry["n_false_alarm"]
            if empty:
                output().print(
                    f"{empty:,} pictures without {entry['name']}: {entry['n_both_empty']:,} right, "
                    f"{entry['n_false_alarm']:,} false alarms"
                )
            if entry["n_missed"]:
                output().print(f"{entry['name']} missed altogether in {entry['n_missed']:,} pictures")


def _print_errors(target: str, result: dict[str, Any], summary: dict[str, Any]) -> None:
    unit = f" ({result['unit']})" if result["unit"] else ""
    rows = [
        [
            name,
            *(_number(result[key][error]) for error in ("rmse", "mae")),
            *(_score(result[key][error]) for error in ("abs_rel", "delta")),
        ]
        for name, key in (("mean over pictures", "mean"), ("all pixels together", "pooled"))
    ]
    title = f"{target}: {summary['n_images']:,} {summary['split']} pictures".replace("  ", " ")
    print_table(title, ["", f"RMSE{unit}", f"MAE{unit}", "AbsRel", "δ < 1.25"], rows)
    if result["n_not_positive"]:
        output().print(
            f"{result['n_not_positive']:,} of {result['n_pixels']:,} pixels are 0 or less: left out of AbsRel and δ"
        )
    if result["n_unknown"]:
        output().print(f"{result['n_unknown']:,} pictures without a known pixel of {target}: not counted")


def print_calibration(targets: dict[str, Any]) -> None:
    """Temperatures and what they do, and thresholds with their evidence."""
    rows = [
        [
            name,
            f"{found['temperature']:.3g}",
            *(f"{found[when]['ece']:.4f}" for when in ("before", "after")),
            f"{found['n_images']:,}",
        ]
        for name, found in targets.items()
    ]
    print_table("", ["target", "temperature", "ECE without", "ECE with", "pictures"], rows)
    for name, found in targets.items():
        output().print(f"{name}: {found['because']}")
        for label, choice in found["thresholds"].items():
            output().print(f"{label}: threshold {choice['threshold']:.3f}: {choice['because']}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
