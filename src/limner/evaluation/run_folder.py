"""The files of a run folder, read and checked for the report.

Layer: part of `evaluation`. A file that is absent becomes a line in `RunFolder.gaps`; a file that is
there but damaged is an error, because a report must not be quietly incomplete.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import ValidationError

from limner.bundle import BundleMeta, read_meta
from limner.errors import DataError
from limner.evaluation.case_records import CasesRecord
from limner.evaluation.experiment_records import CandidatesRecord, PostProcessingRecord, RepeatsRecord
from limner.evaluation.records import (
    AttemptRecord,
    CalibrationRecord,
    CheckRecord,
    DataRecord,
    EpochRecord,
    GroupRow,
    ImageRow,
    PlanChoice,
    Record,
    RunRecord,
    SummaryRecord,
)
from limner.types import SPLITS


@dataclass(frozen=True)
class Attempt:
    """A training that collapsed: what was seen and changed, its plan and its epochs."""

    record: AttemptRecord
    plan: dict[str, PlanChoice]
    epochs: list[EpochRecord]


@dataclass(frozen=True)
class RunFolder:
    """Everything a report shows.

    Attributes:
        path: The folder.
        name: Its name.
        run, data, plan, epochs, summary, rows, cases: Its files; empty, or None, where there is none.
        config: The text of `config.yaml`.
        splits: Samples and groups by split name.
        bundle: What `model.safetensors` says about itself.
        previews: Preview pictures by epoch.
        gaps: Sentences about what is not there.
        check: What the check of the data found; None where it was not kept.
        groups: Means of each group of images; empty where no group has several.
        in_folds: Whether it is a training in folds, which have run folders of their own.
        calibration: What its probabilities are worth; None where that was not looked at.
        post_processing: What was tried after the threshold; None where nothing was.
        ensemble: Scores of the ensemble of a training in folds on test samples; None where there are none.
        candidates: What a comparison of candidates showed; None where there was none.
        repeats: What trainings with other seeds showed; None where there were none.
        attempts: Trainings that collapsed before this one, and were begun again.
    """

    path: Path
    name: str
    run: RunRecord
    data: DataRecord
    config: str
    plan: dict[str, PlanChoice]
    splits: dict[str, tuple[int, int]]
    epochs: list[EpochRecord]
    summary: SummaryRecord | None
    rows: list[ImageRow]
    cases: CasesRecord
    bundle: BundleMeta | None
    previews: list[Path]
    gaps: tuple[str, ...]
    check: CheckRecord | None = None
    groups: Sequence[GroupRow] = ()
    in_folds: bool = False
    calibration: CalibrationRecord | None = None
    post_processing: PostProcessingRecord | None = None
    ensemble: SummaryRecord | None = None
    candidates: CandidatesRecord | None = None
    repeats: RepeatsRecord | None = None
    attempts: Sequence[Attempt] = ()


CHECK_NAME = "check.json"
CALIBRATION_NAME = "calibration.json"
POST_PROCESSING_NAME = "post_processing.json"
TEST_NAME = "evaluation-test"
"""Folder of the scores of an ensemble on test samples."""

_GROUPS = "evaluation/per_group.csv"

FOLDS_NAME: Literal["folds"] = "folds"
"""Folder of the folds' runs, where a training has some."""

REPEATS_NAME: Literal["repeats"] = "repeats"
"""Folder of the runs that differ in their seed alone; and, with the ending .json, what they showed."""

CANDIDATES_NAME: Literal["candidates"] = "candidates"
"""Folder of the runs that were compared; and, with the ending .json, what they showed."""

ATTEMPTS_NAME = "attempts"
"""Folder of trainings that collapsed before the one whose files are beside it."""

ATTEMPT_NAME = "attempt.json"
"""Of each, what was seen and what was changed after it."""

_SIGNS = ("run.json", "config.yaml", "plan.yaml", "metrics.jsonl", "samples.csv")


def read_run_folder(path: Path) -> RunFolder:
    """Read what a run left behind.

    Raises:
        DataError: `path` is not a run folder, or one of its files is damaged; the message names the file.
    """
    if not path.is_dir():
        found = "it is a file" if path.exists() else "there is nothing"
        raise DataError(
            f"a run folder at '{path}'", found, "Name the folder that a training wrote, such as runs/cells."
        )
    if not any((path / sign).is_file() for sign in _SIGNS):
        raise DataError(
            f"a run folder at '{path}', holding {', '.join(_SIGNS)}",
            "none of them is there",
            "Name the folder that a training wrote, such as runs/cells.",
        )
    gaps: list[str] = []
    reader = _Reader(path, gaps)
    summary = reader.record("evaluation/summary.json", SummaryRecord, "the model was not evaluated")
    # The plan, the epochs and the model of a training in folds are those of each fold.
    whole = not (path / FOLDS_NAME).is_dir() and not any((path / CANDIDATES_NAME).glob(f"*/{FOLDS_NAME}"))
    return RunFolder(
        path=path,
        name=path.resolve().name,
        run=reader.record("run.json", RunRecord, "status, timings, versions and machine are unknown") or RunRecord(),
        data=reader.record("data.json", DataRecord, "what the data looked like is unknown") or DataRecord(),
        config=reader.text("config.yaml", "the settings are unknown"),
        plan=reader.plan("plan.yaml") if whole else {},
        splits=_of_folds(reader.splits("samples.csv"), whole=whole),
        epochs=reader.epochs("metrics.jsonl") if whole else [],
        summary=summary,
        # Without the summary, which is written last, the rest may be of another evaluation.
        rows=reader.rows("evaluation/per_image.csv") if summary else [],
        cases=(reader.cases("evaluation/cases/cases.json") if summary else None) or CasesRecord(),
        bundle=reader.bundle("model.safetensors") if whole or (path / "model.safetensors").is_file() else None,
        previews=sorted((path / "previews").glob("epoch_*.*")),
        gaps=tuple(gaps),
        check=reader.optional(CHECK_NAME, CheckRecord),
        groups=reader.groups(_GROUPS) if summary and (path / _GROUPS).is_file() else (),
        in_folds=not whole,
        calibration=reader.optional(CALIBRATION_NAME, CalibrationRecord),
        post_processing=reader.optional(POST_PROCESSING_NAME, PostProcessingRecord),
        ensemble=None if whole else reader.optional(f"{TEST_NAME}/summary.json", SummaryRecord),
        candidates=reader.optional(f"{CANDIDATES_NAME}.json", CandidatesRecord),
        repeats=reader.optional(f"{REPEATS_NAME}.json", RepeatsRecord),
        attempts=[
            Attempt(
                reader.record(f"{ATTEMPTS_NAME}/{place.name}/{ATTEMPT_NAME}", AttemptRecord, "") or AttemptRecord(),
                reader.plan(f"{ATTEMPTS_NAME}/{place.name}/plan.yaml"),
                reader.epochs(f"{ATTEMPTS_NAME}/{place.name}/metrics.jsonl"),
            )
            for place in sorted((path / ATTEMPTS_NAME).glob("[0-9]*"))
        ],
    )


def _of_folds(splits: dict[str, tuple[int, int]], *, whole: bool) -> dict[str, tuple[int, int]]:
    """Samples that are in folds train and validate in turn."""
    return {split if whole or split != "train" else "folds": numbers for split, numbers in splits.items()}


def read_evaluation(folder: Path) -> tuple[SummaryRecord, list[ImageRow]]:
    """Read `summary.json` and `per_image.csv` of a run folder's `evaluation/`, or of a folder that holds them.

    Raises:
        DataError: There is no evaluation, or it is damaged; the message names the file.
    """
    place = folder if (folder / "summary.json").is_file() else folder / "evaluation"
    reader = _Reader(place, [])
    summary = reader.record("summary.json", SummaryRecord, "")
    if summary is None or not (place / "per_image.csv").is_file():
        raise DataError(
            f"an evaluation in '{folder}': summary.json and per_image.csv",
            "it has none" if folder.is_dir() else "there is no such folder",
            "Name a run folder, or a folder that limner evaluate -o wrote.",
        )
    return summary, reader.rows("per_image.csv")


R = TypeVar("R", bound=Record)


class _Reader:
    """Reads files below one folder; notes absent ones, refuses damaged ones."""

    def __init__(self, folder: Path, gaps: list[str]) -> None:
        self.folder = folder
        self.gaps = gaps

    def text(self, name: str, consequence: str, *, errors: str = "strict") -> str:
        path = self.folder / name
        if not path.is_file():
            self.gaps.append(f"{name} is missing: {consequence}.")
            return ""
        try:
            return path.read_text(encoding="utf-8-sig", errors=errors)
        except UnicodeDecodeError:
            raise self._damaged(name, "it is not UTF-8 text") from None
        except OSError as error:
            raise self._damaged(name, error.strerror or "it cannot be read") from None

    def record(self, name: str, kind: type[R], consequence: str) -> R | None:
        text = self.text(name, consequence)
        return self._check(name, kind, self._json(name, text)) if text else None

    def optional(self, name: str, kind: type[R]) -> R | None:
        """A record that not every run has."""
        return self.record(name, kind, "") if (self.folder / name).is_file() else None

    def plan(self, name: str) -> dict[str, PlanChoice]:
        text = self.text(name, "which choices were made automatically, and why, is unknown")
        try:
            values = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise self._damaged(name, f"it is not YAML ({getattr(error, 'problem', None) or 'unreadable'})") from None
        if not isinstance(values, dict):
            raise self._damaged(name, "it does not hold one choice per key")
        choices = {}
        for choice, entry in values.items():
            whole = entry if isinstance(entry, dict) and "value" in entry else {"value": entry}
            choices[str(choice)] = self._check(f"{name}, {choice}", PlanChoice, whole)
        return choices

    def splits(self, name: str) -> dict[str, tuple[int, int]]:
        samples: dict[str, int] = {}
        groups: dict[str, set[str]] = {}
        for row in self._csv(name, "how the samples were split is unknown"):
            split = row.get("split") or ""
            samples[split] = samples.get(split, 0) + 1
            groups.setdefault(split, set()).add(row.get("group") or row.get("id") or "")
        order = [*SPLITS, *sorted(set(samples) - set(SPLITS))]
        return {split: (samples[split], len(groups[split])) for split in order if split in samples}

    def epochs(self, name: str) -> list[EpochRecord]:
        lines = self.text(name, "no epoch was finished").rstrip("\n").split("\n")
        epochs: dict[int, EpochRecord] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except ValueError:
                if number == len(lines):
                    # A killed process may leave half a line; every line before it is whole.
                    self.gaps.append(f"The last line of {name} is cut off: the run was killed while writing it.")
                    break
                raise self._damaged(f"{name}, line {number}", "it is not JSON") from None
            epoch = self._check(f"{name}, line {number}", EpochRecord, values)
            # A resumed run may repeat an epoch; the later line is the one the weights come from.
            epochs[epoch.epoch] = epoch
        return [epochs[key] for key in sorted(epochs)]

    def rows(self, name: str) -> list[ImageRow]:
        consequence = "scores by image are unknown"
        return [
            self._check(f"{name}, line {number}", ImageRow, row)
            for number, row in enumerate(self._csv(name, consequence), start=2)
        ]

    def groups(self, name: str) -> list[GroupRow]:
        return [
            self._check(f"{name}, line {number}", GroupRow, row)
            for number, row in enumerate(self._csv(name, ""), start=2)
        ]

    def cases(self, name: str) -> CasesRecord | None:
        return self.record(name, CasesRecord, "there are no example cases")

    def bundle(self, name: str) -> BundleMeta | None:
        if not (self.folder / name).is_file():
            self.gaps.append(f"{name} is missing: no weights were kept.")
            return None
        return read_meta(self.folder / name)

    def _csv(self, name: str, consequence: str) -> Iterator[dict[str, str]]:
        # File names need not be UTF-8, and a quoted one may hold a line break.
        text = self.text(name, consequence, errors="surrogateescape")
        yield from csv.DictReader(io.StringIO(text, newline=""))

    def _json(self, name: str, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise self._damaged(name, "it is not JSON") from None

    def _check(self, name: str, kind: type[R], values: Any) -> R:
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            message = first["msg"][0].lower() + first["msg"][1:]
            raise self._damaged(name, f"{place}: {message}" if place else message) from None

    def _damaged(self, name: str, problem: str) -> DataError:
        return DataError(
            f"the files of a run as Limner wrote them, in '{self.folder}'",
            f"{name}: {problem}",
            "Restore the file, or remove it: the report then says that it is missing.",
        )
