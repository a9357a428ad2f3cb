"""Cars as meshes: body, cabin, wheels and mirrors, and which spot of them is made of what.

Layer: examples, above `meshes`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int32

from limner.examples.meshes import Mesh, join, skin

BODY, CABIN, WHEEL, MIRROR = range(4)
"""Things of a car's mesh."""

PAINT, GLASS, RUBBER, RIM, LAMP, TAIL, DARK, PLATE = range(8)
"""What a spot of a car is made of."""

# Height of bonnet and boot at places from front (0) to back (1), in shares of the length; then the roof's.
_KINDS: dict[str, tuple[tuple[float, float, float], list[tuple[float, float]], list[tuple[float, float]], float]] = {
    "sedan": (
        (4.7, 1.82, 0.33),
        [(0, 0.62), (0.04, 0.78), (0.28, 0.98), (0.75, 1.02), (0.96, 1.0), (1, 0.72)],
        [(0.25, 0.95), (0.41, 1.4), (0.52, 1.45), (0.67, 1.4), (0.84, 1.0)],
        0.46,
    ),
    "hatch": (
        (4.0, 1.76, 0.32),
        [(0, 0.62), (0.05, 0.82), (0.26, 1.02), (0.8, 1.05), (0.97, 1.0), (1, 0.7)],
        [(0.22, 0.98), (0.4, 1.45), (0.55, 1.5), (0.82, 1.44), (0.97, 1.02)],
        0.5,
    ),
    "suv": (
        (4.75, 1.93, 0.38),
        [(0, 0.75), (0.04, 1.0), (0.27, 1.16), (0.8, 1.2), (0.97, 1.15), (1, 0.85)],
        [(0.25, 1.12), (0.38, 1.66), (0.5, 1.74), (0.88, 1.68), (0.98, 1.15)],
        0.48,
    ),
    "pickup": (
        (5.6, 1.98, 0.4),
        [(0, 0.8), (0.03, 1.08), (0.25, 1.2), (0.6, 1.2), (0.64, 1.26), (0.985, 1.24), (1, 0.8)],
        [(0.24, 1.17), (0.34, 1.72), (0.4, 1.8), (0.56, 1.78), (0.62, 1.2)],
        0.44,
    ),
    "van": (
        (5.0, 1.98, 0.35),
        [(0, 0.72), (0.04, 0.95), (0.18, 1.12), (0.8, 1.15), (0.98, 1.1), (1, 0.75)],
        [(0.14, 1.08), (0.32, 1.68), (0.45, 1.76), (0.92, 1.7), (0.99, 1.1)],
        0.42,
    ),
    "coupe": (
        (4.5, 1.86, 0.34),
        [(0, 0.58), (0.04, 0.74), (0.32, 0.92), (0.75, 0.98), (0.96, 0.96), (1, 0.68)],
        [(0.3, 0.9), (0.47, 1.28), (0.56, 1.31), (0.68, 1.26), (0.9, 0.97)],
        0.56,
    ),
}


@dataclass(frozen=True)
class Car:
    """A car's measures in metres, and colours in [0, 1]."""

    length: float
    width: float
    radius: float
    body: Float[np.ndarray, "knots 2"]
    roof: Float[np.ndarray, "roof_knots 2"]
    pillar: float
    spokes: int
    paint: tuple[float, float, float]

    @property
    def axles(self) -> tuple[float, float]:
        """Places of the wheels along the car."""
        return 0.32 * self.length, -0.3 * self.length

    def mesh(self) -> Mesh:
        """All of it, standing on the floor, its middle at the origin."""
        wheels = [self._wheel(x, side) for x in self.axles for side in (-1, 1)]
        mirrors = [self._mirror(side) for side in (-1, 1)]
        return join([self._body(), self._cabin(), *wheels, *mirrors])

    def share(self, x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Place from front (0) to back (1)."""
        return np.asarray(0.5 - x / self.length)

    def _half_width(self, share: np.ndarray) -> np.ndarray:
        """Half the body's width: narrower towards the ends, rounded at them."""
        out = np.abs(2 * share - 1)
        return np.asarray(0.5 * self.width * (1 - 0.1 * out**4) * (1 - 0.22 * np.clip((out - 0.9) / 0.1, 0, 1) ** 2.5))

    def _body(self) -> Mesh:
        share = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 34))
        top = _smooth(share, self.body)
        bottom = 0.2 + 0.16 * np.clip(np.abs(2 * share - 1) - 0.8, 0, 1) / 0.2
        turn = np.linspace(0, 2 * np.pi, 33)
        out, up = _rounded(np.cos(turn), 5.0), _rounded(np.sin(turn), 3.5)
        rows = np.empty((len(share) + 2, len(turn), 3))
        rows[1:-1, :, 0] = (0.5 - share[:, None]) * self.length
        rows[1:-1, :, 1] = self._half_width(share)[:, None] * out
        rows[1:-1, :, 2] = (top + bottom)[:, None] / 2 + (top - bottom)[:, None] / 2 * up
        # Flat lids at both ends.
        rows[0], rows[-1] = rows[1].mean(axis=0), rows[-2].mean(axis=0)
        return skin(rows, BODY)

    def _cabin(self) -> Mesh:
        share = np.linspace(self.roof[0, 0], self.roof[-1, 0], 24)
        low = _smooth(share, self.body) - 0.08
        high = np.maximum(_smooth(share, self.roof), low + 0.01)
        turn = np.linspace(0, np.pi, 21)
        out, up = _rounded(np.cos(turn), 4.5), _rounded(np.sin(turn), 4.5)
        base = 0.93 * self._half_width(share)[:, None]
        rows = np.empty((len(share), len(turn), 3))
        rows[..., 0] = (0.5 - share[:, None]) * self.length
        rows[..., 1] = base * out * (1 - 0.2 * up)
        rows[..., 2] = low[:, None] + (high - low)[:, None] * up
        return skin(rows, CABIN)

    def _wheel(self, x: float, side: int) -> Mesh:
        turn = np.linspace(0, 2 * np.pi, 29)
        outer = side * (0.5 * self.width - 0.01)
        profile = [(0.0, outer), (0.62, outer - side * 0.03), (0.9, outer), (1.0, outer - side * 0.03)]
        profile.append((1.0, outer - side * 0.22))
        rows = np.empty((len(profile), len(turn), 3))
        for row, (reach, y) in zip(rows, profile, strict=True):
            row[:, 0] = x + reach * self.radius * np.cos(turn)
            row[:, 1] = y
            row[:, 2] = self.radius * (1 + reach * np.sin(turn))
        return skin(rows, WHEEL)

    def _mirror(self, side: int) -> Mesh:
        share = self.roof[0, 0] + 0.07
        center = np.array([(0.5 - share) * self.length, side * (0.5 * self.width + 0.07), self.roof[0, 1] + 0.12])
        down, turn = np.meshgrid(np.linspace(0, np.pi, 6), np.linspace(0, 2 * np.pi, 9), indexing="ij")
        ball = np.stack([np.sin(down) * np.cos(turn), np.sin(down) * np.sin(turn), np.cos(down)], axis=2)
        return skin(center + ball * [0.07, 0.13, 0.08], MIRROR)

    def materials(
        self,
        points: Float32[np.ndarray, "pixels 3"],
        normals: Float32[np.ndarray, "pixels 3"],
        things: Int32[np.ndarray, " pixels"],
    ) -> Int32[np.ndarray, " pixels"]:
        """What each spot is made of."""
        found = np.full(len(points), PAINT, np.int32)
        for thing, paint in ((BODY, self._paint_body), (CABIN, self._paint_cabin), (WHEEL, self._paint_wheel)):
            chosen = np.flatnonzero(things == thing)
            found[chosen] = paint(points[chosen], normals[chosen])
        return found

    def _paint_body(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        x, y, z = points.T
        out, share = np.abs(y) / (0.5 * self.width), self.share(x)
        top = _smooth(np.clip(share, 0, 1), self.body)
        side = np.abs(normals[:, 1]) > 0.5
        found = np.full(len(points), PAINT, np.int32)
        found[z < 0.3] = DARK
        for line in (self.pillar, self.roof[0, 0] + 0.06, min(self.pillar + 0.2, self.roof[-1, 0] - 0.05)):
            found[side & (np.abs(share - line) < 0.0016) & (z > 0.34)] = DARK
        found[side & (np.abs(z - top + 0.2) < 0.014) & (np.abs(share - self.pillar + 0.035) < 0.014)] = DARK
        front, back = share < 0.1, share > 0.94
        ends = np.abs(normals[:, 0]) > 0.5
        found[ends & (share < 0.5) & (out < 0.5) & (z > 0.36) & (z < 0.6)] = DARK
        lamp = (out > 0.52) & (z > 0.74 * top - 0.06) & (z < 0.74 * top + 0.1) & (z > 0.5)
        found[front & lamp] = LAMP
        found[back & lamp] = TAIL
        found[ends & (np.abs(y) < 0.26) & (np.abs(z - np.where(share < 0.5, 0.44, 0.66)) < 0.06)] = PLATE
        for axle in self.axles:
            well = np.hypot(x - axle, z - self.radius) < 1.17 * self.radius
            found[well & (out > 0.6)] = DARK
        return found

    def _paint_cabin(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        x, y, z = points.T
        share = self.share(x)
        low, high = _smooth(share, self.body), _smooth(share, self.roof)
        inside = (z > low + 0.04) & (z < high - 0.07)
        first, last = self.roof[0, 0], self.roof[-1, 0]
        pillars = [self.pillar, min(self.pillar + 0.21, last - 0.06)]
        side = (np.abs(normals[:, 1]) > 0.55) & (share > first + 0.035) & (share < last - 0.03)
        for pillar in pillars:
            side &= np.abs(share - pillar) > 0.008
        # Screens: the sloping front and back, as far as the roof's edges.
        slope = np.where(share < 0.45, share < self.roof[1, 0] - 0.01, share > self.roof[-2, 0] + 0.015)
        reach = 0.42 * self.width * (1 - 0.22 * np.clip((z - low) / np.maximum(high - low, 0.05), 0, 1))
        screen = slope & (np.abs(normals[:, 1]) < 0.55) & (np.abs(y) < reach) & (z > low + 0.01)
        return np.where((side & inside) | screen, GLASS, PAINT)

    def _paint_wheel(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        del normals
        x, z = points[:, 0], points[:, 2] - self.radius
        axle = np.where(x > 0, *self.axles)
        reach, turn = np.hypot(x - axle, z) / self.radius, np.arctan2(z, x - axle)
        spoke = np.cos(turn * self.spokes + axle) > -0.15 + 0.9 * (reach - 0.4)
        rim = (reach < 0.64) & (spoke | (reach > 0.57) | (reach < 0.16))
        return np.where(rim, RIM, np.where(reach < 0.62, DARK, RUBBER))


def draw_car(rng: np.random.Generator) -> Car:
    """A car of some kind, size and colour."""
    kind = list(_KINDS)[rng.integers(len(_KINDS))]
    (length, width, radius), body, roof, pillar = _KINDS[kind]
    stretch, height = rng.uniform(0.95, 1.05), rng.uniform(0.96, 1.04)
    return Car(
        length=length * stretch,
        width=width * rng.uniform(0.97, 1.03),
        radius=radius * rng.uniform(0.95, 1.05),
        body=np.array(body) * [1, height],
        roof=np.array(roof) * [1, height],
        pillar=pillar,
        spokes=int(rng.integers(5, 11)),
        paint=_paint(rng),
    )


def _paint(rng: np.random.Generator) -> tuple[float, float, float]:
    """Mostly white, black and greys, as on the road."""
    if rng.random() < 0.7:
        tone = [0.03, 0.12, 0.3, 0.55, 0.85][rng.integers(5)]
        red, green, blue = np.clip(tone + rng.normal(0, 0.012, 3), 0.01, 0.95).tolist()
    else:
        colors = [(0.45, 0.02, 0.03), (0.03, 0.08, 0.32), (0.3, 0.2, 0.12), (0.05, 0.2, 0.1), (0.65, 0.35, 0.03)]
        red, green, blue = np.clip(np.array(colors[rng.integers(5)]) * rng.uniform(0.7, 1.3), 0, 0.95).tolist()
    return red, green, blue


def _smooth(share: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """A line through knots without overshooting; straight beyond the ends."""
    from scipy.interpolate import PchipInterpolator

    places = np.clip(share, knots[0, 0], knots[-1, 0])
    return np.asarray(PchipInterpolator(knots[:, 0], knots[:, 1])(places))


def _rounded(wave: np.ndarray, power: float) -> np.ndarray:
    """Sine or cosine of a rounded box instead of a circle."""
    return np.asarray(np.sign(wave) * np.abs(wave) ** (2 / power))
