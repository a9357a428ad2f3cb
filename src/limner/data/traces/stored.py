"""The numbers that a JPEG file stores of a traced picture, and what they say of the strokes on it.

Layer: data, above `blocks` and `strokes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from limner.data.traces.blocks import SIDE, TRANSFORM, Blocks, hidden_variance, rounded
from limner.data.traces.strokes import Layer
from limner.images import JpegStorage

# Variance of what a pen draws, in squared grey levels, before anything is known of it, and at least.
_VARIANCE, _LEAST_VARIANCE = 4.0, 0.5
# A block's own variance is as uncertain as if so many numbers had told the usual one; that is this many
# times the median at most.
_USUAL, _FAR = 64, 4.0


@dataclass(frozen=True)
class Storage:
    """How a traced picture and its original are stored."""

    traced: JpegStorage
    untraced: JpegStorage


class Plane:
    """Lightness or one plane of colour, as stored."""

    def __init__(self, drawn: np.ndarray, plain: np.ndarray, traced: Blocks, untraced: Blocks) -> None:
        self.blocks = traced
        self.stored = traced.stored(drawn)
        unknown = hidden_variance(untraced.stored(plain), untraced.steps)
        # Of files that are cut into other blocks, what is unknown of a frequency is so on the average.
        alike = len(unknown) == len(self.stored)
        self.hidden = unknown if alike else np.tile(unknown.mean(axis=0), (len(self.stored), 1))
        self.below = traced.numbers(plain)
        self.forget()

    def forget(self) -> None:
        """Begin anew with what a pen draws."""
        self.variance = np.full(len(self.stored), _VARIANCE)

    def touched(self, pixels: np.ndarray) -> np.ndarray:
        """Numbers of the blocks that these pixels lie in."""
        return np.unique(self.blocks.cell[pixels] // SIDE**2)

    def judge(self, change: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each number of some blocks: how it pulls at the drawing's, how firmly, and how likely it is."""
        variance = self.hidden[blocks] + self.variance[blocks, None]
        expected = (self.below + self.blocks.numbers(change))[blocks]
        mean, left, likely = rounded(expected, variance, self.stored[blocks], self.blocks.steps)
        # Between the limits nothing pulls: a step there is bounded by how firmly they pull on the average.
        firmly = ((1 - left / variance) / variance + 1 / (variance + self.blocks.steps**2 / 12)) / 2
        return mean / variance, firmly, likely

    def learn(self, change: np.ndarray, blocks: np.ndarray) -> None:
        """Take the variance of what the pen draws from what is stored (one step of expectation and maximisation)."""
        own = self.variance[blocks, None]
        variance = self.hidden[blocks] + own
        expected = (self.below + self.blocks.numbers(change))[blocks]
        mean, left, _ = rounded(expected, variance, self.stored[blocks], self.blocks.steps)
        share = own / variance
        squares = (share**2 * (mean**2 + left) + share * self.hidden[blocks]).sum(axis=1)
        usual = np.minimum(squares, _FAR * np.median(squares)).mean() / SIDE**2
        self.variance[blocks] = np.maximum((_USUAL * usual + squares) / (_USUAL + SIDE**2), _LEAST_VARIANCE)

    def design(
        self,
        layer: Layer,
        blocks: np.ndarray,
        basis: sparse.csr_matrix,
        shifted: np.ndarray,
        others: Sequence[tuple[int, np.ndarray]],
    ) -> tuple[Int[np.ndarray, "blocks columns"], Float[np.ndarray, "blocks 64 columns"]]:
        """How the numbers of each block change with what is unknown.

        Only a few knots of the outline matter to a block: those alone have a column there.

        Args:
            layer: The stroke.
            blocks: Those that the stroke touches.
            basis: Pixels × knots.
            shifted: How each pixel changes as the outline moves by a pixel.
            others: Unknowns by number, and how each pixel changes with them.

        Returns:
            The unknowns that the columns of each block stand for, and the columns.
        """
        cells, share = self.blocks.cell[layer.pixels], self.blocks.share[layer.pixels]
        block = np.searchsorted(blocks, cells // SIDE**2)
        knots = basis.indices.reshape(len(cells), -1)
        matters = np.zeros((len(blocks), basis.shape[1]), dtype=bool)
        matters[block[:, None], knots] = True
        most = int(matters.sum(axis=1).max())
        columns = np.argsort(~matters, axis=1, kind="stable")[:, :most]
        column = np.cumsum(matters, axis=1) - 1
        width = most + len(others)
        start = (block * SIDE**2 + cells % SIDE**2) * width
        places = [(start[:, None] + column[block[:, None], knots]).ravel()]
        values = [(basis.data.reshape(knots.shape) * (shifted * share)[:, None]).ravel()]
        for number, (_, changed) in enumerate(others):
            places.append(start + most + number)
            values.append(changed * share)
        size = len(blocks) * SIDE**2 * width
        pixels = np.bincount(np.concatenate(places), np.concatenate(values), size).reshape(len(blocks), SIDE**2, width)
        unknowns = np.broadcast_to(np.array([number for number, _ in others], dtype=int), (len(blocks), len(others)))
        return np.concatenate([columns, unknowns], axis=1), TRANSFORM @ pixels


def add_told(
    matrix: np.ndarray,
    vector: np.ndarray,
    columns: np.ndarray,
    design: np.ndarray,
    pull: np.ndarray,
    firmly: np.ndarray,
) -> None:
    """Add what the numbers of some blocks ask for to the equations of all unknowns."""
    told = design.swapaxes(1, 2) @ (design * firmly[..., None])
    np.add.at(matrix, (columns[:, :, None], columns[:, None, :]), told)
    np.add.at(vector, columns, (design * pull[..., None]).sum(axis=1))
