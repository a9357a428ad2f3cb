"""Strokes on pictures: closed outlines with lifted pens, writing, arrows.

Layer: examples, below `traced_hearts`. Points are `(row, column)`; a pixel's centre has whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage, spatial

from limner.types import Color, Size

_STEP = 0.1
# Letters as polylines in a box 1 high; some of them enclose a little.
_LETTERS: dict[str, list[list[tuple[float, float]]]] = {
    "L": [[(0, 0), (1, 0), (1, 0.5)]],
    "V": [[(0, 0), (1, 0.3), (0, 0.6)]],
    "R": [[(1, 0), (0, 0), (0, 0.45), (0.45, 0.5), (0.5, 0.0)], [(0.5, 0.1), (1, 0.5)]],
    "A": [[(1, 0), (0, 0.3), (1, 0.6)], [(0.65, 0.1), (0.65, 0.5)]],
    "?": [[(0.2, 0), (0, 0.25), (0.2, 0.5), (0.5, 0.25), (0.7, 0.25)], [(0.95, 0.25), (1, 0.25)]],
}


@dataclass(frozen=True)
class Pen:
    """How strokes are drawn.

    Attributes:
        width: In pixels.
        smooth: With soft edges; else each pixel is ink or not.
        gaps: Number of places per outline where the pen was lifted.
        gap: Pixels without ink at such a place.
        tremor: Of the hand, in pixels.
    """

    width: float = 2.0
    smooth: bool = True
    gaps: int = 0
    gap: float = 4.0
    tremor: float = 0.0

    def wavered(self, rng: np.random.Generator, outline: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "more 2"]:
        """The outline as this pen draws it, closely sampled, its last point not repeated."""
        line = _dense(np.vstack([outline, outline[:1]]))[:-1]
        waver = ndimage.gaussian_filter1d(rng.normal(size=line.shape), 8 / _STEP, axis=0, mode="wrap")
        return np.asarray(line + self.tremor * waver / max(float(waver.std()), 1e-9))


def inside(outline: Float[np.ndarray, "points 2"], size: Size) -> Bool[np.ndarray, "height width"]:
    """Pixels whose centre lies inside a closed outline (even-odd rule)."""
    toggles = np.zeros((size[0], size[1] + 1), dtype=np.int64)
    for (row, column), (next_row, next_column) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        low, high = sorted((row, next_row))
        for y in range(max(int(np.ceil(low)), 0), min(int(np.ceil(high)), size[0])):
            crossing = column + (y - row) / (next_row - row) * (next_column - column)
            toggles[y, int(np.clip(np.ceil(crossing), 0, size[1]))] += 1
    return np.asarray(np.cumsum(toggles, axis=1)[:, :-1] % 2 == 1)


def draw_stroke(
    rng: np.random.Generator,
    image: UInt8[np.ndarray, "height width 3"],
    outline: Float[np.ndarray, "points 2"],
    color: Color,
    pen: Pen,
) -> UInt8[np.ndarray, "height width 3"]:
    """A closed outline, lifted at random places far from one another."""
    kept = np.ones(len(outline), dtype=bool)
    steps = np.linalg.norm(np.diff(outline, axis=0, append=outline[:1]), axis=1)
    places = np.cumsum(steps) - steps[0]
    length = float(steps.sum())
    start = rng.uniform(0, length)
    for number in range(pen.gaps):
        middle = (start + (number + rng.uniform(-0.2, 0.2)) * length / pen.gaps) % length
        apart = np.abs(places - middle)
        # Ends are round: ink reaches half a width beyond the last point.
        kept &= np.minimum(apart, length - apart) > (pen.gap + pen.width) / 2
    return _ink(image, outline[kept], color, pen)


def draw_note(
    rng: np.random.Generator, image: UInt8[np.ndarray, "height width 3"], color: Color, pen: Pen
) -> UInt8[np.ndarray, "height width 3"]:
    """A few letters in a corner."""
    height = rng.uniform(8, 11)
    top, left = rng.uniform(4, image.shape[0] * 0.12), rng.uniform(4, image.shape[1] * 0.5)
    for letter in rng.choice(list(_LETTERS), size=3):
        for line in _LETTERS[str(letter)]:
            points = np.array(line, dtype=float) * height + np.array([top, left])
            image = _ink(image, _dense(points), color, pen)
        left += height
    return image


def draw_arrow(
    rng: np.random.Generator, image: UInt8[np.ndarray, "height width 3"], color: Color, pen: Pen
) -> UInt8[np.ndarray, "height width 3"]:
    """An arrow from a lower corner towards the middle."""
    tail = np.array([image.shape[0] * 0.95, image.shape[1] * rng.choice([0.06, 0.94])])
    way = np.array([image.shape[0] / 2, image.shape[1] / 2]) - tail
    way /= np.linalg.norm(way)
    tip = tail + 22 * way
    image = _ink(image, _dense(np.stack([tail, tip])), color, pen)
    for turn in (0.75, -0.75):
        barb = tip - 7 * np.array([way[0] * np.cos(turn) - way[1] * np.sin(turn), way @ (np.sin(turn), np.cos(turn))])
        image = _ink(image, _dense(np.stack([tip, barb])), color, pen)
    return image


def _ink(image: np.ndarray, line: np.ndarray, color: Color, pen: Pen) -> UInt8[np.ndarray, "height width 3"]:
    """A picture with ink on all pixels near the points of a line."""
    pixels = np.stack([plane.ravel() for plane in np.indices(image.shape[:2])], axis=1)
    distance = spatial.cKDTree(line).query(pixels, distance_upper_bound=pen.width / 2 + 1)[0]
    edge = np.asarray(pen.width / 2 + 0.5 - distance)
    # A hard edge takes the pixels that a soft one covers by half.
    cover = np.clip(edge if pen.smooth else np.rint(edge), 0, 1).reshape(*image.shape[:2], 1)
    return np.asarray(np.rint(image * (1 - cover) + np.array(color) * cover), dtype=np.uint8)


def _dense(line: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "more 2"]:
    """The same line with a point at each tenth of a pixel."""
    places = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    wanted = np.linspace(0, places[-1], max(2, round(places[-1] / _STEP)))
    return np.stack([np.interp(wanted, places, line[:, axis]) for axis in (0, 1)], axis=1)
