"""Strokes along outlines, drawn as pixels, one over the other.

Layer: data, above `outlines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse, spatial

from limner.data.traces.outlines import normals, resample
from limner.data.traces.splines import STEP, curvature_change

# Pixels up to this far beyond a stroke take part: colour is blurred by less.
_BAND = 2.5
_LONGEST_STEP, _LARGEST_TINT = 1.5, 30.0
_WIDTHS = (0.6, 12.0)
_HOLD_WIDTH = 10.0


@dataclass
class Stroke:
    """One closed outline and how it is drawn; fitting changes it.

    Attributes:
        points: `(row, column)`; the centre of a pixel has whole numbers.
        lifted: Where the pen was lifted, per point.
        color: Lightness and two planes of colour, as `to_ycc` gives them.
        width: In pixels.
        ramp: Pixels from full ink to none at its edges.
    """

    points: Float[np.ndarray, "points 2"]
    lifted: Bool[np.ndarray, " points"]
    color: Float[np.ndarray, " 3"]
    width: float
    ramp: float = 1.0

    def __post_init__(self) -> None:
        self.usual = self.color.copy()

    def solve(self, basis: sparse.csr_matrix, matrix: np.ndarray, vector: np.ndarray, hold_color: float) -> None:
        """Take the Gauss–Newton step of what a picture tells, and of what is usual.

        Args:
            basis: Shifts of the outline.
            matrix: What the picture tells of knots, width and three colours, `unknowns unknowns`; changed in place.
            vector: Likewise, `unknowns`.
            hold_color: How strongly colours stay near what the whole picture says.
        """
        knots = basis.shape[1]
        bend, offset = curvature_change(self.points, basis)
        matrix[:knots, :knots] += bend.T @ bend
        vector[:knots] -= bend.T @ offset
        vector[knots + 1 :] += hold_color * (self.usual - self.color)
        # Widths change a little at a time.
        matrix += np.diag([1e-6] * knots + [_HOLD_WIDTH] + [hold_color] * 3)
        step = np.linalg.solve(matrix, vector)
        self.step(np.asarray(basis @ step[:knots]), step[knots], step[knots + 1 :])

    def step(self, shift: Float[np.ndarray, " points"], wider: float, tint: Float[np.ndarray, " 3"]) -> None:
        """Change outline, width and colour, not too far at once."""
        self.width = float(np.clip(self.width + np.clip(wider, -0.5, 0.5), *_WIDTHS))
        self.color = self.color + np.clip(tint, -_LARGEST_TINT, _LARGEST_TINT)
        moved = self.points + np.clip(shift, -_LONGEST_STEP, _LONGEST_STEP)[:, None] * normals(self.points)
        count = len(moved)
        self.points = resample(moved, STEP)
        places = np.arange(len(self.points)) * count / len(self.points)
        self.lifted = self.lifted[np.rint(places).astype(int) % count]


@dataclass
class Layer:
    """One stroke as pixels.

    Attributes:
        cover: Share of each pixel that is ink.
        pixels: Flat places near the stroke.
        nearest: The outline's point that is nearest to each.
        away: Signed distance from the outline along its normal.
        kept: Whether the pen was down there.
        ramp: Of the stroke.
    """

    cover: Float[np.ndarray, "height width"]
    pixels: np.ndarray
    nearest: np.ndarray
    away: np.ndarray
    kept: np.ndarray
    ramp: float

    @classmethod
    def of(cls, stroke: Stroke, size: tuple[int, ...]) -> Layer:
        """Draw a stroke in a picture of this size."""
        height, width = size
        reach = stroke.width / 2 + 1 + _BAND
        low = np.maximum(np.floor(stroke.points.min(axis=0) - reach).astype(int), 0)
        high = np.minimum(np.ceil(stroke.points.max(axis=0) + reach).astype(int) + 1, (height, width))
        rows, columns = np.mgrid[low[0] : high[0], low[1] : high[1]]
        grid = np.stack([rows.ravel(), columns.ravel()], axis=1)
        distance, nearest = spatial.cKDTree(stroke.points).query(grid, distance_upper_bound=reach)
        near = np.isfinite(distance)
        grid, nearest = grid[near], np.asarray(nearest)[near]
        away = ((grid - stroke.points[nearest]) * normals(stroke.points)[nearest]).sum(axis=1)
        kept = ~stroke.lifted[nearest]
        pixels = grid[:, 0] * width + grid[:, 1]
        return cls(np.zeros(size), pixels, nearest, away, kept, stroke.ramp).drawn(stroke.width)

    def drawn(self, width: float) -> Layer:
        """The same stroke at another width, not above that it was made for."""
        cover = np.zeros(self.cover.shape)
        cover.ravel()[self.pixels] = np.clip((width / 2 - np.abs(self.away)) / self.ramp + 0.5, 0, 1) * self.kept
        return replace(self, cover=cover)


def stacking(
    strokes: Sequence[Stroke], layers: Sequence[Layer], drawn: Float[np.ndarray, "height width 3"]
) -> list[int]:
    """Numbers of the strokes from the lowest to the topmost, by the picture's colour where they overlap."""
    above = np.zeros(len(strokes))
    for first in range(len(strokes)):
        for second in range(first + 1, len(strokes)):
            both = (layers[first].cover > 0.7) & (layers[second].cover > 0.7)
            if both.any():
                off = [
                    float(np.linalg.norm((drawn[both] - strokes[one].color)[:, 1:], axis=1).sum())
                    for one in (first, second)
                ]
                above[first if off[0] < off[1] else second] += 1
    return [int(place) for place in np.argsort(above, kind="stable")]


def visible_parts(layers: Sequence[Layer], order: Sequence[int]) -> list[Float[np.ndarray, "height width"]]:
    """Cover of each stroke that those above it leave to be seen."""
    size = layers[0].cover.shape
    visible: list[np.ndarray] = [np.zeros(size)] * len(layers)
    free = np.ones(size)
    for place in reversed(order):
        visible[place] = layers[place].cover * free
        free = free * (1 - layers[place].cover)
    return visible


def surroundings(
    strokes: Sequence[Stroke],
    layers: Sequence[Layer],
    order: Sequence[int],
    place: int,
    plain: Float[np.ndarray, "height width 3"],
) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width 3"]]:
    """How much of a stroke shows through those above it, and what lies below it."""
    at = list(order).index(place)
    shows = np.ones(plain.shape[:2])
    for other in order[at + 1 :]:
        shows = shows * (1 - layers[other].cover)
    below = plain
    for other in order[:at]:
        cover = layers[other].cover[..., None]
        below = below * (1 - cover) + strokes[other].color * cover
    return shows, below
