"""Outlines moved until strokes drawn along them explain the very numbers that a JPEG file stores.

Layer: data, above `fitting`. Pure functions on arrays.

A JPEG file holds no pixels but numbers of blocks, low frequencies in small steps and high ones in large
ones, and of each is known exactly between which limits it lay before it was rounded. Pixels hide that:
their errors hang together, and are large beside every edge. So the drawing is transformed as the file
was, and each number asks for as much as it knows: nothing while the drawing's lies within the limits,
and more the farther it lies outside. What is known neither of the picture below the ink nor of the pen
makes the limits soft; blocks with writing on them are softer.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from limner.data.traces.blocks import SIDE, TRANSFORM, Blocks, hidden_variance, rounded
from limner.data.traces.fitting import frame
from limner.data.traces.splines import curvature_change, shift_basis
from limner.data.traces.strokes import Layer, Stroke, stacking, surroundings, visible_parts
from limner.images import JpegStorage

# Edges of strokes go from ink to none within so many pixels, round by round: those of soft pens and of hard ones,
# whose whole pixels tell the more the nearer the outline is.
_RAMPS = ((1.0,) * 6, (0.7, 0.5, 0.4, 0.3, 0.2, 0.2))
# Rounds after which the kind of pen is known.
_TRIED = 2
_HOLD_WIDTH, _HOLD_COLOR, _HOLD_INK = 10.0, 0.01, 0.3
_INK_KNOTS = 1.75

# The pen was lifted where less than this share of its ink is there.
_DOWN = 0.3
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


def refine(
    strokes: Sequence[Stroke],
    drawn: Float[np.ndarray, "height width 3"],
    plain: Float[np.ndarray, "height width 3"],
    storage: Storage,
) -> None:
    """Move strokes until they explain what is stored.

    Args:
        strokes: As `fit` leaves them; changed in place.
        drawn: The traced picture, lightness and colour.
        plain: The untraced picture.
        storage: Of both files.
    """
    with frame(strokes, drawn, plain, step=2 * SIDE) as (drawn_part, plain_part):
        scene = _Stored(drawn_part, plain_part, storage)
        tried = []
        for ramps in _RAMPS:
            some = copy.deepcopy(list(strokes))
            scene.forget()
            scene.settle(some, ramps[:_TRIED])
            for stroke in some:
                stroke.ramp = ramps[_TRIED]
            tried.append((scene.likelihood(some), some, ramps))
        _, best, ramps = max(tried, key=lambda one: one[0])
        for start in range(_TRIED, len(ramps), _TRIED):
            scene.find_lifted(best)
            scene.settle(best, ramps[start : start + _TRIED])
        before = [stroke.lifted for stroke in best]
        scene.find_lifted(best)
        for stroke, lifted in zip(best, before, strict=True):
            # Where two looks differ, there is some ink.
            stroke.lifted &= lifted
        for stroke, found in zip(strokes, best, strict=True):
            vars(stroke).update(vars(found))


class _Plane:
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


class _Stored:
    """A picture as its file stores it."""

    def __init__(self, drawn: np.ndarray, plain: np.ndarray, storage: Storage) -> None:
        self.size = (drawn.shape[0], drawn.shape[1])
        self.drawn, self.plain = drawn.astype(np.float64), plain.astype(np.float64)
        self.planes = []
        for channel in range(3):
            of_both = [
                Blocks(self.size, file.halves if channel else (False, False), file.steps[channel])
                for file in (storage.traced, storage.untraced)
            ]
            self.planes.append(_Plane(self.drawn[..., channel], self.plain[..., channel], *of_both))

    def forget(self) -> None:
        for plane in self.planes:
            plane.forget()

    def settle(self, strokes: Sequence[Stroke], ramps: Sequence[float]) -> None:
        """One round of steps for each of these edges."""
        for ramp in ramps:
            for stroke in strokes:
                stroke.ramp = ramp
            layers = [Layer.of(stroke, self.size) for stroke in strokes]
            order = stacking(strokes, layers, self.drawn)
            self._learn(strokes, layers, order)
            for place in range(len(strokes)):
                layers[place] = self._move(strokes, layers, order, place)

    def likelihood(self, strokes: Sequence[Stroke]) -> float:
        """The logarithm of the probability that this is stored."""
        layers = [Layer.of(stroke, self.size) for stroke in strokes]
        order = stacking(strokes, layers, self.drawn)
        for _ in range(3):
            self._learn(strokes, layers, order)
        change = self._change(strokes, layers, order)
        return sum(
            float(plane.judge(change[..., channel], np.arange(len(plane.stored)))[2].sum())
            for channel, plane in enumerate(self.planes)
        )

    def _learn(self, strokes: Sequence[Stroke], layers: Sequence[Layer], order: Sequence[int]) -> None:
        pixels = np.concatenate([layer.pixels for layer in layers])
        change = self._change(strokes, layers, order)
        for channel, plane in enumerate(self.planes):
            plane.learn(change[..., channel], plane.touched(pixels))

    def _change(self, strokes: Sequence[Stroke], layers: Sequence[Layer], order: Sequence[int]) -> np.ndarray:
        """What the strokes make of the picture, less the picture."""
        change = np.zeros(self.plain.shape)
        for stroke, cover in zip(strokes, visible_parts(layers, order), strict=True):
            change += cover[..., None] * (stroke.color - self.plain)
        return change

    def find_lifted(self, strokes: Sequence[Stroke]) -> None:
        """Find where the pens were lifted, by how much more or less ink than is drawn the numbers ask for."""
        layers = [Layer.of(stroke, self.size) for stroke in strokes]
        order = stacking(strokes, layers, self.drawn)
        for place, stroke in enumerate(strokes):
            change = self._change(strokes, layers, order)
            full = Layer.of(replace(stroke, lifted=np.zeros_like(stroke.lifted)), self.size)
            shows, below = self._around(strokes, layers, order, place)
            cover = full.cover.ravel()[full.pixels] * shows
            basis = shift_basis(len(stroke.points), _INK_KNOTS)
            matrix, vector = _HOLD_INK * np.eye(basis.shape[1]), np.zeros(basis.shape[1])
            for channel, plane in enumerate(self.planes):
                blocks = plane.touched(full.pixels)
                ink = (stroke.color[channel] - below[:, channel]) * cover
                told = _design(plane.blocks, full, blocks, basis[full.nearest], ink, [])
                _add(matrix, vector, *told, *plane.judge(change[..., channel], blocks)[:2])
            amount = ~stroke.lifted + basis @ np.linalg.solve(matrix, vector)
            stroke.lifted = amount < _DOWN
            layers[place] = Layer.of(stroke, self.size)

    def _around(
        self, strokes: Sequence[Stroke], layers: Sequence[Layer], order: Sequence[int], place: int
    ) -> tuple[Float[np.ndarray, " pixels"], Float[np.ndarray, "pixels 3"]]:
        """At the pixels of a stroke: how much of it shows, and what lies below it."""
        shows, below = surroundings(strokes, layers, order, place, self.plain)
        return shows.ravel()[layers[place].pixels], below.reshape(-1, 3)[layers[place].pixels]

    def _move(self, strokes: Sequence[Stroke], layers: Sequence[Layer], order: Sequence[int], place: int) -> Layer:
        """One Gauss–Newton step of one stroke: outline, width and colour; its new layer."""
        stroke, layer = strokes[place], layers[place]
        change = self._change(strokes, layers, order)
        shows, below = self._around(strokes, layers, order, place)
        basis = shift_basis(len(stroke.points))
        knots = basis.shape[1]
        edge = (np.abs(np.abs(layer.away) - stroke.width / 2) < stroke.ramp / 2) * layer.kept / stroke.ramp
        cover = layer.cover.ravel()[layer.pixels] * shows
        matrix, vector = np.zeros((knots + 4, knots + 4)), np.zeros(knots + 4)
        for channel, plane in enumerate(self.planes):
            contrast = (stroke.color[channel] - below[:, channel]) * shows * edge
            blocks = plane.touched(layer.pixels)
            others = [(knots, contrast / 2), (knots + 1 + channel, cover)]
            told = _design(plane.blocks, layer, blocks, basis[layer.nearest], contrast * np.sign(layer.away), others)
            _add(matrix, vector, *told, *plane.judge(change[..., channel], blocks)[:2])
        bend, offset = curvature_change(stroke.points, basis)
        matrix[:knots, :knots] += bend.T @ bend
        vector[:knots] -= bend.T @ offset
        vector[knots + 1 :] += _HOLD_COLOR * (stroke.usual - stroke.color)
        matrix += np.diag([1e-6] * knots + [_HOLD_WIDTH] + [_HOLD_COLOR] * 3)
        step = np.linalg.solve(matrix, vector)
        stroke.step(np.asarray(basis @ step[:knots]), step[knots], step[knots + 1 :])
        return Layer.of(stroke, self.size)


def _add(
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


def _design(
    plane: Blocks,
    layer: Layer,
    blocks: np.ndarray,
    basis: sparse.csr_matrix,
    shifted: np.ndarray,
    others: Sequence[tuple[int, np.ndarray]],
) -> tuple[Int[np.ndarray, "blocks columns"], Float[np.ndarray, "blocks 64 columns"]]:
    """How the numbers of each block change with what is unknown.

    Only a few knots of the outline matter to a block: those alone have a column there.

    Args:
        plane: The plane's blocks.
        layer: The stroke.
        blocks: Those that the stroke touches.
        basis: Pixels × knots.
        shifted: How each pixel changes as the outline moves by a pixel.
        others: Unknowns by number, and how each pixel changes with them.

    Returns:
        The unknowns that the columns of each block stand for, and the columns.
    """
    cells, share = plane.cell[layer.pixels], plane.share[layer.pixels]
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
