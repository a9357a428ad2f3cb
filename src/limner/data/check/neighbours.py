"""The nearest of very many vectors, without comparing all with all.

Layer: data.

Up to `EXACT` vectors every pair is compared. More are dealt out to cells, each to the nearest of some vectors
that stand for all (Sivic and Zisserman, 2003: an inverted file); a vector is then compared with those of the
cells nearest to it. So the work per vector is bounded, and what is missed are a few neighbours that lie apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from limner.types import Progress, no_progress

EXACT = 20_000
"""Vectors up to which all pairs are compared."""

_CELL = 256  # vectors of a cell, on average
_MOST_CELLS = 4096
_MOST_IN_CELL = 2048  # that are compared; of more, which are alike indeed, some that are drawn at random
_PROBED = 24  # cells in which the neighbours of a vector are looked for
_BLOCK = 2**23  # distances that are held at a time
_ROWS = 2048  # vectors whose neighbours are looked for at a time

Vectors = Float32[np.ndarray, "vectors numbers"]


@dataclass(frozen=True)
class Near:
    """Pairs of near vectors.

    Attributes:
        pairs: Their positions, each pair once, the lesser first.
        compared: How many distances that took.
    """

    pairs: Int64[np.ndarray, "pairs 2"]
    compared: int


def near_pairs(vectors: Vectors, most: int, distance: float, progress: Progress = no_progress) -> Near:
    """Pair each vector with its nearest others.

    Args:
        vectors: Of length 1.
        most: Others that each is paired with.
        distance: Greatest Euclidean distance of a pair.
        progress: Told about every vector, as stage `candidates`.
    """
    least = 1 - distance**2 / 2  # cosine
    blocks = _all(vectors, least, most) if len(vectors) <= EXACT else _in_cells(vectors, least, most)
    pairs, compared = [np.zeros((0, 2), np.int64)], 0
    for done, found, count in blocks:
        pairs.append(np.unique(np.sort(found, axis=1), axis=0))
        compared += count
        progress("candidates", done, len(vectors))
    return Near(np.unique(np.concatenate(pairs), axis=0), compared)


def _all(vectors: Vectors, least: float, most: int) -> Iterator[tuple[int, np.ndarray, int]]:
    """For a block of vectors after another: how many are done, pairs, and how many distances those took."""
    count = len(vectors)
    step = max(1, _BLOCK // count)
    for start in range(0, count, step):
        alike = vectors[start : start + step] @ vectors.T
        rows = np.arange(len(alike))
        alike[rows, rows + start] = -1
        here, place = _nearest(alike, least, most)
        yield min(start + step, count), np.stack([here + start, place], axis=1), alike.size


def _in_cells(vectors: Vectors, least: float, most: int) -> Iterator[tuple[int, np.ndarray, int]]:
    generator = np.random.default_rng(0)
    count = len(vectors)
    cells = min(count // _CELL, _MOST_CELLS)
    centres = vectors[generator.choice(count, cells, replace=False)]
    probed = np.concatenate([_probed(vectors[start : start + _ROWS], centres) for start in range(0, count, _ROWS)])
    members = [_some(positions, generator) for positions in _by_cell(probed[:, 0], cells)]
    for start in range(0, count, _ROWS):
        block = probed[start : start + _ROWS]
        rows, places, cosines, compared = [], [], [], len(block) * cells
        for cell, asking in enumerate(_by_cell(block.ravel(), cells)):
            if not len(asking) or not len(members[cell]):
                continue
            asking = asking // _PROBED
            alike = vectors[start + asking] @ vectors[members[cell]].T
            alike[start + asking[:, None] == members[cell]] = -1
            here, place = _nearest(alike, least, most)
            compared += alike.size
            rows.append(asking[here])
            places.append(members[cell][place])
            cosines.append(alike[here, place])
        chosen = _first(np.concatenate(rows), np.concatenate(cosines), most)
        pairs = np.stack([np.concatenate(rows) + start, np.concatenate(places)], axis=1)[chosen]
        yield min(start + _ROWS, count), pairs, compared


def _nearest(alike: np.ndarray, least: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the greatest cosines of each row, `least` at least."""
    most = min(most, alike.shape[1])
    nearest = np.argpartition(alike, -most, axis=1)[:, -most:]
    here, rank = np.nonzero(np.take_along_axis(alike, nearest, axis=1) >= least)
    return here, nearest[here, rank]


def _probed(vectors: Vectors, centres: Float32[np.ndarray, "cells numbers"]) -> Int64[np.ndarray, "vectors probed"]:
    """The cells nearest to each vector, its own first."""
    alike = vectors @ centres.T
    nearest = np.argpartition(alike, -_PROBED, axis=1)[:, -_PROBED:]
    order = np.argsort(-np.take_along_axis(alike, nearest, axis=1), axis=1)
    return np.take_along_axis(nearest, order, axis=1)


def _by_cell(cells: Int64[np.ndarray, " entries"], count: int) -> list[Int64[np.ndarray, " members"]]:
    """Positions of the entries of each cell."""
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cells, minlength=count))[:-1])


def _some(positions: Int64[np.ndarray, " members"], generator: np.random.Generator) -> Int64[np.ndarray, " some"]:
    if len(positions) <= _MOST_IN_CELL:
        return positions
    return np.asarray(generator.choice(positions, _MOST_IN_CELL, replace=False))


def _first(rows: np.ndarray, cosines: np.ndarray, most: int) -> Int64[np.ndarray, " chosen"]:
    """Positions of the greatest cosines of each row."""
    order = np.lexsort((-cosines, rows))
    starts = np.searchsorted(rows[order], rows[order])
    return order[np.arange(len(order)) - starts < most]
