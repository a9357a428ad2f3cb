"""What a person decided about samples after a review: the table `review.csv`, and what follows from it.

Layer: data. Imports no torch. The table may be edited in a spreadsheet: of its columns `id`, `decision` and the
two fingerprints are read, whatever their order.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from limner.data.catalog import Catalog
from limner.data.digests import is_stated
from limner.errors import DataError, did_you_mean, shorten

KEEP, DROP, FIX = DECISIONS = ("keep", "drop", "fix")
"""Kept and dropped samples; and those kept until their mask is mended."""

COLUMNS = ("id", "decision", "hash", "target_hash")
"""Columns that are read."""

_REVIEW = "Give the review.csv of limner review, saved as CSV in UTF-8."
_NAMED = 20


@dataclass(frozen=True)
class Decided:
    """One line of the table: the decision, empty where there is none, and fingerprints of picture and masks."""

    decision: str
    hash: str
    target_hash: str


def read_decisions(path: str | Path) -> dict[str, Decided]:
    """Decisions by sample id.

    Raises:
        DataError: The file cannot be read, lacks a column, has an id twice, or a decision that there is not.
    """
    rows = _rows(Path(path))
    decided: dict[str, Decided] = {}
    for number, row in enumerate(rows, start=2):
        name, decision, *digests = ((row.get(column) or "").strip() for column in COLUMNS)
        if decision.lower() not in ("", *DECISIONS):
            raise DataError(
                f"keep, drop, fix or nothing in the column 'decision' of '{path}'",
                f"'{decision}' in row {number}, for '{name}'",
                f"{did_you_mean(decision.lower(), DECISIONS)}Correct the cell.",
            )
        if name in decided:
            raise DataError(
                f"every sample once in '{path}'", f"'{name}' again in row {number}", "Remove one of the two."
            )
        decided[name] = Decided(decision.lower(), *digests)
    return decided


def dropped(catalog: Catalog, decided: Mapping[str, Decided], path: str | Path) -> tuple[list[int], list[str]]:
    """Positions of the samples that decisions leave out, and notes on all decisions.

    Args:
        catalog: The samples, with the facts `hash` and `target_hash`.
        decided: As `read_decisions` gives them.
        path: Where they stand.

    Raises:
        DataError: The table is of other data: an id that there is not, or a picture that differs; or a mask
            has changed since it was marked `drop`.
    """
    place = {name: index for index, name in enumerate(catalog.ids)}
    unknown = [name for name in decided if name not in place]
    if unknown:
        raise DataError(
            f"samples of the data in '{path}'",
            f"{len(unknown):,} of {len(decided):,} ids are none, such as '{unknown[0]}'",
            "Give the review of a run on these data, or take out the rows of samples that are gone.",
            details=shorten(unknown),
        )
    _check_same(catalog, decided, place, path)
    gone = [place[name] for name, row in decided.items() if row.decision == DROP]
    return sorted(gone), _notes(catalog, decided, path)


def _check_same(catalog: Catalog, decided: Mapping[str, Decided], place: Mapping[str, int], path: str | Path) -> None:
    pictures, masks = (catalog.facts[name] for name in ("hash", "target_hash"))
    other = [name for name, row in decided.items() if _differ(row.hash, pictures[place[name]])]
    if other:
        raise DataError(
            f"the pictures that were reviewed, by the column 'hash' of '{path}'",
            f"{len(other):,} differ, such as '{other[0]}'",
            "Review a run on these data.",
            details=shorten(other),
        )
    mended = [
        name for name, row in decided.items() if row.decision == DROP and _differ(row.target_hash, masks[place[name]])
    ]
    if mended:
        raise DataError(
            f"samples marked drop in '{path}' with the masks that were reviewed",
            f"{len(mended):,} masks have changed since, such as that of '{mended[0]}'",
            "Mark them keep if they were mended; else review again.",
            details=shorten(mended),
        )


def _differ(known: str, found: str) -> bool:
    """Whether two fingerprints tell apart; those that only state sizes and times say nothing about contents."""
    return known != found and is_stated(known) == is_stated(found)


def _notes(catalog: Catalog, decided: Mapping[str, Decided], path: str | Path) -> list[str]:
    counts = Counter(row.decision for row in decided.values())
    unseen = len(catalog) - len(decided)
    parts = [f"{counts[DROP]:,} dropped", f"{counts[KEEP]:,} kept", f"{counts['']:,} undecided and kept"]
    parts += [f"{unseen:,} not listed and kept"] if unseen else []
    notes = [f"Review '{Path(path).name}': {', '.join(parts)}."]
    for decision, text in ((DROP, "Dropped"), (FIX, "Marked fix, and used as they are")):
        names = [name for name, row in decided.items() if row.decision == decision]
        if names:
            notes.append(f"{text}: {len(names):,} ({', '.join(shorten(names, _NAMED))}).")
    return notes


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        # utf-8-sig: spreadsheet programs put a byte-order mark in front. Names need not be UTF-8.
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"a review at '{path}'", error.strerror or "it cannot be read", _REVIEW) from None
    first = text.partition("\n")[0]
    # Spreadsheets of some countries write semicolons, and others tabs.
    separator = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"the columns {', '.join(COLUMNS)} in '{path}'", f"no '{missing[0]}'", f"{_REVIEW} Keep all its columns."
        )
    try:
        return [row for row in reader if any(value for key, value in row.items() if key is not None)]
    except csv.Error as error:
        raise DataError(f"a review at '{path}'", str(error), _REVIEW) from None
