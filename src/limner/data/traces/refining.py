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
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from limner.data.traces.blocks import SIDE, Blocks
from limner.data.traces.fitting import frame
from limner.data.traces.splines import STEP, shift_basis
from limner.data.traces.stored import Plane, Storage, add_told
from limner.data.traces.strokes import Layer, Stroke, stacking, surroundings, visible_parts

# Edges of strokes go from ink to none within so many pixels, round by round: those of soft pens and of hard ones,
# whose whole pixels tell the more the nearer the outline is.
_RAMPS = ((1.0,) * 6, (0.7, 0.5, 0.4, 0.3, 0.2, 0.2))
# Rounds after which the kind of pen is known.
_TRIED = 2
# JPEG stores lightness less this.
_LEVEL = 128
_HOLD_COLOR, _HOLD_INK = 0.01, 0.3
_INK_KNOTS = 1.75

# The pen was lifted where less than this share of its ink is there.
_DOWN = 0.2
# Ink between two lifts is longer than this, in pixels.
_SPECK = 1.4


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


def _closed(values: Bool[np.ndarray, " points"], longest: int) -> Bool[np.ndarray, " points"]:
    """The same ring with runs of false values up to a length filled."""
    ring = np.concatenate([values[-longest:], values, values[:longest]])
    return np.asarray(ndimage.binary_closing(ring, np.ones(longest + 1, dtype=bool))[longest:-longest] | values)


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
            level = 0 if channel else _LEVEL
            self.planes.append(Plane(self.drawn[..., channel] - level, self.plain[..., channel] - level, *of_both))

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
                told = plane.design(full, blocks, basis[full.nearest], ink, [])
                add_told(matrix, vector, *told, *plane.judge(change[..., channel], blocks)[:2])
            amount = ~stroke.lifted + basis @ np.linalg.solve(matrix, vector)
            # Specks of ink within a gap are noise.
            stroke.lifted = _closed(amount < _DOWN, round(_SPECK / STEP))
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
            told = plane.design(layer, blocks, basis[layer.nearest], contrast * np.sign(layer.away), others)
            add_told(matrix, vector, *told, *plane.judge(change[..., channel], blocks)[:2])
        stroke.solve(basis, matrix, vector, _HOLD_COLOR)
        return Layer.of(stroke, self.size)
