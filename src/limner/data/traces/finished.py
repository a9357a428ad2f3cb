"""Tracings that were read before, kept by content: an interrupted conversion goes on where it was.

Layer: data, above `tracing`.

    CACHE/tracings/KEY.npz    masks, doubts and place of one traced copy; the key is that of both files'
                              contents and the settings
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from limner.data.cache import default_cache_dir
from limner.data.cache_folder import forget_files
from limner.data.digests import digest, digest_text
from limner.data.traces.inks import Ink
from limner.data.traces.registration import Placement
from limner.data.traces.tracing import Doubt, Traced
from limner.errors import OutputError
from limner.files import write_bytes

METHOD = 3
"""Raised whenever other masks come of the same tracings."""

# Of the contours of a heart, several ten thousand tracings.
_MOST_BYTES = 5_000_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """What one traced copy gave.

    Attributes:
        results: By the name of the ink.
        placement: How the copy was moved; None if it was not.
        moved: The copy in the frame of its original, if it was moved.
    """

    results: Mapping[str, Traced]
    placement: Placement | None
    moved: UInt8[np.ndarray, "height width 3"] | None


def finished_key(locations: Sequence[str], inks: Sequence[Ink], gap: float) -> str:
    """What a reading is known by.

    Args:
        locations: Of the traced copy and its original, `""` if there is none.
        inks: As for `read_tracing`.
        gap: Likewise.

    Raises:
        DataError: A file cannot be read.
    """
    settings = [(ink.name, ink.color, ink.structure) for ink in inks]
    return digest_text(json.dumps([METHOD, digest(locations), bool(locations[1]), settings, gap]))


def load_finished(key: str) -> Finished | None:
    """What was kept under a key; None if nothing was, or it is damaged."""
    path = _path(key)
    try:
        data = path.read_bytes()
        with contextlib.suppress(OSError):  # of a cache that others may only read
            os.utime(path)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            facts = json.loads(str(arrays["facts"]))
            results = {
                name: Traced(
                    arrays[f"mask {number}"] if filled else None,
                    tuple(_doubt(doubt) for doubt in doubts),
                )
                for number, (name, filled, doubts) in enumerate(facts["results"])
            }
            placement = None if facts["placement"] is None else _placement(facts["placement"])
            return Finished(results, placement, arrays["moved"] if placement is not None else None)
    except FileNotFoundError:
        return None
    except Exception as error:  # zip and array readers raise almost anything on damaged bytes
        _log.info("%s is damaged and is made again: %s", path, error)
        return None


def save_finished(key: str, finished: Finished) -> None:
    """Keep what a tracing gave; where the cache cannot be written, it is merely not kept."""
    facts = {
        "results": [
            (name, not traced.unfilled, [dataclasses.asdict(doubt) for doubt in traced.doubts])
            for name, traced in finished.results.items()
        ],
        "placement": None if finished.placement is None else dataclasses.asdict(finished.placement),
    }
    arrays = {"facts": np.array(json.dumps(facts))}
    arrays |= {
        f"mask {number}": traced.mask
        for number, traced in enumerate(finished.results.values())
        if traced.mask is not None
    }
    if finished.moved is not None:
        arrays["moved"] = finished.moved
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    try:
        write_bytes(_path(key), stream.getvalue())
    except OutputError as error:
        _log.info("the tracing is not kept: %s", error.found)


def forget_finished() -> None:
    """Throw away the tracings that were used longest ago, where all of them take too much room."""
    try:
        forget_files(_folder(), _MOST_BYTES)
    except OSError as error:
        _log.info("no tracing is forgotten: %s", error)


def _folder() -> Path:
    return default_cache_dir() / "tracings"


def _path(key: str) -> Path:
    return _folder() / f"{key}.npz"


def _doubt(facts: dict[str, Any]) -> Doubt:
    at = facts["at"]
    return Doubt(facts["kind"], facts["text"], facts["unfilled"], None if at is None else (at[0], at[1]))


def _placement(facts: dict[str, Any]) -> Placement:
    scale, shift = facts["scale"], facts["shift"]
    return Placement((scale[0], scale[1]), (shift[0], shift[1]), facts["alike"])
