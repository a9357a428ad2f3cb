"""Annotations that are trained on directly: drawn once, and kept with Limner's cache.

Layer: data, above `convert`.

    CACHE/annotations/KEY/    what `convert_annotations` writes; the key is that of all contents, names and wishes
"""

from __future__ import annotations

import json
import logging
from dataclasses import astuple, dataclass
from pathlib import Path

from limner.data.annotations.convert import Wishes, convert_annotations
from limner.data.annotations.doubts import KINDS, count_doubts
from limner.data.annotations.names import CONVERSION
from limner.data.annotations.output import Converted, describe
from limner.data.annotations.places import open_place
from limner.data.cache import default_cache_dir
from limner.data.cache_folder import EntryLock, remove
from limner.data.digests import digest, digest_text, stated_digests
from limner.files import write_text
from limner.types import Progress

_METHOD = 1  # raise it whenever other masks come of the same annotations
_SUMMARY = "summary.json"
# Kinds of which a training must be told as of files without a partner.
_PARTNERLESS = ("missing-picture", "ambiguous-picture")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """A converted folder.

    Attributes:
        folder: Where it is.
        kind: Format of the annotations.
        notes: What is doubtful or was left out, a sentence each.
        missing: Annotations without picture, a line each.
    """

    folder: Path
    kind: str
    notes: tuple[str, ...]
    missing: tuple[str, ...]


def keep_converted(place: str | Path, images: str | Path | None, wishes: Wishes, progress: Progress) -> Kept:
    """The masks of a place's annotations: those drawn before of the same contents, else drawn now.

    Args:
        place: As for `convert_annotations`.
        images: Likewise.
        wishes: Likewise.
        progress: Likewise.

    Raises:
        DataError: As `convert_annotations`.
        OutputError: The cache folder cannot be written.
    """
    wishes.check()
    opened = open_place(place, images)
    contents = digest(file.location for file in opened.files)
    pictures = list(opened.pictures.items())
    stated = stated_digests([[location for _, location in pictures]]) if pictures else []
    names = [file.name for file in opened.files]
    key = digest_text(json.dumps([_METHOD, contents, names, pictures, stated, astuple(wishes)]))
    folder = default_cache_dir() / "annotations"
    lock = EntryLock(folder, key)
    try:
        lock.own()
        if not (folder / key / _SUMMARY).is_file():
            _log.info("drawing the annotations of %d pictures as masks", len(pictures))
            remove(folder / key)
            result = convert_annotations(place, folder / key, images=images, wishes=wishes, progress=progress)
            write_text(folder / key / _SUMMARY, json.dumps(_summary(result)))
    finally:
        lock.close()
    summary = json.loads((folder / key / _SUMMARY).read_text(encoding="utf-8"))
    notes = [
        f"Annotations ({summary['kind']}) were drawn as masks; '{folder / key / CONVERSION}' says what was doubtful."
    ]
    return Kept(folder / key, summary["kind"], (*notes, *summary["notes"]), tuple(summary["missing"]))


def _summary(result: Converted) -> dict[str, object]:
    notes = [_sentence(kind, count, pixels) for kind, count, pixels in count_doubts(result.doubts)]
    missing = [describe(doubt) for doubt in result.doubts if doubt.kind in _PARTNERLESS]
    return {"kind": result.kind, "notes": notes, "missing": missing}


def _sentence(kind: str, count: int, pixels: int) -> str:
    lost, words = KINDS[kind]
    more = f" ({pixels:,} pixels)" if pixels else ""
    return f"Left out: {words}: {count:,}{more}." if lost else f"{words[0].upper()}{words[1:]}: {count:,}{more}."
