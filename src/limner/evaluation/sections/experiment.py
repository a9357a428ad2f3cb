"""The sections on candidates that were compared, and on trainings with several seeds.

Layer: part of `evaluation`.
"""

from __future__ import annotations

from dataclasses import dataclass

from limner.evaluation import wording
from limner.evaluation.experiment_records import BehindRecord, CandidateRecord, CandidatesRecord, RepeatsRecord
from limner.evaluation.run_folder import RunFolder
from limner.evaluation.sections.class_tables import Cell

_SAMPLES = {"val": "validation", "out-of-fold": "out-of-fold"}
_SCORES = {"dice": "Dice", "iou": "IoU", "precision": "Precision", "recall": "Recall", "rmse": "RMSE", "mae": "MAE"}
_FEW_SEEDS = 5


@dataclass(frozen=True)
class CandidateTable:
    """Candidates, the best first: name, how it was written where that says more, its report, and the columns."""

    heading: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, str, str, tuple[Cell, ...]], ...]
    kept: str
    verdict: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RepeatTable:
    """Scores of each seed of one target: seed, its report, whether it was kept, and the columns; then the spread."""

    target: str
    columns: tuple[str, ...]
    lines: tuple[tuple[int, str, bool, tuple[str, ...]], ...]
    spread: tuple[tuple[str, tuple[str, ...]], ...]


def story(folder: RunFolder) -> list[str]:
    """What was chosen among, before the story of what was kept."""
    found, repeats, sentences = folder.candidates, folder.repeats, []
    if found is not None:
        images = wording.plural(found.n_images, f"{_SAMPLES.get(found.split, found.split)} image")
        sentences.append(f"{len(found.candidates)} candidates were compared on {images}; {found.kept} was kept.")
    if repeats is not None:
        sentences.append(f"Of {len(repeats.repeats)} seeds, the best in validation was kept.")
    return sentences


def score_note(folder: RunFolder) -> str:
    """What to add where the headline's samples also chose the candidate or the seed; empty where they did not."""
    if folder.summary is None or folder.summary.split not in _SAMPLES:
        return ""
    chosen = ["candidate"] * (folder.candidates is not None) + ["seed"] * (folder.repeats is not None)
    return f"The {' and the '.join(chosen)} that was kept was chosen by them, too." if chosen else ""


def candidate_table(folder: RunFolder) -> CandidateTable | None:
    """The candidates and the verdict; None where nothing was compared."""
    found = folder.candidates
    if found is None:
        return None
    measure = _SCORES.get(found.metric, found.metric)
    return CandidateTable(
        heading=f"{found.target}: {wording.plural(found.n_images, f'{_SAMPLES.get(found.split, found.split)} image')}",
        columns=(f"Mean {measure}", "Behind the best", "Trained", "Epochs", "Parameters", "Images/s in training"),
        lines=tuple(_line(entry, found.metric) for entry in found.candidates),
        kept=found.kept,
        verdict=found.verdict,
        notes=tuple(_notes(folder, found)),
    )


def _line(entry: CandidateRecord, metric: str) -> tuple[str, str, str, tuple[Cell, ...]]:
    cells = (
        Cell(_score(entry.mean, metric)),
        _behind(entry.behind_the_best),
        Cell(wording.duration(entry.seconds)),
        Cell(_epochs(entry.epochs)),
        Cell(wording.count(entry.parameters)),
        Cell(wording.number(entry.images_per_s)),
    )
    return entry.name, entry.settings if entry.settings != entry.name else "", f"{entry.folder}/report.html", cells


def _behind(behind: BehindRecord | None) -> Cell:
    if behind is None:
        return Cell("best")
    ends = (behind.low, behind.high)
    interval = "" if None in ends else f"[{wording.score(behind.low)}, {wording.score(behind.high)}]"
    return Cell(wording.score(behind.better), interval)


def _score(value: float | None, metric: str) -> str:
    return wording.number(value) if metric in ("rmse", "mae") else wording.score(value)


def _epochs(epochs: list[int]) -> str:
    if not epochs:
        return wording.DASH
    low, high = min(epochs), max(epochs)
    return f"{low}" if low == high else f"{low}–{high}"


def _notes(folder: RunFolder, found: CandidatesRecord) -> list[str]:
    """How to read the table, and what it does not tell."""
    behind = next((entry.behind_the_best for entry in found.candidates if entry.behind_the_best), BehindRecord())
    notes = [
        "All candidates were trained on the same samples, for the same time or the epochs that are set. Differences "
        f"are taken image by image; under them stand their {behind.level * 100:g} % intervals. One that holds 0 shows "
        "no difference, which is not the same as none: more images might show one.",
        "The best mean is kept whether or not the others are shown to be worse. The links lead to their reports.",
    ]
    chose = "epoch and thresholds" if folder.calibration is not None and folder.calibration.goal else "epoch"
    if found.split == "val":
        notes.append(
            f"The validation samples also chose each candidate's {chose}, so all means here are a little too good, and "
            "that of the best a little more, because it was chosen by it."
        )
        if folder.summary is not None and folder.summary.split == "test":
            notes.append("No candidate was chosen by the test samples: only the one that was kept was scored on them.")
    else:
        notes.append(
            f"Every sample was scored by a model that was not trained on it, but each fold chose its model's {chose}, "
            "and the candidate was chosen by these means: on new images expect a slightly lower score."
        )
    if folder.repeats is not None:
        notes.append(
            "Each was trained with several seeds, by whose means the candidates are ranked. The intervals count how "
            "far seeds differ, taken to be alike for all candidates."
        )
    else:
        notes.append("Each is one training: another seed gives another model, which the intervals do not know.")
    if len(found.candidates) > _SAFE:
        notes.append("Of many comparisons, about one in twenty shows a difference by chance.")
    return notes


_SAFE = 3


def repeat_tables(folder: RunFolder) -> list[RepeatTable]:
    """The scores of each seed, one table per target; none where there was one seed alone."""
    found = folder.repeats
    if found is None:
        return []
    return [_repeat_table(found, target) for target in found.spread]


def _repeat_table(found: RepeatsRecord, target: str) -> RepeatTable:
    spread = found.spread[target]
    names = [name for name in _SCORES if name in spread]
    lines = tuple(
        (
            entry.seed,
            f"{entry.folder}/report.html",
            entry.folder == found.kept,
            (wording.score(entry.validation), *(_score(entry.targets[target].get(name), name) for name in names)),
        )
        for entry in found.repeats
    )
    deviation = tuple(
        _score(spread[name].mean, name)
        + (f" ± {_score(spread[name].std, name)}" if spread[name].std is not None else "")
        for name in names
    )
    reach = tuple(f"{_score(spread[name].min, name)}–{_score(spread[name].max, name)}" for name in names)
    return RepeatTable(
        target=target,
        columns=("Validation", *(_SCORES[name] for name in names)),
        lines=lines,
        spread=(("Mean ± standard deviation", ("", *deviation)), ("Lowest to highest", ("", *reach))),
    )


def repeat_note(folder: RunFolder) -> str:
    """How to read the table of seeds."""
    found = folder.repeats
    if found is None:
        return ""
    count = len(found.repeats)
    samples = f"{_SAMPLES.get(found.split, found.split)} samples"
    few = f" Of {count} seeds the standard deviation is itself a rough number." if count < _FEW_SEEDS else ""
    return (
        f"The samples and their splits are the same; the seed of weights, order and augmentation differs. All are "
        f"scored on the {samples}; kept is the one that is best in validation, whatever its score here.{few}"
    )
