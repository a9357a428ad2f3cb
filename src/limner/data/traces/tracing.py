"""One traced picture: the masks of its structures, and everything that is doubtful about them.

Layer: data, above `ink`, `regions` and `contours`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from limner.data.traces.contours import Outline, fill, find_outlines, longest_run
from limner.data.traces.fitting import fit
from limner.data.traces.ink import Separated, separate
from limner.data.traces.inks import Ink
from limner.data.traces.refining import refine
from limner.data.traces.regions import Rough, find_ink, rough_regions
from limner.data.traces.stored import Storage
from limner.data.traces.strokes import Stroke

Kind: TypeAlias = Literal["no ink", "open", "ink outside", "several regions", "hole"]

# JPEG eats the ends of strokes, above all of thin ones, and wide ones are round: so a gap looks longer
# than it is, by up to this much before the outline has settled, and by the last after that.
_EATEN, _THIN, _BLURRED = 4.0, 8.0, 4.0
# Cover by other inks from which on nobody knows what is below.
_HIDING = 0.35
# Regions smaller than this share of the picture are letters or specks.
_SMALLEST = 0.001
_FEWEST = 30.0
# Ink that outlines nothing: notes are less than this share of their colour, an open outline is more.
_NOTE, _MOSTLY = 0.08, 0.5
# Letters and arrows are small beside what is outlined; a stroke left open is about as long as it.
_LETTER = 0.5
# Of an outline that other strokes hide in part, this share must be seen; and it may bend this much more
# than one that goes straight on from end to end, or it follows the wrong stroke.
_HIDDEN, _SHARP = 0.7, 1.3
# Gaps up to this are looked for, though not closed, in pixels.
_SEARCH = 50.0


@dataclass(frozen=True)
class Doubt:
    """Something about one colour of one picture that a person should look at.

    Attributes:
        kind: What sort.
        text: A sentence.
        unfilled: There is no mask because of it.
        at: Where, as `(row, column)`; None if nowhere in particular.
    """

    kind: Kind
    text: str
    unfilled: bool = False
    at: tuple[float, float] | None = None


@dataclass(frozen=True)
class Traced:
    """What one colour of one picture gave.

    Attributes:
        mask: The inside of the middle of the stroke; None where it could not be filled.
        doubts: Possibly none.
    """

    mask: Bool[np.ndarray, "height width"] | None
    doubts: tuple[Doubt, ...]

    @property
    def unfilled(self) -> bool:
        """Whether there is no mask."""
        return self.mask is None


def read_tracing(
    traced: UInt8[np.ndarray, "height width 3"],
    untraced: UInt8[np.ndarray, "height width 3"] | None,
    inks: Sequence[Ink],
    *,
    gap: float = 6.0,
    storage: Storage | None = None,
) -> dict[str, Traced]:
    """The region that each ink encloses, by the name of the ink.

    A pixel belongs to a region when its centre lies inside the middle of the stroke: half of the
    stroke's width belongs to the object.

    Args:
        traced: With ink.
        untraced: In register; None to go by hue alone.
        inks: Colours to look for.
        gap: Gaps up to this many pixels are closed; what is wider stays open and is not filled.
        storage: How the traced JPEG file and its original are stored, if the arrays are as decoded.
    """
    parts = separate(traced, untraced, inks)
    strokes = [find_ink(cover) for cover in parts.covers]
    readings = []
    for number, ink in enumerate(inks):
        others = [other for other in range(len(inks)) if other != number]
        hiding = np.maximum.reduce([parts.covers[other] for other in others], initial=0.0)
        hiding = np.broadcast_to(hiding, strokes[number].shape)
        bridge = np.logical_or.reduce([strokes[other] for other in others], initial=False)
        bridge = np.broadcast_to(bridge, strokes[number].shape)
        readings.append(_read(parts.covers[number], strokes[number], hiding, bridge, gap, ink))
    settled = _settle(parts, readings, inks, gap, storage, lightness=untraced is not None)
    return {ink.name: traced for ink, traced in zip(inks, settled, strict=True)}


def _settle(
    parts: Separated,
    readings: Sequence[_Reading],
    inks: Sequence[Ink],
    gap: float,
    storage: Storage | None,
    *,
    lightness: bool,
) -> list[Traced]:
    """All outlines of all inks together, moved until they explain the picture, and filled."""
    fitted = [
        [Stroke(one.points, one.lifted, color.copy(), reading.width) for one in reading.outlines]
        if not reading.traced.unfilled
        else []
        for reading, color in zip(readings, parts.colors, strict=True)
    ]
    strokes = [stroke for some in fitted for stroke in some]
    if strokes and storage and lightness:
        fit(strokes, parts.drawn, parts.plain, lightness=True, rough=True)
        refine(strokes, parts.drawn, parts.plain, storage)
    elif strokes:
        fit(strokes, parts.drawn, parts.plain, lightness=lightness)
    return [
        _fill(ink, reading.traced, some, gap, _covered_by_others(parts, number)) if some else reading.traced
        for number, (ink, reading, some) in enumerate(zip(inks, readings, fitted, strict=True))
    ]


def _covered_by_others(parts: Separated, number: int) -> Float[np.ndarray, "height width"]:
    others = [cover for other, cover in enumerate(parts.covers) if other != number]
    highest = np.maximum.reduce(others, initial=0.0) if others else np.zeros(parts.drawn.shape[:2])
    return np.asarray(ndimage.maximum_filter(highest, 3), dtype=np.float64)


def _fill(
    ink: Ink, traced: Traced, strokes: Sequence[Stroke], gap: float, hidden: Float[np.ndarray, "height width"]
) -> Traced:
    """Fill the outlines of one ink, unless one is open where no other ink hides it."""
    widest, at = 0.0, (0.0, 0.0)
    for stroke in strokes:
        above = ndimage.map_coordinates(hidden, stroke.points.T, order=1, mode="nearest")
        count, middle = longest_run(stroke.lifted & (above < _HIDING))
        length = count * float(np.linalg.norm(stroke.points - np.roll(stroke.points, 1, axis=0), axis=1).mean())
        if length > widest:
            widest, at = length, (float(stroke.points[middle, 0]), float(stroke.points[middle, 1]))
    if widest > gap + _BLURRED:
        return Traced(None, (_open(ink, widest, gap, at),))
    return replace(traced, mask=fill([stroke.points for stroke in strokes], (hidden.shape[0], hidden.shape[1])))


def _open(ink: Ink, length: float, gap: float, at: tuple[float, float]) -> Doubt:
    text = f"{ink.name} is open for about {length:.0f} px ({ink.structure}); up to {gap:g} are closed"
    return Doubt("open", text, unfilled=True, at=at)


def _read(
    cover: Float[np.ndarray, "height width"],
    stroke: Bool[np.ndarray, "height width"],
    hiding: Float[np.ndarray, "height width"],
    bridge: Bool[np.ndarray, "height width"],
    gap: float,
    ink: Ink,
) -> _Reading:
    smallest = max(_FEWEST, _SMALLEST * stroke.size)
    if stroke.sum() < smallest / 2:
        return _Reading(Traced(None, (Doubt("no ink", f"no {ink.name} ink ({ink.structure})", unfilled=True),)), [])
    # Thin strokes fade; what counts is how they stand out from the noise around them.
    cover = cover / max(float(np.quantile(cover[stroke], 0.8)), 0.1)

    # Strokes of other colours may hide parts of this one. What they enclose may lie in its region or
    # beside it: of two readings, the one that bends less is what a hand would draw.
    def reading(
        walls: Bool[np.ndarray, "height width"], reach: float, *, foreign: bool = False, eaten: float = _EATEN
    ) -> _Reading:
        rough = rough_regions(stroke, walls, reach, smallest, foreign=foreign)
        outlines = find_outlines(rough.regions, cover, hiding, rough.width, smallest)
        return _Reading(_judge(outlines, rough, gap, ink, eaten), outlines, rough.width)

    nothing = np.zeros_like(stroke)
    plain = reading(nothing, gap)
    if not plain.traced.unfilled:
        return plain
    # Closed however wide it is open: where that is, and how much the outline bends if it goes straight on.
    wide = reading(nothing, _SEARCH)
    hidden = [reading(bridge, gap), reading(bridge, gap, foreign=True)]
    filled = [
        one for one in hidden if not one.traced.unfilled and one.seen >= _HIDDEN and one.bend <= _SHARP * wide.bend
    ]
    if filled:
        return min(filled, key=lambda one: one.bend)
    broken = reading(nothing, gap, eaten=_THIN + plain.width)
    if not broken.traced.unfilled:
        return broken
    return wide if wide.traced.unfilled else plain


@dataclass(frozen=True)
class _Reading:
    """One way to close the strokes of a colour."""

    traced: Traced
    outlines: list[Outline]
    width: float = 0.0

    @property
    def bend(self) -> float:
        """Of all outlines together."""
        return sum(outline.bend for outline in self.outlines)

    @property
    def seen(self) -> float:
        """Of the outline that is hidden most."""
        return min((outline.seen for outline in self.outlines), default=0.0)


def _judge(outlines: list[Outline], rough: Rough, gap: float, ink: Ink, eaten: float) -> Traced:
    rows, columns = np.nonzero(rough.ink)
    middle = (float(rows.mean()), float(columns.mean()))
    open_ones = [outline for outline in outlines if outline.open_length > gap + eaten]
    if open_ones:
        widest = max(open_ones, key=lambda outline: outline.open_length)
        return Traced(None, (_open(ink, widest.open_length, gap, widest.open_at),))
    if not outlines or rough.left > _MOSTLY:
        text = f"{ink.name} encloses nothing, or is open for more than {gap:g} px ({ink.structure})"
        return Traced(None, (Doubt("open", text, unfilled=True, at=middle),))
    mask = fill([outline.points for outline in outlines], (rough.ink.shape[0], rough.ink.shape[1]))
    doubts = []
    holes = len(outlines) - len(rough.regions)
    if len(rough.regions) - holes > 1:
        text = f"{ink.name} encloses {len(rough.regions)} regions ({ink.structure})"
        doubts.append(Doubt("several regions", text, at=outlines[-1].open_at))
    if rough.left > _NOTE and rough.left_span > _LETTER * _length(rough):
        text = f"{rough.left:.0%} of the {ink.name} ink outlines nothing: writing, or a stroke left open"
        doubts.append(Doubt("ink outside", text))
    return Traced(mask, tuple(doubts))


def _length(rough: Rough) -> int:
    """Of the smallest region: the longer side of the box around it."""
    boxes = [ndimage.find_objects(region.astype(np.uint8))[0] for region in rough.regions]
    return min((max(side.stop - side.start for side in box) for box in boxes), default=0)
