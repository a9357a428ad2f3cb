"""Overlapping tiles: pure geometry, known to no network.

Layer: inference. Imports no torch.

    0            start of the second tile                      length
    ├─────────────┬──────┬─────────────┬──────┬─────────────────┤
    │ first tile         │                    │
                  │ second tile               │
                                       │ third tile             │
                  └overlap┘            └overlap┘

The tiles of a picture are every pair of a row span and a column span, so whatever is true of one axis
is true of the picture, and a tile's weights are the product of its rows' and its columns' weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from limner.types import Size

_SIGMAS_PER_TILE = 8
"""A gaussian's standard deviation is an eighth of its tile, as in nnU-Net (Isensee et al. 2021)."""


@dataclass(frozen=True)
class Span:
    """Pixels `start` to `stop` (exclusive) of one axis, and their weights in the blend, which are above 0.

    Where spans overlap, their weights at a pixel sum to 1; so the weighted sum of the tiles' predictions
    is their weighted mean, and no map of weights has to be kept.
    """

    start: int
    stop: int
    weights: tuple[float, ...]

    @property
    def pixels(self) -> slice:
        """The span as an index."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture that is predicted at once.

    ┌──────────────── picture ──────┐
    │        columns                │
    │        ┌──────┐               │
    │   rows │ tile │               │
    │        └──────┘               │
    └───────────────────────────────┘
    """

    rows: Span
    columns: Span

    @property
    def size(self) -> Size:
        """`(height, width)` of the tile."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def index(self) -> tuple[slice, slice]:
        """Index of the tile in an array `height width …`."""
        return self.rows.pixels, self.columns.pixels

    def weights(self) -> Float32[np.ndarray, "height width"]:
        """Share of this tile in the blend at each of its pixels, in (0, 1]."""
        return np.outer(self.rows.weights, self.columns.weights).astype(np.float32)


def plan_tiles(size: Size, tile: int, overlap: float) -> list[Tile]:
    """Cover a picture with equal overlapping tiles, row by row.

    Every pixel is in at least one tile, no tile leaves the picture, and the weights of all tiles at a
    pixel sum to 1. A side shorter than `tile` gets one tile of that length.

    Args:
        size: Size of the picture in pixels.
        tile: Side of a tile in pixels, at least 1.
        overlap: Least share of a tile that lies over its neighbour, in [0, 1).

    Example:
        >>> [tile.index for tile in plan_tiles((4, 6), tile=4, overlap=0.5)]
        [(slice(0, 4, None), slice(0, 4, None)), (slice(0, 4, None), slice(2, 6, None))]
    """
    rows, columns = (_spans(length, min(tile, length), overlap) for length in size)
    return [Tile(row, column) for row in rows for column in columns]


def gaussian_weights(length: int) -> Float32[np.ndarray, " length"]:
    """A gaussian over a tile's side: near 1 in the middle and small, but never 0, at the ends."""
    centre = (length - 1) / 2
    distance = (np.arange(length) - centre) / max(length / _SIGMAS_PER_TILE, 0.5)
    # The floor keeps the division by the sum well-behaved in the corners of a picture.
    weights: np.ndarray = np.maximum(np.exp(-0.5 * distance**2), 1e-3)
    return weights.astype(np.float32)


def _spans(length: int, tile: int, overlap: float) -> list[Span]:
    """Spans of `tile` pixels, spread evenly over `length` pixels."""
    step = max(1, int(tile * (1 - overlap)))
    count = 1 + math.ceil((length - tile) / step)
    starts = [round(number * (length - tile) / max(count - 1, 1)) for number in range(count)]
    gaussian = gaussian_weights(tile).astype(np.float64)
    total = np.zeros(length)
    for start in starts:
        total[start : start + tile] += gaussian
    return [Span(start, start + tile, tuple((gaussian / total[start : start + tile]).tolist())) for start in starts]
