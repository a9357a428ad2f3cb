"""`open`: a run in the browser: its report, and its pictures in the page that `serve` has.

Layer: workflow.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.allocator import keep_large_blocks
from limner.bundle import BUNDLE_NAME, PostStep
from limner.data.catalog import Catalog
from limner.data.folds import FOLD
from limner.data.prepare import Prepared
from limner.errors import BundleError, DataError, LimnerError
from limner.evaluation.cases import choose_cases, expected_scores, image_scores
from limner.evaluation.folds import OUT_OF_FOLD, fold_predictor
from limner.evaluation.ratings import read_ratings
from limner.evaluation.report import REPORT_NAME, render_report
from limner.evaluation.run_folder import FOLDS_NAME, POST_PROCESSING_NAME, TEST_NAME, read_run_folder
from limner.inference.predicting import Predicting
from limner.inference.scoring import ScoreTable
from limner.serving.settings import Settings
from limner.serving.shown import Rated, SampleGroup, ShownRun, State, Trouble
from limner.training.record import read_data
from limner.workflow.comparison import files_of
from limner.workflow.models import open_models
from limner.workflow.places import find_run
from limner.workflow.serve import load_server
from limner.workflow.trainer_lock import is_trained_now

_log = logging.getLogger(__name__)

_TITLES = {"test": "Test", "val": "Validation", OUT_OF_FOLD: "All, each by a model that did not see it"}
_NOTES = {
    "training": "The training has not ended.",
    "trained": "The training has ended, and was not evaluated yet.",
    "interrupted": "The training was interrupted; limner train --resume goes on with it.",
    "collapsed": "The training was stopped because the network predicted one class alone.",
    "failed": "The run ended with an error.",
}
_LEFT = "The training has not ended, and nothing on this machine trains it; limner train --resume goes on with it."
_SAMPLE = "/#picture="


def open_run(run: str | Path, settings: Settings, *, device: str = "auto", started: Callable[[str], None]) -> None:
    """Show a run in the browser until SIGINT or SIGTERM.

    A run that is still training, has failed, or whose data or model are not there, is shown as far as it goes, and the
    page says what is missing.

    Args:
        run: Run folder, or its bundle.
        settings: Address and limits.
        device: See `limner.load`.
        started: Called with the server's URL once it answers.

    Raises:
        DataError: It is no run folder, or a file of it is damaged.
        MissingExtra: The web libraries are not installed.
        ConfigError: The address cannot be listened on.
    """
    serve_models = load_server().serve_models
    keep_large_blocks()
    folder = find_run(run) or Path(run)
    shown, bundles = show_run(folder)
    steps = _fold_steps(folder)

    def open_model(path: Path) -> Predicting:
        if path.parent.parent == folder / FOLDS_NAME:
            return fold_predictor(path, steps.get(path.parent.name, ()), device=device)
        return open_models([path], device=device)

    serve_models(bundles, open_model, settings, started, shown)


def show_run(folder: Path) -> tuple[ShownRun, dict[str, Path]]:
    """What is shown of a run, and its bundles by name, of which the first is meant where none is named.

    Args:
        folder: Of the run.

    Raises:
        DataError: It is no run folder, or a file of it is damaged.
    """
    try:
        read_run_folder(folder)
    except BundleError as error:
        _log.warning("%s", error)
    name = folder.resolve().name
    bundles = {name: folder / BUNDLE_NAME}
    for bundle in sorted(folder.glob(f"{FOLDS_NAME}/*/{BUNDLE_NAME}"), key=lambda path: path.parent.name.zfill(9)):
        bundles[_fold_name(bundle.parent.name)] = bundle
    if len(bundles) > 1 and not bundles[name].is_file():
        del bundles[name]
    state, report = _StateOf(folder), _ReportOf(folder)
    try:
        data = read_data(folder)
    except DataError as error:
        _log.warning("The pictures of the run cannot be shown.\n%s", error)
        trouble = Trouble(
            "the samples of the run, in samples.csv and data.json",
            "none yet" if not (folder / "data.json").is_file() else "files that this version of Limner cannot read",
            "Open the run again once its training has begun."
            if not (folder / "data.json").is_file()
            else "See what the command says where it was typed; the report stays.",
        )
        return ShownRun(name, state, report, trouble=trouble), bundles
    groups = _groups(folder, data, name, bundles)
    catalog = data.catalog.subset([place for group in groups for place in group.places])
    shown = ShownRun(
        name,
        state,
        report,
        "score" if any(label_map.task == "regression" for label_map in data.label_maps.values()) else "Dice",
        data.catalog,
        data.label_maps,
        groups,
        _rate_table,
        _trouble(catalog),
    )
    return shown, bundles


def _fold_name(fold: str) -> str:
    return f"fold {fold}"


@dataclass(frozen=True)
class _StateOf:
    """How a run stands."""

    folder: Path

    def __call__(self) -> State:
        try:
            status = str(json.loads((self.folder / "run.json").read_text("utf-8")).get("status", ""))
        except (OSError, ValueError, AttributeError):
            status = ""
        try:
            epochs = (self.folder / "metrics.jsonl").read_bytes().count(b"\n")
        except OSError:
            epochs = 0
        left = status == "training" and not is_trained_now(self.folder)
        return State(status, epochs, _LEFT if left else _NOTES.get(status, ""))


class _ReportOf:
    """Makes the report of a run from its files, again where these have changed; in it samples lead to the page.

    Of a run whose model is of another version, the report that was written is all there is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._state: list[tuple[str, int, int]] = []
        self._page = ""

    def __call__(self) -> str:
        # Charts take seconds: who asks meanwhile waits for the same page.
        with self._lock:
            state = self._files()
            if state != self._state:
                self._page, self._state = self._make(), state
            return self._page

    def _make(self) -> str:
        try:
            return render_report(read_run_folder(self._folder), sample_link=_SAMPLE)
        except BundleError:
            written = self._folder / REPORT_NAME
            if not written.is_file():
                raise
            return written.read_text("utf-8", errors="replace")

    def _files(self) -> list[tuple[str, int, int]]:
        """What differs once a file that the report is made of was written again."""
        found = []
        for folder in (self._folder, self._folder / "evaluation", self._folder / "previews"):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                with contextlib.suppress(OSError):  # replaced in this moment
                    state = path.stat()
                    found.append((str(path), state.st_mtime_ns, state.st_size))
        return found


def _groups(folder: Path, data: Prepared, name: str, bundles: Mapping[str, Path]) -> list[SampleGroup]:
    """Test and validation samples, or those of all folds, as far as there are some."""
    splits = data.catalog.splits
    in_folds = (folder / FOLDS_NAME).is_dir() and FOLD in data.catalog.facts
    found = []
    for split in ("test", OUT_OF_FOLD) if in_folds else ("test", "val"):
        places = [i for i, own in enumerate(splits) if (own != "test" if split == OUT_OF_FOLD else own == split)]
        models = [name] * len(places)
        if split == OUT_OF_FOLD:
            models = [_fold_name(data.catalog.facts[FOLD][place]) for place in places]
        if places and set(models) <= {*bundles, name}:
            where = TEST_NAME if in_folds and split == "test" else "evaluation"
            found.append(SampleGroup(split, _TITLES[split], places, models, _RatedBy(folder / where, split)))
    return found


class _RatedBy:
    """Reads what an evaluation found of the samples of a split; again where it has changed."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder, self._split = folder, split
        self._read_at: tuple[int, int] | None = None
        self._found: Mapping[str, Rated] | None = None

    def __call__(self) -> Mapping[str, Rated] | None:
        try:
            state = (self._folder / "summary.json").stat()
        except OSError:
            return None
        at = state.st_ino, state.st_mtime_ns
        if at != self._read_at:
            self._read_at, self._found = at, self._read()
        return self._found

    def _read(self) -> Mapping[str, Rated] | None:
        try:
            split, ids, values = read_ratings(self._folder)
        except LimnerError as error:
            _log.warning("The scores of the run cannot be shown.\n%s", error)
            return None
        if split not in (self._split, "all"):
            return None
        return dict(zip(ids, _rate(values[:, 0], values[:, 1]), strict=True))


def _rate_table(table: ScoreTable) -> list[Rated]:
    return _rate(image_scores(table), expected_scores(table))


def _rate(scores: np.ndarray, expected: np.ndarray) -> list[Rated]:
    """Each image with its rank, and those that stand for others as the report chooses them."""
    kinds = {case.place: case.kind for case in choose_cases(scores, expected=expected)}
    order = [int(place) for place in np.argsort(-scores, kind="stable") if not np.isnan(scores[place])]
    ranks = {place: rank for rank, place in enumerate(order, start=1)}
    return [
        Rated(float(scores[place]), float(expected[place]), ranks.get(place, 0), kinds.get(place, ""))
        for place in range(len(scores))
    ]


def _trouble(catalog: Catalog) -> Trouble | None:
    """Why no picture can be shown; None where some can."""
    if not len(catalog):
        return Trouble("test or validation samples", "none in this run", "Its report is all there is to show.")
    files, missing = files_of(catalog.inputs, {})
    if missing:
        _log.warning("%d files of the run's samples are no longer there: '%s', …", len(missing), missing[0])
    if len(missing) < len(files):
        return None  # what is missing says so itself
    return Trouble(
        "the pictures where they were when the run was trained",
        f"none of {len(catalog):,}: '{Path(missing[0]).name}' and all others are no longer there",
        "Put the data folder back to show them here. The report and what it kept of them are shown.",
    )


def _fold_steps(folder: Path) -> dict[str, Sequence[PostStep]]:
    """What was done to the masks of each fold after the threshold, when they were scored."""
    try:
        found = json.loads((folder / POST_PROCESSING_NAME).read_text("utf-8"))["by_fold"]
        return {str(fold): [PostStep(**step) for step in steps] for fold, steps in enumerate(found)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
