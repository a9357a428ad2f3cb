"""What a person should look at: contact sheets of traces and masks, and pictures of open strokes.

Layer: data, above `picture`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from limner.data.traces.inks import Ink
from limner.data.traces.picture import TracedPicture, Tracing
from limner.data.traces.tracing import Doubt
from limner.images import resize_image, resize_mask
from limner.render import contact_sheet, overlay

_LONGEST = 320
_COLUMNS = 3
_ROWS = 8
_ENLARGED = 3.0
_MARK = (255, 200, 0)
_BLANK = 64


@dataclass(frozen=True)
class Tile:
    """A trace beside its mask.

    Attributes:
        worry: Unfilled ones are 2, other doubts 1, none 0; the worried come first.
        trace: As the expert drew it.
        mask: The original with its regions.
        caption: Name and expert.
        note: The doubts.
    """

    worry: int
    trace: UInt8[np.ndarray, "height width 3"]
    mask: UInt8[np.ndarray, "height width 3"]
    caption: str
    note: str


def make_tile(picture: TracedPicture, tracing: Tracing, inks: Sequence[Ink], notes: Sequence[str]) -> Tile:
    """One tracing for the sheet, at most 320 pixels long."""
    caption = f"{picture.name} ({tracing.expert})" if tracing.expert else picture.name
    if tracing.traced is None:
        blank = np.full((_LONGEST, _LONGEST, 3), _BLANK, dtype=np.uint8)
        return Tile(2, blank, blank, caption, "; ".join(notes))
    below = tracing.traced if picture.untraced is None else picture.untraced
    height, width = below.shape[:2]
    # Enlarged by whole numbers, so that a thin stroke can be compared with the edge of its mask.
    scale = _LONGEST / max(height, width)
    scale = float(max(1, int(scale))) if scale >= 1 else scale
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    empty = np.zeros((height, width), dtype=bool)
    masks = [tracing.results[ink.name].mask for ink in inks]
    planes = np.stack([empty if mask is None else mask for mask in masks], axis=2)
    shown = overlay(resize_image(below, size), resize_mask(planes, size), [ink.color for ink in inks])
    worry = 0 if not tracing.doubts else 1 if tracing.complete else 2
    trace = mark_open(resize_image(tracing.traced, size), tracing.doubts, scale)
    return Tile(worry, trace, shown, caption, "; ".join(notes))


def make_sheets(tiles: Sequence[Tile], inks: Sequence[Ink]) -> list[bytes]:
    """PNG pages of traces beside masks, the doubtful first."""
    ordered = sorted(tiles, key=lambda tile: -tile.worry)
    page = _COLUMNS * _ROWS
    chunks = [ordered[start : start + page] for start in range(0, len(ordered), page)]
    legend = [(f"{ink.name}: {ink.structure}" if ink.name != ink.structure else ink.name, ink.color) for ink in inks]
    sheets = []
    for number, chunk in enumerate(chunks, start=1):
        rows = [chunk[start : start + _COLUMNS] for start in range(0, len(chunk), _COLUMNS)]
        sheets.append(
            contact_sheet(
                [[part for tile in row for part in (tile.trace, tile.mask)] for row in rows],
                heading=f"Traces and masks, {number} of {len(chunks)}; doubtful ones first",
                titles=["trace", "mask"] * min(_COLUMNS, len(chunk)),
                captions=[[part for tile in row for part in (tile.caption, tile.note)] for row in rows],
                legend=legend,
            )
        )
    return sheets


def mark_open(
    traced: UInt8[np.ndarray, "height width 3"], doubts: Sequence[Doubt], scale: float | None = None
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A traced picture with rings round the places where strokes are open.

    Args:
        traced: The picture; enlarged three times if `scale` is None.
        doubts: Of which those that left something unfilled are marked.
        scale: By how much the picture was enlarged before.
    """
    if scale is None:
        scale = _ENLARGED
        traced = resize_image(traced, (round(scale * traced.shape[0]), round(scale * traced.shape[1])))
    picture = traced.copy()
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    for doubt in doubts:
        if doubt.unfilled and doubt.at is not None:
            away = np.hypot(rows - scale * (doubt.at[0] + 0.5), columns - scale * (doubt.at[1] + 0.5))
            picture[np.abs(away - 8 * scale) < max(0.7 * scale, 0.7)] = _MARK
    return picture
