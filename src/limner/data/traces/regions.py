"""What strokes enclose: rough regions, gaps bridged, from the ink of one colour.

Layer: data; imports nothing of `data`. Pure functions on arrays.

Walls are the ink, thickened by the least radius that closes as much of it as any larger one would:
so a closed stroke with a narrow bay keeps its bay, and a broken one is closed. Ink that no radius
closes encloses nothing and becomes no region. Each wall is filled by itself; a ring within a ring is
a hole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

_EIGHT = np.ones((3, 3), dtype=bool)
_STRONG, _WEAK = 0.5, 0.22
# JPEG breaks thin strokes into crumbs; seen less sharply, they hang together.
_BLUR = 0.7
# Share of all ink cover that stands for full strokes, whatever their width.
_TYPICAL = 0.9
_NO_INK = 0.12
_SPECK = 6
# A wider radius must explain this much more of the ink to be worth its bridges.
_WORTH = 0.06
# Blur and JPEG shorten each end of a thin stroke by up to this many pixels; how wide gaps are is judged later.
_EATEN = 5.0
# A region is a colour's own if this share of its rim is.
_OWN = 0.5


@dataclass(frozen=True)
class Rough:
    """Regions of one colour, to within a pixel or two.

    Attributes:
        regions: One per wall that encloses something.
        ink: Where there is ink of this colour.
        width: Of the strokes in pixels.
        left: Share of the ink that runs round no region.
        left_span: Longest side, in pixels, of one piece of that ink: short of letters, long of a stroke.
    """

    regions: tuple[Bool[np.ndarray, "height width"], ...]
    ink: Bool[np.ndarray, "height width"]
    width: float
    left: float
    left_span: int


def find_ink(cover: Float[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Pixels that belong to strokes: strong ones, and weaker ones that hang together with them."""
    cover = ndimage.gaussian_filter(cover, _BLUR)
    some = cover[cover > _NO_INK]
    if some.size < _SPECK:
        return np.zeros(cover.shape, dtype=bool)
    full = min(float(np.quantile(some, _TYPICAL)), 1.0)
    weak = cover > max(_WEAK * full, _NO_INK)
    labels, count = ndimage.label(weak, _EIGHT)
    strong = ndimage.maximum(cover, labels, np.arange(count + 1)) > _STRONG * full
    large = np.bincount(labels.ravel(), minlength=count + 1) >= _SPECK
    keep = np.asarray(strong & large)
    keep[0] = False
    return np.asarray(keep[labels])


def rough_regions(
    ink: Bool[np.ndarray, "height width"],
    bridge: Bool[np.ndarray, "height width"],
    gap: float,
    smallest: float,
    *,
    foreign: bool = False,
) -> Rough:
    """Regions that strokes enclose.

    Args:
        ink: Strokes of one colour.
        bridge: Strokes of other colours that may hide parts of these; walls run through them.
        gap: Gaps up to this many pixels are bridged.
        smallest: Regions of fewer pixels are letters or specks.
        foreign: Take regions in that strokes of other colours enclose together with these.
    """
    if not ink.any():
        return Rough((), ink, 0.0, 0.0, 0)
    width = 2 * float(np.quantile(ndimage.distance_transform_edt(ink)[ink], 0.9)) - 0.5
    wall = ink | bridge
    away, places = ndimage.distance_transform_edt(~wall, return_indices=True)
    own = ink[tuple(places)] | foreign
    # Ends are eaten by JPEG; the exact length of each gap is judged later, on the finished outline.
    widest = gap / 2 + _EATEN
    groups, count = ndimage.label(away <= widest, _EIGHT)
    regions: list[np.ndarray] = []
    explained = np.zeros(ink.shape, dtype=bool)
    for group in range(1, count + 1):
        inside = groups == group
        total = int((ink & inside).sum())
        if total < _SPECK:
            continue
        best: tuple[float, list[np.ndarray], np.ndarray] = (0.0, [], explained)
        for radius in np.arange(0, widest + 0.25, 0.5):
            found = _enclosed(own, wall & inside, inside & (away <= radius), smallest)
            beside = _beside(found, ink & inside, width)
            share = float(beside.sum()) / total
            if share > best[0] + _WORTH:
                best = (share, found, beside)
        regions += best[1]
        explained = explained | best[2]
    left = ink & ~explained
    return Rough(tuple(regions), ink, width, float(left.sum()) / float(ink.sum()), _longest_side(left))


def _longest_side(pieces: Bool[np.ndarray, "height width"]) -> int:
    boxes = ndimage.find_objects(ndimage.label(pieces, _EIGHT)[0])
    return max((side.stop - side.start for box in boxes for side in box), default=0)


def _enclosed(own: np.ndarray, wall: np.ndarray, thick: np.ndarray, smallest: float) -> list[np.ndarray]:
    """The filled inside of every piece of thickened wall that encloses enough.

    Args:
        own: Pixels to which ink of this colour is the nearest of all.
        wall: All ink.
        thick: The same, thickened.
        smallest: What is less is not enough.
    """
    pieces, count = ndimage.label(thick, _EIGHT)
    found = []
    for piece in range(1, count + 1):
        here = pieces == piece
        holes, number = ndimage.label(np.pad(~here, 1, constant_values=True))
        holes = holes[1:-1, 1:-1]
        sizes = np.bincount(holes.ravel(), minlength=number + 1)
        edge = (holes > 0) & ndimage.binary_dilation(here, _EIGHT)
        rims = np.bincount(holes[edge], minlength=number + 1)
        # Strokes of other colours enclose regions of their own, which are none of this one's.
        chosen = (sizes >= smallest) & (np.bincount(holes[edge & own], minlength=number + 1) >= _OWN * rims)
        # The padding's label is the outside's: the first that scanning meets.
        chosen[:2] = False
        inner = chosen[holes]
        if inner.any():
            outer = (holes == 1) | (~chosen & (sizes >= smallest))[holes] & (holes > 0)
            found.append(_split(inner, outer, wall & here))
    return found


def _split(
    inner: Bool[np.ndarray, "height width"], outer: Bool[np.ndarray, "height width"], wall: np.ndarray
) -> Bool[np.ndarray, "height width"]:
    """Share the thickened wall between inside and outside, so that the border runs along its middle.

    First the pixels without ink fall to the nearer side; then ink falls to the nearer of these. So a
    tail that hangs on a stroke falls to the side it hangs on.
    """
    inside = _nearest(inner, inner | outer)
    settled = ~wall
    return np.asarray(_nearest(inside & settled, settled))


def _nearest(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    places = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(places)])


def _beside(regions: list[np.ndarray], ink: np.ndarray, width: float) -> np.ndarray:
    """Ink that runs along the border of a region."""
    beside = np.zeros(ink.shape, dtype=bool)
    for region in regions:
        edge = region ^ ndimage.binary_erosion(region, _EIGHT, border_value=1)
        if edge.any():
            beside |= ndimage.distance_transform_edt(~edge) <= 0.6 * width + 1.5
    return np.asarray(beside & ink)
