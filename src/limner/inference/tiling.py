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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from limner.errors import ConfigError, did_you_mean
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
class Strip:
    """Neighbouring columns of a large picture that are predicted together, from top to bottom.

        start          stop
          ├──────────────┤          columns that are answered
        ├──────┬──────┤
             ├──────┬──────┤        every span that weighs in them: those at its ends are of two strips

    Attributes:
        start: First column that is answered.
        stop: The one after the last.
        spans: Spans that weigh there, in order; only the first and the last may reach beyond it.
    """

    start: int
    stop: int
    spans: tuple[Span, ...]

    @property
    def reads(self) -> slice:
        """Columns that the spans cover."""
        return slice(self.spans[0].start, max(span.stop for span in self.spans))


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


def plan_tiles(size: Size, tile: int, overlap: float, window: str = "gaussian") -> list[Tile]:
    """Cover a picture with equal overlapping tiles, row by row.

    Every pixel is in at least one tile, no tile leaves the picture, and the weights of all tiles at a
    pixel sum to 1. A side shorter than `tile` gets one tile of that length.

    Args:
        size: Size of the picture in pixels.
        tile: Side of a tile in pixels, at least 1.
        overlap: Least share of a tile that lies over its neighbour, in [0, 1).
        window: What weighs the pixels of a tile, of `WINDOWS`.

    Raises:
        ConfigError: The window is unknown.

    Example:
        >>> [tile.index for tile in plan_tiles((4, 6), tile=4, overlap=0.5)]
        [(slice(0, 4, None), slice(0, 4, None)), (slice(0, 4, None), slice(2, 6, None))]
    """
    rows, columns = (plan_spans(length, tile, overlap, window) for length in size)
    return [Tile(row, column) for row in rows for column in columns]


def plan_spans(length: int, tile: int, overlap: float, window: str = "gaussian") -> list[Span]:
    """Spans of one axis, spread evenly; see `plan_tiles`.

    Example:
        >>> [(span.start, span.stop) for span in plan_spans(10, 4, 0.5)]
        [(0, 4), (2, 6), (4, 8), (6, 10)]
    """
    if window not in WINDOWS:
        raise ConfigError(
            f"weights of tiles: {', '.join(WINDOWS)}", f"'{window}'", f"{did_you_mean(window, WINDOWS)}Choose one."
        )
    tile = min(tile, length)
    step = max(1, int(tile * (1 - overlap)))
    count = 1 + math.ceil((length - tile) / step)
    starts = [round(number * (length - tile) / max(count - 1, 1)) for number in range(count)]
    weights = WINDOWS[window](tile).astype(np.float64)
    total = np.zeros(length)
    for start in starts:
        total[start : start + tile] += weights
    return [Span(start, start + tile, tuple((weights / total[start : start + tile]).tolist())) for start in starts]


def final_rows(spans: Sequence[Span], place: int) -> slice:
    """Rows to which no span after that at `place` adds anything, and which no earlier one had finished.

    Example:
        >>> spans = plan_spans(10, 4, 0.5)
        >>> [(final_rows(spans, place).start, final_rows(spans, place).stop) for place in range(len(spans))]
        [(0, 2), (2, 4), (4, 6), (6, 10)]
    """
    last = place + 1 == len(spans)
    return slice(spans[place].start, spans[place].stop if last else spans[place + 1].start)


def plan_strips(spans: Sequence[Span], length: int, most: int, align: int) -> list[Strip]:
    """Cut the columns of a picture into strips of about the same width.

    Args:
        spans: Spans of the columns; they may reach beyond the picture.
        length: Columns of the picture.
        most: Columns of a strip at most, as far as `align` allows.
        align: Strips begin at multiples of it.
    """
    count = max(1, math.ceil(length / max(most, align)))
    width = -(-math.ceil(length / count) // align) * align
    strips = []
    for start in range(0, length, width):
        stop = min(start + width, length)
        strips.append(Strip(start, stop, tuple(span for span in spans if span.start < stop and span.stop > start)))
    return strips


def gaussian_weights(length: int) -> Float32[np.ndarray, " length"]:
    """A gaussian over a tile's side: near 1 in the middle and small, but never 0, at the ends."""
    centre = (length - 1) / 2
    distance = (np.arange(length) - centre) / max(length / _SIGMAS_PER_TILE, 0.5)
    # The floor keeps the division by the sum well-behaved in the corners of a picture.
    weights: np.ndarray = np.maximum(np.exp(-0.5 * distance**2), 1e-3)
    return weights.astype(np.float32)


def spline_weights(length: int) -> Float32[np.ndarray, " length"]:
    """A bell of second-order splines: parabolas that meet at a quarter and at three quarters of a tile's side.

    With `u` the distance from the nearer end, 1 in the middle: `2u²` up to a half, then `1 − 2(1 − u)²`. Windows that
    overlap by half sum to 1, so that a tile counts fully in its middle and fades out without a kink.

    Example:
        >>> spline_weights(4).tolist()
        [0.125, 0.875, 0.875, 0.125]
    """
    place = (np.arange(length) + 0.5) / length
    distance = 2 * np.minimum(place, 1 - place)
    weights: np.ndarray = np.where(distance < 0.5, 2 * distance**2, 1 - 2 * (1 - distance) ** 2)
    return weights.astype(np.float32)


WINDOWS: Mapping[str, Callable[[int], Float32[np.ndarray, " length"]]] = {
    "gaussian": gaussian_weights,
    "spline": spline_weights,
}
"""What weighs the pixels of a tile along each of its sides."""
