"""What drawn pictures are made of: smooth fields, round things, shares of a light.

Layer: examples, below the data sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from limner.types import Size


def smooth_field(
    rng: np.random.Generator, size: Size, waves: int, fade: float = 1.0
) -> Float[np.ndarray, "height width"]:
    """A random field without sharp features, mean 0 and standard deviation 1: a sum of cosines.

    Args:
        rng: Source of the amplitudes.
        size: Height and width.
        waves: Half waves of the finest cosine across each side.
        fade: How fast finer waves lose amplitude; 0 keeps them all alike.
    """
    order = np.hypot(*np.mgrid[:waves, :waves])
    amplitudes = rng.normal(size=(waves, waves)) / np.maximum(order, 1) ** fade
    amplitudes[0, 0] = 0
    down, right = (np.cos(np.pi * np.outer((np.arange(length) + 0.5) / length, np.arange(waves))) for length in size)
    field = down @ amplitudes @ right.T
    return np.asarray(field / field.std())


@dataclass(frozen=True)
class Blob:
    """A roundish outline: an ellipse whose radius wavers around the circle."""

    center: tuple[float, float]
    radius: float
    stretch: float = 1.0
    """Length over breadth."""
    angle: float = 0.0
    """Of the long axis, in radians from the downward direction."""
    waves: tuple[tuple[float, float], ...] = ()
    """Relative amplitude and phase of 2, 3, … lobes."""

    def patch(self, size: Size, reach: float = 1.0) -> tuple[slice, slice]:
        """Rows and columns of a picture that hold the blob, enlarged `reach` times."""
        extent = reach * self.radius * self.stretch**0.5 * (1 + sum(abs(amplitude) for amplitude, _ in self.waves)) + 2
        first, last = (
            [min(max(int(place + sign * extent), 0), length) for place, length in zip(self.center, size, strict=True)]
            for sign in (-1, 1)
        )
        return slice(first[0], last[0]), slice(first[1], last[1])

    def distance(self, patch: tuple[slice, slice]) -> Float[np.ndarray, "rows columns"]:
        """Distance from the centre in units of the radius: below 1 inside, 1 on the outline."""
        down, right = self.offsets(patch)
        along = (down * np.cos(self.angle) + right * np.sin(self.angle)) / self.stretch**0.5
        across = (right * np.cos(self.angle) - down * np.sin(self.angle)) * self.stretch**0.5
        distance = np.hypot(along, across) / self.radius
        if not self.waves:
            return np.asarray(distance)
        turn = np.arctan2(across, along)
        lobes = [amplitude * np.cos(n * turn + phase) for n, (amplitude, phase) in enumerate(self.waves, start=2)]
        return np.asarray(distance / (1 + sum(lobes)))

    def offsets(self, patch: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Pixels down (a column) and right (a row) from the centre."""
        rows, columns = (np.arange(part.start, part.stop, dtype=np.float64) for part in patch)
        return (rows - self.center[0])[:, None], (columns - self.center[1])[None, :]


def random_waves(rng: np.random.Generator, amplitude: float, lobes: int = 4) -> tuple[tuple[float, float], ...]:
    """Waves of 2 to `lobes` lobes, finer ones weaker, for a hand-drawn outline."""
    return tuple((float(rng.normal(0, amplitude / n)), float(rng.uniform(0, 2 * np.pi))) for n in range(2, lobes + 1))


def place_apart(
    rng: np.random.Generator, size: Size, radii: Float[np.ndarray, " count"], *, gap: float, margin: float = 0.0
) -> list[tuple[float, float, float]]:
    """Centres (row, column) and radii of discs at least `gap` times the sum of their radii apart.

    Discs that find no room in a few attempts are left out. `margin` keeps centres from the border,
    in pixels; negative lets them lie outside.
    """
    placed: list[tuple[float, float, float]] = []
    for radius in radii.tolist():
        for _ in range(12):
            row, column = rng.uniform(margin, size[0] - margin), rng.uniform(margin, size[1] - margin)
            if all(np.hypot(row - r, column - c) >= gap * (radius + other) for r, c, other in placed):
                placed.append((row, column, radius))
                break
    return placed


def ramp(distance: Float[np.ndarray, "*shape"], width: float) -> Float[np.ndarray, "*shape"]:
    """1 well inside an outline, 0 well outside, half on it; `width` in units of the distance."""
    return np.clip((1 - distance) / width + 0.5, 0, 1)
