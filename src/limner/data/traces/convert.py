"""From experts' traced copies to a folder of masks.

Layer: data, above all of `traces`.

    OUT/images/original/NAME.png     the untraced picture
    OUT/images/INK/NAME.png          0 and 255, a folder for each ink
    OUT/experts/EXPERT/INK/NAME.png  further experts' masks of pictures that several traced
    OUT/unfinished/NAME.png          where a stroke is open, for each picture that has no masks
    OUT/sheets/sheet_001.png         traces beside masks, the doubtful ones first
    OUT/tracings.csv                 what became of every stroke
    OUT/agreement.csv                Dice between experts
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.data.digests import digest, digest_text
from limner.data.traces.agreement import Agreement, agreement_table
from limner.data.traces.experts import Expert, Pair, find_experts
from limner.data.traces.finished import METHOD, forget_finished
from limner.data.traces.inks import Ink
from limner.data.traces.picture import TracedPicture, Tracing, read_picture
from limner.data.traces.sheets import Tile, make_sheets, make_tile, mark_open
from limner.errors import OutputError
from limner.files import require_empty, write_bytes, write_text
from limner.images import natural_key, write_image
from limner.threads import ordered_map
from limner.types import Progress

# In a folder while it is being filled.
_MARK = ".unfinished"
_COLUMNS = ["picture", "expert", "state", "ink", "structure", "area", "doubts"]


@dataclass(frozen=True)
class Outcome:
    """What became of one tracing.

    Attributes:
        picture: Its name.
        expert: Who drew it; `""` if there is but one.
        state: `used` for training; `second`, where another expert's is used; `unfinished`; `failed`.
        notes: Doubts, how the copy was moved, or why it failed.
    """

    picture: str
    expert: str
    state: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Converted:
    """What `convert_traces` did.

    Attributes:
        outcomes: One per tracing.
        agreements: Between experts.
        untouched: Originals that nobody traced.
        sheets: Contact sheets.
    """

    outcomes: tuple[Outcome, ...]
    agreements: tuple[Agreement, ...]
    untouched: tuple[str, ...]
    sheets: tuple[Path, ...]

    def of(self, *states: str) -> list[Outcome]:
        """Outcomes in these states."""
        return [outcome for outcome in self.outcomes if outcome.state in states]


def convert_traces(
    traced: str | Path,
    out: Path,
    *,
    inks: Sequence[Ink],
    originals: str | Path | None = None,
    gap: float = 6.0,
    progress: Progress,
) -> Converted:
    """Fill the outlines of all traced copies.

    A conversion that was interrupted goes on in the same folder: tracings that were finished are kept in
    the cache by content.

    Args:
        traced: Folder or zip of traced copies, with or without their originals; see `find_experts`.
        out: A new or empty folder, or one in which the same conversion was interrupted.
        inks: Colours and what they outline.
        originals: Folder or zip of untraced originals.
        gap: Gaps up to this many pixels are closed.
        progress: Told of the progress.

    Raises:
        DataError: Nothing is there, copies have no original, or originals differ under one name.
        OutputError: `out` holds something, or cannot be written.
    """
    if not (out / _MARK).is_file():
        require_empty(out)
    experts = find_experts(traced, originals)
    by_picture = _by_picture(experts)
    _begin(out, by_picture, inks, gap)
    outcomes: list[Outcome] = []
    agreements: list[Agreement] = []
    tiles: list[Tile] = []
    lines: list[list[str]] = []
    pictures = ordered_map(lambda item: read_picture(item[0], item[1], inks, gap=gap), by_picture.items())
    for number, picture in enumerate(pictures, start=1):
        agreements += picture.agreements
        for tracing in picture.tracings:
            outcome = _outcome(picture, tracing)
            _write(picture, tracing, outcome.state, inks, out)
            outcomes.append(outcome)
            lines += _lines(picture, tracing, outcome, inks)
            tiles.append(make_tile(picture, tracing, inks, outcome.notes))
        progress("trace", number, len(by_picture))
    write_text(out / "tracings.csv", _table(lines))
    if agreements:
        write_text(out / "agreement.csv", agreement_table(agreements))
    sheets = make_sheets(tiles, inks)
    paths = [out / "sheets" / f"sheet_{number:03d}.png" for number in range(1, len(sheets) + 1)]
    for path, sheet in zip(paths, sheets, strict=True):
        write_bytes(path, sheet)
    (out / _MARK).unlink()
    forget_finished()
    untouched = set.intersection(*(set(expert.untouched) for expert in experts))
    return Converted(tuple(outcomes), tuple(agreements), tuple(sorted(untouched, key=natural_key)), tuple(paths))


def _begin(out: Path, by_picture: Mapping[str, Mapping[str, Pair]], inks: Sequence[Ink], gap: float) -> None:
    """Mark a folder as that of this conversion until it is finished."""
    pairs = [pair for tracings in by_picture.values() for pair in tracings.values()]
    names = [(name, list(tracings)) for name, tracings in by_picture.items()]
    contents = digest([location for pair in pairs for location in (pair.traced, pair.untraced)])
    key = digest_text(json.dumps([METHOD, names, contents, [dataclasses.astuple(ink) for ink in inks], gap]))
    mark = out / _MARK
    if mark.is_file() and mark.read_text(encoding="utf-8") != key:
        raise OutputError(
            f"a new or empty folder at '{out}'",
            "it holds an interrupted conversion of other files, or with other settings",
            "Choose another folder, or remove this one.",
        )
    write_text(mark, key)


def inks_of_table(text: str) -> dict[str, str]:
    """Ink → structure, in order, of a table that `convert_traces` wrote; nothing of any other."""
    lines = csv.DictReader(io.StringIO(text))
    if list(lines.fieldnames or ()) != _COLUMNS:
        return {}
    return {line["ink"]: line["structure"] for line in lines}


def _by_picture(experts: Sequence[Expert]) -> dict[str, dict[str, Pair]]:
    """Picture → expert → pair, in natural order."""
    grouped: dict[str, dict[str, Pair]] = {}
    for expert in experts:
        for pair in expert.pairs:
            grouped.setdefault(pair.name, {})[expert.name] = pair
    return {name: grouped[name] for name in sorted(grouped, key=natural_key)}


def _outcome(picture: TracedPicture, tracing: Tracing) -> Outcome:
    if tracing.problem is not None:
        return Outcome(picture.name, tracing.expert, "failed", (tracing.problem.found,))
    state = "unfinished" if not tracing.complete else "used" if tracing is picture.used else "second"
    notes = [doubt.text for doubt in tracing.doubts]
    if tracing.placement is not None:
        notes.append(f"the copy was moved: {tracing.placement}")
    return Outcome(picture.name, tracing.expert, state, tuple(notes))


def _write(picture: TracedPicture, tracing: Tracing, state: str, inks: Sequence[Ink], out: Path) -> None:
    if state in ("failed", "unfinished"):
        if tracing.traced is not None:
            name = f"{picture.name}_{tracing.expert}" if tracing.expert else picture.name
            write_image(out / "unfinished" / f"{name}.png", mark_open(tracing.traced, tracing.doubts))
        return
    place = out / "images" if state == "used" else out / "experts" / tracing.expert
    if state == "used" and picture.untraced is not None:
        write_image(place / "original" / f"{picture.name}.png", picture.untraced)
    for ink in inks:
        mask = tracing.results[ink.name].mask
        if mask is not None:
            write_image(place / ink.name / f"{picture.name}.png", mask.astype(np.uint8) * 255)


def _lines(picture: TracedPicture, tracing: Tracing, outcome: Outcome, inks: Sequence[Ink]) -> list[list[str]]:
    start = [picture.name, tracing.expert, outcome.state]
    if tracing.problem is not None:
        return [[*start, ink.name, ink.structure, "", tracing.problem.found] for ink in inks]
    lines = []
    for ink in inks:
        result = tracing.results[ink.name]
        area = "" if result.mask is None else str(int(result.mask.sum()))
        lines.append([*start, ink.name, ink.structure, area, "; ".join(doubt.text for doubt in result.doubts)])
    return lines


def _table(lines: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(lines)
    return stream.getvalue()
