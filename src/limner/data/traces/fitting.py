"""Outlines moved until strokes drawn along them explain the picture: analysis by synthesis.

Layer: data, above `outlines` and `contours`. Pure functions on arrays.

What a picture shows is drawn again: strokes of some width and colour along the outlines, one over the
other, with soft or hard edges, their lightness blurred and their colour at half the resolution as JPEG
stored it. Gauss–Newton steps then move each outline across itself until the drawing fits. That is free
of the bias that the middle of the visible ink has where another stroke hides a part of it, and where the
picture is darker on one side. A prior for even curvature carries outlines over gaps and hidden stretches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy import ndimage, sparse

from limner.data.traces.lossy import halve, spread
from limner.data.traces.splines import STEP, shift_basis
from limner.data.traces.strokes import Layer, Stroke, stacking, surroundings, visible_parts

_ROUNDS = 8
# As many bring outlines near enough to be refined.
_NEAR = 3
# Errors beyond this many standard deviations are writing or other strokes.
_ROBUST = 4.0
_LEAST_NOISE = 1.0
_MARGIN = 12.0
# Rounds before which lifted pens are looked for: when outlines are near, and when they have settled.
_LOOKS = (1, 3, 5)
# The pen was lifted where less than this share of the ink is seen, looked at with this blur in pixels;
# where less than this share of a stroke is not hidden, nobody knows.
_DOWN, _ALONG, _HIDDEN = 0.4, 1.0, 0.2
_HOLD_COLOR = 0.1
# Edges of strokes go from ink to none within so many pixels: those of soft and of hard pens.
_RAMPS = (1.0, 0.4)
# How much of a pixel's lightness JPEG may have moved to each one beside it, as a share of its own.
_BLURS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2)
_TRIED = (0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 3.6, 4.3, 5.0, 6.0, 7.5, 9.0)


def fit(
    strokes: Sequence[Stroke],
    drawn: Float[np.ndarray, "height width 3"],
    plain: Float[np.ndarray, "height width 3"],
    *,
    lightness: bool,
    rough: bool = False,
) -> None:
    """Move strokes until they explain a picture.

    Args:
        strokes: Near the truth, within a pixel or two; changed in place.
        drawn: The traced picture, lightness and colour.
        plain: The picture without ink.
        lightness: Whether `plain` knows the lightness below the ink.
        rough: Bring them near, and leave the rest to `refine`.
    """
    with frame(strokes, drawn, plain) as (drawn_part, plain_part):
        _settle(strokes, _Scene(drawn_part, plain_part, lightness), rough)


@contextlib.contextmanager
def frame(
    strokes: Sequence[Stroke],
    drawn: Float[np.ndarray, "height width 3"],
    plain: Float[np.ndarray, "height width 3"],
    step: int = 2,
) -> Iterator[tuple[Float[np.ndarray, "rows columns 3"], Float[np.ndarray, "rows columns 3"]]]:
    """The parts of both pictures that the strokes may reach; strokes count from their corner meanwhile.

    The corner is a whole number of `step`, as JPEG counts in twos and more.
    """
    points = np.concatenate([stroke.points for stroke in strokes])
    low = np.maximum(points.min(axis=0) - _MARGIN, 0) // step * step
    high = np.minimum(-(-(points.max(axis=0) + _MARGIN) // step) * step, drawn.shape[:2])
    rows, columns = (slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))
    for stroke in strokes:
        stroke.points = stroke.points - low
    yield drawn[rows, columns], plain[rows, columns]
    for stroke in strokes:
        stroke.points = stroke.points + low


def _settle(strokes: Sequence[Stroke], scene: _Scene, rough: bool) -> None:
    rounds = _NEAR if rough else _ROUNDS
    for number in range(rounds + 1):
        layers = [Layer.of(stroke, scene.size) for stroke in strokes]
        if number in (0, 2):
            scene.choose_filter(strokes, layers)
        if number in _LOOKS or number == rounds:
            scene.look(strokes, layers)
        if number == rounds:
            break
        order = stacking(strokes, layers, scene.drawn)
        layers = _choose_pen(number, strokes, scene, layers, order, edges=not rough)
        for place in range(len(strokes)):
            layers[place] = scene.move(strokes, layers, order, place)


def _choose_pen(
    number: int, strokes: Sequence[Stroke], scene: _Scene, layers: list[Layer], order: Sequence[int], *, edges: bool
) -> list[Layer]:
    """What is tried out before some of the rounds: widths, edges, colours; new layers."""
    if number in (0, 2):
        for place, stroke in enumerate(strokes):
            tried = _TRIED if number == 0 else [factor * stroke.width for factor in (0.8, 1.0, 1.25)]
            layers[place] = scene.choose_width(strokes, layers, order, place, tried)
    if number in (2, 4) and edges:
        layers = scene.choose_edges(strokes, order)
    if number == 0:
        scene.recolor(strokes, layers, order)
    return layers


class _Scene:
    """A picture, and what JPEG did to it."""

    def __init__(self, drawn: np.ndarray, plain: np.ndarray, lightness: bool) -> None:
        self.size = (drawn.shape[0], drawn.shape[1])
        self.drawn, self.plain = drawn.astype(np.float64), plain.astype(np.float64)
        self.change = self.drawn - self.plain
        self.channels = (0, 1, 2) if lightness else (1, 2)
        self.halves, self.blur = (False, False), 0.0
        self._filters()

    def choose_filter(self, strokes: Sequence[Stroke], layers: Sequence[Layer]) -> None:
        """Whether colour was stored at half the resolution, down and across: what explains it best."""
        errors = {}
        for halves in ((False, False), (False, True), (True, True)):
            self.halves = halves
            self._filters()
            order = stacking(strokes, layers, self.drawn)
            colors = self._colors(strokes, layers, order)
            error = self._residual(colors, visible_parts(layers, order))
            band = np.unique(np.concatenate([layer.pixels for layer in layers]))
            errors[halves] = float(np.abs(error.reshape(-1, 3)[band, 1:]).mean())
        self.halves = min(errors, key=lambda halves: errors[halves])
        self._filters()

    def look(self, strokes: Sequence[Stroke], layers: list[Layer]) -> None:
        """Find where all pens were lifted; new layers take their places."""
        for place in range(len(strokes)):
            layers[place] = self.look_for_ink(strokes, layers, stacking(strokes, layers, self.drawn), place)

    def look_for_ink(
        self, strokes: Sequence[Stroke], layers: Sequence[Layer], order: Sequence[int], place: int
    ) -> Layer:
        """Find where the pen of one stroke was lifted; its new layer."""
        stroke, layer = strokes[place], layers[place]
        colors = [one.color for one in strokes]
        down, up = list(layers), list(layers)
        down[place] = Layer.of(replace(stroke, lifted=np.zeros_like(stroke.lifted)), self.size)
        up[place] = replace(layer, cover=np.zeros(self.size))
        seen = self._residual(colors, visible_parts(up, order))
        wanted = seen - self._residual(colors, visible_parts(down, order))
        told, full = (self._along(layer, wanted * other, len(stroke.points)) for other in (seen, wanted))
        known = full > _HIDDEN * np.median(full)
        stroke.lifted = known & (told < _DOWN * full)
        return Layer.of(stroke, self.size)

    def _along(self, layer: Layer, values: np.ndarray, count: int) -> Float[np.ndarray, " points"]:
        """Values of pixels, summed by the point of the outline they are nearest to."""
        flat = values[..., self.channels].sum(axis=2).ravel()[layer.pixels]
        sums = np.bincount(layer.nearest, flat, count)
        return np.asarray(ndimage.gaussian_filter1d(sums, _ALONG / STEP, mode="wrap"))

    def choose_width(
        self,
        strokes: Sequence[Stroke],
        layers: Sequence[Layer],
        order: Sequence[int],
        place: int,
        widths: Sequence[float],
    ) -> Layer:
        """The width of one stroke, of several, that explains it best; its new layer."""
        stroke, tried = strokes[place], list(layers)
        stroke.width = max(widths)
        widest = Layer.of(stroke, self.size)
        errors = []
        for width in widths:
            tried[place] = widest.drawn(width)
            colors = self._colors(strokes, tried, order)
            error = self._residual(colors, visible_parts(tried, order)).reshape(-1, 3)[widest.pixels]
            errors.append(float((error[:, self.channels] ** 2).sum()))
        stroke.width = widths[int(np.argmin(errors))]
        return Layer.of(stroke, self.size)

    def choose_edges(self, strokes: Sequence[Stroke], order: Sequence[int]) -> list[Layer]:
        """Whether the pen was soft or hard, and how much JPEG blurred lightness: what explains it best; new layers."""
        errors = {}
        for ramp in _RAMPS:
            layers = [Layer.of(replace(stroke, ramp=ramp), self.size) for stroke in strokes]
            visible = visible_parts(layers, order)
            band = np.unique(np.concatenate([layer.pixels for layer in layers]))
            for blur in _BLURS:
                self.blur = blur
                self._filters()
                error = self._residual([stroke.color for stroke in strokes], visible).reshape(-1, 3)[band]
                errors[ramp, blur] = float((error[:, self.channels[0]] ** 2).sum())
        ramp, self.blur = min(errors, key=lambda choice: errors[choice])
        self._filters()
        for stroke in strokes:
            stroke.ramp = ramp
        return [Layer.of(stroke, self.size) for stroke in strokes]

    def recolor(self, strokes: Sequence[Stroke], layers: Sequence[Layer], order: Sequence[int]) -> None:
        for stroke, color in zip(strokes, self._colors(strokes, layers, order), strict=True):
            stroke.color = color

    def move(self, strokes: Sequence[Stroke], layers: Sequence[Layer], order: Sequence[int], place: int) -> Layer:
        """One step of one stroke; its new layer."""
        stroke, layer = strokes[place], layers[place]
        visible = visible_parts(layers, order)
        error = self._residual([one.color for one in strokes], visible).reshape(-1, 3)
        shows, below = surroundings(strokes, layers, order, place, self.plain)
        edge = np.abs(np.abs(layer.away) - stroke.width / 2) < 0.5
        basis = shift_basis(len(stroke.points))
        # Unknown are the outline's shift, the width and the colour, together: on the edge of something
        # bright a darker stroke and a shifted one look alike in lightness.
        shape = sparse.hstack(
            [
                sparse.diags(np.where(edge, np.sign(layer.away), 0.0) * layer.kept) @ basis[layer.nearest],
                sparse.csr_matrix((np.where(edge, 0.5, 0.0) * layer.kept)[:, None]),
            ],
            format="csr",
        )
        cover = (layer.cover * shows).ravel()[layer.pixels]
        knots = basis.shape[1]
        matrix, vector = np.zeros((knots + 4, knots + 4)), np.zeros(knots + 4)
        near = layer.pixels[layer.kept]
        for channel in self.channels:
            contrast = ((stroke.color[channel] - below[..., channel]) * shows).ravel()[layer.pixels]
            paint = sparse.csr_matrix((cover, (np.arange(len(cover)), np.full(len(cover), channel))), (len(cover), 3))
            design = sparse.hstack([sparse.diags(contrast) @ shape, paint], format="csr")
            design = (self._both_ways(channel)[near][:, layer.pixels] @ design).toarray()
            wrong = error[near, channel]
            weight = self._weights(wrong, edge[layer.kept])
            if channel:
                # Pixels that share a stored colour tell it once.
                weight = weight / 2 ** sum(self.halves)
            matrix += design.T @ (design * weight[:, None])
            vector += design.T @ (weight * wrong)
        stroke.solve(basis, matrix, vector, _HOLD_COLOR)
        return Layer.of(stroke, self.size)

    def _residual(self, colors: Sequence[np.ndarray], visible: Sequence[np.ndarray]) -> np.ndarray:
        """Picture less drawing."""
        change = np.zeros(self.drawn.shape)
        for color, cover in zip(colors, visible, strict=True):
            change += cover[..., None] * (color - self.plain)
        return np.asarray(self.change - self._filtered(change))

    def _weights(self, wrong: np.ndarray, edge: np.ndarray) -> np.ndarray:
        """One over the noise of each pixel, as the edges of the stroke show it; less for what is far off."""
        size = np.abs(wrong[edge])
        noise = float(np.sqrt(np.mean(np.minimum(size, 3 * np.median(size)) ** 2))) if size.size else 0.0
        noise = max(noise, _LEAST_NOISE)
        return np.asarray(1 / (1 + (wrong / (_ROBUST * noise)) ** 2) / noise**2)

    def _colors(
        self, strokes: Sequence[Stroke], layers: Sequence[Layer], order: Sequence[int]
    ) -> list[Float[np.ndarray, " 3"]]:
        """The strokes' colours by least squares, held a little at what they were."""
        visible = visible_parts(layers, order)
        colors = [stroke.color.copy() for stroke in strokes]
        band = np.unique(np.concatenate([layer.pixels for layer in layers]))
        total = sum(visible, np.zeros(self.size))
        hidden = self._filtered(total[..., None] * self.plain)
        wanted = (self.drawn - self.plain + hidden).reshape(-1, 3)[band]
        designs = [
            np.stack([self._blurred(cover, channel).ravel()[band] for cover in visible], axis=1) for channel in (0, 1)
        ]
        for channel in self.channels:
            design = designs[channel > 0]
            before = np.array([color[channel] for color in colors])
            # As much as a few pixels of full ink: strokes that hardly show keep their colour.
            square = design.T @ design + 5 * np.eye(len(strokes))
            found = before + np.linalg.solve(square, design.T @ (wanted[:, channel] - design @ before))
            for color, value in zip(colors, found, strict=True):
                color[channel] = value
        return colors

    def _filters(self) -> None:
        """Down and across: of lightness, and of colour."""
        light = [spread(length, self.blur) for length in self.size]
        color = [
            halve(length) if halved else sparse.identity(length, format="csr")
            for length, halved in zip(self.size, self.halves, strict=True)
        ]
        self.ways = (light, color, color)
        self._both: dict[bool, sparse.csr_matrix] = {}

    def _both_ways(self, channel: int) -> sparse.csr_matrix:
        """Down and across at once: pixels × pixels."""
        colored = channel > 0
        if colored not in self._both:
            down, across = self.ways[channel]
            self._both[colored] = sparse.csr_matrix(sparse.kron(down, across, format="csr"))
        return self._both[colored]

    def _filtered(self, change: np.ndarray) -> np.ndarray:
        return np.stack([self._blurred(change[..., channel], channel) for channel in range(3)], axis=2)

    def _blurred(self, plane: Float[np.ndarray, "height width"], channel: int) -> np.ndarray:
        down, across = self.ways[channel]
        return np.asarray((across @ (down @ plane).T).T)
