"""The report: one offline HTML page made from the files of a run folder.

Layer: part of `evaluation`. The page loads nothing, runs no script, and forbids both by its content
security policy; text from files is escaped by the template engine.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from limner._version import __version__
from limner.evaluation import wording
from limner.evaluation.case_records import CaseRecord
from limner.evaluation.embed import Embedded, embed
from limner.evaluation.run_folder import CANDIDATES_NAME, RunFolder, read_run_folder
from limner.evaluation.sections import (
    calibration,
    class_tables,
    data,
    expectation,
    experiment,
    failures,
    scores,
    training,
)
from limner.evaluation.templating import environment
from limner.files import write_bytes

REPORT_NAME = "report.html"

_MOST_PREVIEWS = 6
_FEW_CLASSES = 4  # of which the scores stand beside the name of a case
_CONTENTS = (
    ("data", "Data"),
    ("plan", "Plan"),
    ("training", "Training"),
    ("score", "Score"),
    ("candidates", "Candidates"),
    ("repeats", "Seeds"),
    ("folds", "Folds"),
    ("classes", "Classes"),
    ("distribution", "Distribution"),
    ("calibration", "Calibration"),
    ("expectation", "Expectation"),
    ("examples", "Examples"),
    ("failures", "Where it fails"),
    ("settings", "Settings"),
    ("record", "Record"),
)


def write_report(run: str | Path) -> Path:
    """Write `report.html` into a run folder, from the files found there alone.

    What the run does not have, the report says; nothing is computed again.

    Returns:
        Path of the page.

    Raises:
        DataError: `run` is not a run folder, or one of its files is damaged.
        BundleError: Its `model.safetensors` is damaged.
        OutputError: The page cannot be written.
    """
    folder = read_run_folder(Path(run))
    page = render_report(folder)
    path = folder.path / REPORT_NAME
    # File names may hold bytes that are not UTF-8; they must not keep the page from being written.
    write_bytes(path, page.encode("utf-8", errors="replace"))
    return path


def render_report(folder: RunFolder, *, sample_link: str = "") -> str:
    """The page as text.

    Args:
        folder: What it is made of.
        sample_link: Where a sample is shown, which its id ends; empty where names of samples are no links.
    """
    return _environment().get_template("report.html.j2").render(_context(folder), sample_link=sample_link)


@cache
def _environment() -> Environment:
    return environment(
        score=wording.score,
        count=wording.count,
        number=wording.number,
        share=wording.share,
        duration=wording.duration,
        plain=wording.plain,
        plural=wording.plural,
        words=wording.words,
        split_words=data.split_words,
        address=_address,
    )


def _address(name: str) -> str:
    # File names may hold bytes that are not UTF-8, which no address may.
    return quote(name, safe="", errors="replace")


def _context(folder: RunFolder) -> dict[str, Any]:
    summary = folder.summary
    targets = summary.targets if summary else {}
    sheet = folder.path / "samples.png"
    calibrations = calibration.calibrations(folder)
    present = {anchor for anchor, _ in _CONTENTS} - (set() if summary else {"classes"})
    present -= {"plan", "training"} if folder.in_folds else {"folds"}
    spread = [*scores.distributions(folder), *scores.error_distributions(folder)]
    expected = expectation.expectations(folder)
    failed, listed = failures.failures(folder), failures.listed_images(folder)
    cases = [_case(folder, case, number) for number, case in enumerate(folder.cases.cases, start=1)]
    for anchor, there in (
        ("calibration", bool(calibrations)),
        ("expectation", bool(expected)),
        ("distribution", bool(spread)),
        ("failures", bool(failed or listed)),
    ):
        present -= set() if there else {anchor}
    viewed = any(case["view"] for case in cases)
    present -= {"candidates"} if folder.candidates is None else set()
    present -= {"repeats"} if folder.repeats is None else set()
    return {
        "folder": folder,
        "version": __version__,
        "dash": wording.DASH,
        "contents": [(anchor, title) for anchor, title in _CONTENTS if anchor in present],
        "story": [*experiment.story(folder), *training.story(folder)],
        "headline": scores.headline(folder),
        "status_note": training.status_note(folder),
        "score_note": " ".join(filter(None, (scores.score_note(folder), experiment.score_note(folder)))),
        "best": training.best_epoch(folder.epochs),
        "averaged": {name: scores.averaged_classes(target) for name, target in targets.items()},
        "score_tables": {name: class_tables.target_tables(folder, name) for name in targets},
        "interval_note": class_tables.interval_note(summary) if summary else "",
        "cell": class_tables.cell,
        "candidate_table": experiment.candidate_table(folder),
        "repeat_tables": experiment.repeat_tables(folder),
        "repeat_note": experiment.repeat_note(folder),
        "folds_at": f"{CANDIDATES_NAME}/{folder.candidates.kept}/" if folder.candidates else "",
        "fold_tables": scores.fold_tables(summary) if summary else [],
        "empty_cases": {
            name: scores.empty_cases(target, summary.n_images if summary else 0) for name, target in targets.items()
        },
        "colors": data.class_colors(folder.data.label_maps),
        "distributions": spread,
        "number_notes": {
            name: scores.number_notes(target) for name, target in (summary.numbers if summary else {}).items()
        },
        "numbers": data.number_lines(folder),
        "calibrations": calibrations,
        "expectations": expected,
        "trials": expectation.trial_lines(folder.post_processing.trials) if folder.post_processing else [],
        "scales": folder.cases.scales,
        "measure": folder.cases.measure,
        "data_facts": data.data_facts(folder),
        "grouped": any(groups < samples for samples, groups in folder.splits.values()),
        "total": sum(samples for samples, _ in folder.splits.values()),
        "classes": data.class_lines(folder),
        "shown_classes": [line for line in data.class_lines(folder) if not line.background],
        "several_targets": len(folder.data.label_maps) > 1,
        "checked": folder.check is not None,
        "check_lines": data.check_lines(folder),
        "reasons": data.reasons(folder.data.label_maps),
        "sheet": embed(sheet) if sheet.is_file() else None,
        "curves": training.curves(folder),
        "attempts": training.attempt_lines(folder),
        "collapses": training.collapse_words(folder),
        "previews": _previews(folder),
        # What is right is not coloured in layers.
        "legend": [entry for entry in folder.cases.legend if not (viewed and entry.name == "hit")],
        "lines": folder.cases.lines if viewed else [],
        "own_colors": viewed and all(line.color for line in folder.cases.lines),
        "cases": cases,
        "most_layers": max((len(case["view"]["layers"]) for case in cases if case["view"]), default=0),
        "anchors": {case["case"].id: case["anchor"] for case in cases},
        "failures": failed,
        "listed": listed,
        "model_facts": training.model_facts(folder),
        "licences": training.licences(folder),
        "hashes": training.hashes(folder),
        "timings": training.timings(folder),
        "machine": training.named_values(folder.run.machine),
        "versions": training.named_values({"limner": folder.run.limner, **folder.run.versions}),
    }


def _previews(folder: RunFolder) -> list[tuple[str, Embedded]]:
    """A few preview pictures from the first to the last, close together at the start, where most changes."""
    paths = folder.previews
    last = len(paths) - 1
    chosen = {round(last * (step / (_MOST_PREVIEWS - 1)) ** 2) for step in range(_MOST_PREVIEWS)} if paths else set()
    return [(training.preview_name(paths[index].stem), embed(paths[index])) for index in sorted(chosen)]


def _case(folder: RunFolder, case: CaseRecord, number: int) -> dict[str, Any]:
    view = _view(folder, case)
    panels = [
        {"name": panel.name, "picture": _picture(folder, panel.file)}
        for panel in case.panels
        if panel.beside or view is None
    ]
    return {
        "case": case,
        "anchor": f"case-{number}",
        "view": view,
        "panels": panels,
        "details": scores.case_details(case),
        "few": sum(len(classes) for classes in case.scores.values()) <= _FEW_CLASSES,
    }


def _view(folder: RunFolder, case: CaseRecord) -> dict[str, Any] | None:
    """The picture and its layers; None where there are none, or the picture is missing."""
    picture = _picture(folder, case.view.file) if case.view else None
    if case.view is None or picture is None:
        return None
    lines = {line.name: line for line in folder.cases.lines}
    layers = [
        {
            "name": layer.name,
            "kind": layer.kind,
            "shown": layer.shown,
            "line": lines.get(layer.kind),
            "picture": _picture(folder, layer.file),
        }
        for layer in case.view.layers
    ]
    return {"picture": picture, "layers": [layer for layer in layers if layer["picture"]]}


def _picture(folder: RunFolder, file: str) -> Embedded | None:
    # The name alone: a record must not reach outside the folder of cases.
    path = folder.path / "evaluation" / "cases" / Path(file).name
    return embed(path) if path.is_file() else None
