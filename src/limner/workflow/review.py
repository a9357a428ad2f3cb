"""`review`: masks that a run's models doubt, ranked, to be looked at by a person.

Layer: workflow.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limner.allocator import keep_large_blocks
from limner.bundle import BUNDLE_NAME
from limner.data.catalog import Catalog
from limner.data.decisions import read_decisions
from limner.data.digests import catalog_digest
from limner.data.folds import FOLD, fold_count
from limner.data.prepare import Prepared
from limner.errors import ConfigError, DataError, OutputError
from limner.evaluation.review import EVIDENCE, TABLE_NAME, Doubt, look, rank, write_tables
from limner.evaluation.review_page import Panel, draw, write_review_page
from limner.evaluation.run_folder import FOLDS_NAME
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.scoring import score
from limner.training.record import read_data
from limner.types import Progress, no_progress
from limner.workflow.folds import fold_folder
from limner.workflow.places import bundle_path

_SPLITS = ("val", "test", "train")
_SHOWN_SHARE = 0.1
_MOST_SHOWN = 50


@dataclass(frozen=True)
class Reviewed:
    """What `review` found.

    Attributes:
        table: `review.csv`, to be filled in, for `train --review`.
        page: The page with pictures.
        rows: The lines of the table, the most doubtful first.
        shown: How many samples the page shows.
    """

    table: Path
    page: Path
    rows: Sequence[Mapping[str, Any]]
    shown: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"table": str(self.table), "page": str(self.page), "shown": self.shown, "samples": list(self.rows)}


@dataclass(frozen=True, eq=False)
class _Part:
    """Samples that one model looks at, and what its predictions of them are worth."""

    bundle: Path
    catalog: Catalog
    evidence: str


def review(
    run: str | Path,
    *,
    split: str | None = None,
    out: str | Path | None = None,
    show: int | None = None,
    device: str = "auto",
    progress: Progress = no_progress,
) -> Reviewed:
    """Rank a run's samples by how confidently its models contradict their masks.

    Of a training in folds every sample is looked at by the model that did not see it; of any other run its
    validation and test samples, and with `split="all"` the training samples too, which are weaker evidence,
    because the network has learned their masks.

    Args:
        run: Run folder.
        split: `val`, `test` or `all`.
        out: Page to write; `review.csv` and `regions.csv` lie beside it. Default: `review/review.html` in the run.
        show: Samples on the page. Default: a tenth, but at most 50.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: Told of the progress.

    Raises:
        LimnerError: See `limner.errors`.
    """
    keep_large_blocks()
    folder = Path(run)
    data = read_data(folder)
    if all(label_map.task == "regression" for label_map in data.label_maps.values()):
        raise DataError(
            "a target with classes to review", "targets of numbers alone", "Look at their errors: limner show."
        )
    parts = _parts(folder, data, split)
    page = Path(out) if out is not None else folder / "review" / "review.html"
    _spare_decisions(page.parent / TABLE_NAME)
    doubts = _look(parts, data, device, progress)
    ranked = rank(doubts)
    rows = write_tables(page.parent, ranked, data.catalog, data.label_maps)
    count = min(_MOST_SHOWN, max(1, round(_SHOWN_SHARE * len(ranked)))) if show is None else show
    panels = _draw(ranked[:count], parts, data, device)
    write_review_page(
        page,
        folder.resolve().name,
        rows,
        panels,
        data.label_maps,
        data_hash=catalog_digest(data.catalog),
        command=f"limner train DATA --review {TABLE_NAME}",
    )
    return Reviewed(page.parent / TABLE_NAME, page, rows, len(panels))


def _spare_decisions(table: Path) -> None:
    """Refuse to write over what a person decided."""
    if not table.is_file():
        return
    decided = sum(bool(row.decision) for row in read_decisions(table).values())
    if decided:
        raise OutputError(
            f"no decisions at '{table}', which is to be written anew",
            f"{decided:,} samples are marked there",
            "Name another page with --out, or move that file.",
        )


def _parts(folder: Path, data: Prepared, split: str | None) -> list[_Part]:
    if split not in (None, "val", "test", "all"):
        raise ConfigError("val, test or all", repr(split), "Change --split.")
    catalog = data.catalog
    if (folder / FOLDS_NAME).is_dir():
        return _fold_parts(folder, catalog, split)
    splits = {None: ("val", "test"), "all": _SPLITS}.get(split, (split,))
    bundle = bundle_path(folder)
    parts = [_Part(bundle, catalog.subset(catalog.indices(str(name))), EVIDENCE[str(name)]) for name in splits]
    parts = [part for part in parts if len(part.catalog)]
    if not parts:
        raise DataError(f"{split} samples in the run", "there are none", "Choose another --split.")
    return parts


def _fold_parts(folder: Path, catalog: Catalog, split: str | None) -> list[_Part]:
    if split not in (None, "all"):
        raise ConfigError(
            "a run without folds", f"--split {split} with one that has", "Leave it out: all are reviewed."
        )
    column = np.array(catalog.facts[FOLD])
    parts = []
    for fold in range(fold_count(catalog)):
        bundle = fold_folder(folder, fold) / BUNDLE_NAME
        if not bundle.is_file():
            raise DataError(
                f"the models of all {fold_count(catalog)} folds in '{folder}'",
                f"fold {fold} has none yet",
                f"Finish the training: limner train --resume {shlex.quote(str(folder))}",
            )
        parts.append(_Part(bundle, catalog.subset(np.flatnonzero(column == str(fold))), EVIDENCE["fold"]))
    tests = catalog.subset(catalog.indices("test"))
    # No fold saw the test samples; the first one looks at them.
    return [*parts, _Part(parts[0].bundle, tests, EVIDENCE["test"])] if len(tests) else parts


def _look(parts: Sequence[_Part], data: Prepared, device: str, progress: Progress) -> list[Doubt]:
    total, done = sum(len(part.catalog) for part in parts), 0
    doubts: list[Doubt] = []
    for number, part in enumerate(parts):

        def tell(count: int, _: int, before: int = done) -> None:
            progress("review", before + count, total)

        predictor = Predictor.from_file(part.bundle, device=device)
        doubts += look(predictor, part.catalog, data.label_maps, model=number, evidence=part.evidence, progress=tell)
        done += len(part.catalog)
    return doubts


def _draw(chosen: Sequence[Doubt], parts: Sequence[_Part], data: Prepared, device: str) -> dict[str, list[Panel]]:
    """Pictures of some samples, predicted once more: so none but these is ever held."""
    panels: dict[str, list[Panel]] = {}
    for number, part in enumerate(parts):
        own = {doubt.id: doubt for doubt in chosen if doubt.model == number}
        if own:
            panels |= _draw_part(own, part, data, device)
    return panels


def _draw_part(own: Mapping[str, Doubt], part: _Part, data: Prepared, device: str) -> dict[str, list[Panel]]:
    catalog = part.catalog.subset([index for index, name in enumerate(part.catalog.ids) if name in own])
    predictor = Predictor.from_file(part.bundle, device=device)
    inputs = predictor.meta.inputs.parts
    panels: dict[str, list[Panel]] = {}

    def keep(index: int, picture: np.ndarray, truth: Mapping[str, np.ndarray], prediction: Prediction) -> None:
        doubt = own[catalog.ids[index]]
        label_map = data.label_maps[doubt.target]
        panels[doubt.id] = draw(picture, truth[doubt.target], prediction, doubt, label_map, inputs)

    score(predictor, catalog, data.label_maps, on_prediction=keep)
    return panels
