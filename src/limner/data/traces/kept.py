"""Traced copies that are trained on directly: converted once, and kept with Limner's cache.

Layer: data, above `convert`.

    CACHE/traces/KEY/    what `convert_traces` writes; the key is that of all contents, names and settings
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner.data.cache import default_cache_dir
from limner.data.cache_folder import EntryLock, building_path, remove
from limner.data.digests import digest, digest_text
from limner.data.layouts.listing import Listing
from limner.data.traces.agreement import mean_dice
from limner.data.traces.convert import Converted, convert_traces
from limner.data.traces.finished import METHOD
from limner.data.traces.inks import Ink
from limner.errors import shorten
from limner.files import write_text
from limner.types import Progress

_SUMMARY = "summary.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """A converted folder.

    Attributes:
        folder: Where it is.
        unfinished: Tracings without masks, and why, a line each.
        notes: What is worth knowing, a sentence each.
    """

    folder: Path
    unfinished: tuple[str, ...]
    notes: tuple[str, ...]


def keep_converted(
    listing: Listing, *, inks: Sequence[Ink], gap: float, originals: str | None, progress: Progress
) -> Kept:
    """The masks of a place's traced copies: those made before of the same contents, else made now.

    Args:
        listing: What lies at the place.
        inks: As for `convert_traces`.
        gap: Likewise.
        originals: Likewise.
        progress: Likewise.

    Raises:
        DataError: As `convert_traces`.
        OutputError: The cache folder cannot be written.
    """
    place = listing.source.place
    locations = [listing.source.location(name) for name in listing.pictures]
    if originals is not None:
        other = Listing.open(originals if Path(originals).exists() else Path(place) / originals)
        locations += [other.source.location(name) for name in other.pictures]
    settings = [(ink.name, ink.color, ink.structure) for ink in inks]
    key = digest_text(json.dumps([METHOD, listing.pictures, digest(locations), settings, gap, originals]))
    folder = default_cache_dir() / "traces"
    lock = EntryLock(folder, key)
    try:
        lock.own()
        if not (folder / key / _SUMMARY).is_file():
            _log.info("turning %d traced and untraced pictures into masks", len(locations))
            building = building_path(folder, key)
            remove(building)
            result = convert_traces(place, building, inks=inks, originals=originals, gap=gap, progress=progress)
            write_text(building / _SUMMARY, json.dumps(_summary(result)))
            remove(folder / key)
            building.rename(folder / key)
    finally:
        lock.close()
    summary = json.loads((folder / key / _SUMMARY).read_text(encoding="utf-8"))
    return Kept(folder / key, tuple(summary["unfinished"]), _notes(summary, folder / key))


def _summary(result: Converted) -> dict[str, Any]:
    lost = result.of("unfinished", "failed")
    return {
        "used": len(result.of("used")),
        "doubtful": sum(bool(outcome.notes) for outcome in result.of("used", "second")),
        "unfinished": [f"{one.picture} {one.expert}".strip() + f": {'; '.join(one.notes)}" for one in lost],
        "untouched": list(result.untouched),
        "agreement": mean_dice(result.agreements),
    }


def _notes(summary: dict[str, Any], folder: Path) -> tuple[str, ...]:
    notes = [f"Traced copies were turned into masks; look at the sheets in '{folder / 'sheets'}', doubtful ones first."]
    doubtful, lost, untouched = summary["doubtful"], summary["unfinished"], summary["untouched"]
    if doubtful:
        notes.append(f"Tracings that were filled with doubts: {doubtful:,}.")
    if lost:
        notes.append(f"Tracings that are open or failed, left out: {len(lost):,}, such as {shorten(lost, 1)[0]}.")
    if untouched:
        notes.append(f"Originals that nobody traced, left out: {len(untouched):,}.")
    if summary["agreement"]:
        dice = ", ".join(f"{name} {value:.3f}" for name, (value, _) in summary["agreement"].items())
        notes.append(f"Two experts agree with a Dice of {dice}; a model can hardly do better.")
    return tuple(notes)
