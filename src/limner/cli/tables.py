"""Tables that several verbs print.

Layer: cli.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.cli.console import output, print_table
from limner.evaluation.wording import step_words

_FOLD_SCORES = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "rmse": "RMSE",
    "mae": "MAE",
}
_ERRORS = ("rmse", "mae", "abs_rel", "silog", "delta")
_DETAILS = {
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "boundary_iou": "boundary IoU",
    "object_f1": "object F1",
    "assd": "ASSD",
    "area_error": "area error",
}


def print_scores(summary: dict[str, Any]) -> None:
    """Scores per class with their intervals, and what became of pictures without the class; errors of numbers."""
    for target, result in summary["targets"].items():
        if result["task"] == "regression":
            _print_errors(target, result, summary)
            continue
        # Background is nobody's question, and its scores are always high.
        classes = result["classes"] if result["task"] == "multilabel" else result["classes"][1:]
        named = [(entry["name"], entry, str(entry["n_present"])) for entry in classes]
        if len(classes) > 1:
            named.append(("mean", {**result["mean"], "intervals": result["intervals"]}, ""))
        _print_means(target, named, summary)
        _print_details(named, summary)
        for entry in classes:
            _print_cases(entry)
    _print_intervals(summary)


def _print_means(target: str, named: list[tuple[str, dict[str, Any], str]], summary: dict[str, Any]) -> None:
    distances = summary.get("distances")
    headings = {"dice": "Dice", "iou": "IoU"}
    if distances:
        unit = distances["unit"]
        headings |= {"nsd": f"NSD at {distances['tolerance']:g} {unit}", "hd95": f"HD95 ({unit})"}
    rows = [[name, *(_with_interval(entry, metric) for metric in headings), there] for name, entry, there in named]
    title = f"{target}: {summary['n_images']:,} {summary['split']} pictures".replace("  ", " ")
    print_table(title, ["class", *headings.values(), "present"], rows)


def _print_details(named: list[tuple[str, dict[str, Any], str]], summary: dict[str, Any]) -> None:
    """A line of further means per class: a table of so many columns would not fit a terminal."""
    unit = summary.get("distances", {}).get("unit", "px")
    for name, entry, _ in named:
        parts = [
            f"{heading} {_cell(metric, entry[metric])}{f' {unit}' if metric == 'assd' else ''}"
            for metric, heading in _DETAILS.items()
            if metric in entry
        ]
        output().print(f"{name}: {', '.join(parts)}")


def _print_cases(entry: dict[str, Any]) -> None:
    empty = entry["n_both_empty"] + entry["n_false_alarm"]
    if empty:
        output().print(
            f"{empty:,} pictures without {entry['name']}: {entry['n_both_empty']:,} right, "
            f"{entry['n_false_alarm']:,} false alarms"
        )
    if entry["n_missed"]:
        output().print(f"{entry['name']} missed altogether in {entry['n_missed']:,} pictures")


def _print_intervals(summary: dict[str, Any]) -> None:
    """What the numbers in brackets are, or why there are none."""
    made = summary["intervals"]
    over, fewest, rough = made["over"], made["fewest"], made["rough"]
    main = ("dice", "rmse")
    counts = [
        target["intervals"][metric]["n"]
        for target in summary["targets"].values()
        for metric in main
        if metric in target["intervals"]
    ]
    most = max(counts, default=0)
    if most < fewest:
        output().print(
            f"No intervals: at least {fewest} {over} are needed, there {'is' if most == 1 else 'are'} {most:,}."
        )
        return
    said = f"Under the means: their {made['level'] * 100:g} % intervals, over {most:,} {over}"
    output().print(f"{said}; rough, as there are fewer than {rough}." if most < rough else f"{said}.")


def print_folds(summary: dict[str, Any]) -> None:
    """Scores of each fold by its own model, and how far they differ."""
    for target, spread in summary["spread"].items():
        names = [name for name in _FOLD_SCORES if name in spread]
        rows = [
            [
                str(fold["fold"]),
                f"{fold['n_images']:,}",
                *(_cell(name, fold["targets"][target][name]) for name in names),
            ]
            for fold in summary["folds"]
        ]
        rows += [
            [what, "", *(_cell(name, spread[name][key]) for name in names)]
            for what, key in (("mean", "mean"), ("std. deviation", "std"))
        ]
        print_table(f"{target}: each fold", ["fold", "pictures", *(_FOLD_SCORES[name] for name in names)], rows)


def print_ensemble(found: Mapping[str, Any]) -> None:
    """Steps after the threshold that folds ask for, and scores of their ensemble, where there are some."""
    taken = [trial for trial in found.get("post_processing", {}).get("trials", ()) if trial["taken"]]
    for trial in taken:
        step = step_words(trial["step"], trial.get("area", 0))
        ends = f"95 % interval for all steps together {trial['low']:+.3f} to {trial['high']:+.3f}"
        output().print(f"After the threshold: {trial['class']}: {step} (Dice {trial['better']:+.3f}, {ends})")
    summary = found.get("ensemble") or {}
    for target, result in summary.get("targets", {}).items():
        metric = "rmse" if result["task"] == "regression" else "dice"
        mean, ends = _cell(metric, result["mean"][metric]), _interval(result, metric).replace("\n", " ")
        pictures = f"{summary['n_images']:,} test pictures"
        output().print(f"Ensemble of the folds: {target}: {metric.capitalize()} {mean}{ends} on {pictures}")


def _print_errors(target: str, result: dict[str, Any], summary: dict[str, Any]) -> None:
    unit = f" ({result['unit']})" if result["unit"] else ""
    rows = [
        [
            name,
            *(_cell(error, result[key][error]) + _interval(result, error, key) for error in _ERRORS),
        ]
        for name, key in (("mean over pictures", "mean"), ("all pixels together", "pooled"))
    ]
    title = f"{target}: {summary['n_images']:,} {summary['split']} pictures".replace("  ", " ")
    print_table(title, ["", f"RMSE{unit}", f"MAE{unit}", "AbsRel", "SILog", "δ < 1.25"], rows)
    if result["n_not_positive"]:
        output().print(
            f"{result['n_not_positive']:,} of {result['n_pixels']:,} pixels are 0 or less: left out of AbsRel and δ"
        )
    if result["n_without_log"]:
        output().print(f"{result['n_without_log']:,} pixels are predicted to be 0 or less: left out of SILog")
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


def _with_interval(entry: dict[str, Any], metric: str) -> str:
    return _cell(metric, entry[metric]) + _interval(entry, metric)


def _interval(entry: dict[str, Any], metric: str, key: str = "mean") -> str:
    interval = entry["intervals"].get(metric, {})
    if key != "mean" or interval.get("low") is None:
        return ""
    # On a line of its own, and without a space, so that a narrow terminal does not break it.
    return f"\n{_cell(metric, interval['low'])}–{_cell(metric, interval['high'])}"


def _cell(metric: str, value: float | None) -> str:
    if value is None:
        return "–"
    if metric == "area_error":
        return f"{value * 100:+.1f} %"
    return f"{value:.4g}" if metric in ("rmse", "mae", "hd95", "assd") else f"{value:.3f}"
