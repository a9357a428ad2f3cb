"""A heart of four chambers as magnetic resonance shows it, with the outlines of its parts.

Layer: examples, below `traced_hearts`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from limner.examples.pens import inside
from limner.examples.shapes import random_waves, smooth_field
from limner.types import Size

# Of a picture 208 high: (down the heart's axis, across it), half length, half breadth, taper to the apex.
_CHAMBERS = {
    "green": (-20.0, 17.0, 30.0, 15.5, 0.30),  # left ventricle
    "red": (-14.0, -18.0, 27.0, 14.5, 0.45),  # right ventricle
    "left atrium": (31.0, 18.0, 17.0, 15.5, -0.1),
    "right atrium": (31.0, -18.0, 16.0, 16.5, -0.1),
}
_POINTS = 360


def draw_heart(
    rng: np.random.Generator, size: Size = (208, 174)
) -> tuple[dict[str, Float[np.ndarray, "points 2"]], UInt8[np.ndarray, "height width 3"]]:
    """A picture and the outlines in it: `blue` round the heart, `green` and `red` round its ventricles."""
    scale = min(size[0] / 208, size[1] / 174) * rng.uniform(0.85, 1.08)
    turn = rng.uniform(-0.7, 0.2)
    center = np.array([size[0] * rng.uniform(0.46, 0.54), size[1] * rng.uniform(0.46, 0.54)])
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    chambers = {name: center + scale * _chamber(rng, *numbers) @ axes for name, numbers in _CHAMBERS.items()}
    heart = _around(center, np.vstack(list(chambers.values())), scale * rng.uniform(6, 9))
    image = _expose(rng, size, _light(rng, size, heart, chambers, scale))
    return {"blue": heart, "green": chambers["green"], "red": chambers["red"]}, image


def _chamber(
    rng: np.random.Generator, down: float, across: float, length: float, breadth: float, taper: float
) -> Float[np.ndarray, "points 2"]:
    """An egg with its point up, relative to the heart's middle and axes."""
    angle = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    length, breadth = length * rng.uniform(0.92, 1.06), breadth * rng.uniform(0.88, 1.08)
    lobes = 1 + sum(a * np.cos(n * angle + p) for n, (a, p) in enumerate(random_waves(rng, 0.05), start=2))
    rows, columns = length * np.cos(angle) * lobes, breadth * np.sin(angle) * lobes
    columns = columns * (1 + taper * rows / length)
    return np.stack([down + rows, across + columns], axis=1)


def _around(
    center: Float[np.ndarray, " 2"], points: Float[np.ndarray, "points 2"], wall: float
) -> Float[np.ndarray, "outline 2"]:
    """A smooth outline that runs `wall` outside the points in every direction."""
    ways = points - center
    angle = np.linspace(-np.pi, np.pi, _POINTS, endpoint=False)
    bins = np.rint((np.arctan2(ways[:, 0], ways[:, 1]) + np.pi) / (2 * np.pi) * _POINTS).astype(int) % _POINTS
    reach = np.zeros(_POINTS)
    np.maximum.at(reach, bins, np.linalg.norm(ways, axis=1))
    reach = ndimage.maximum_filter1d(reach, 15, mode="wrap") + wall
    reach = ndimage.gaussian_filter1d(reach, 12, mode="wrap")
    return np.asarray(center + reach[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1))


def _light(
    rng: np.random.Generator,
    size: Size,
    heart: Float[np.ndarray, "outline 2"],
    chambers: dict[str, Float[np.ndarray, "points 2"]],
    scale: float,
) -> Float[np.ndarray, "height width"]:
    """Bright blood, darker muscle, dark lungs, a bright rim of fat."""
    rows, columns = (np.linspace(-1, 1, length) for length in size)
    body = np.hypot(rows[:, None] / 1.02, columns[None, :] / 1.0)
    scene = np.where(body < 0.98, 0.12 + 0.05 * smooth_field(rng, size, 12), 0.03)
    scene = np.where((body > 0.86) & (body < 0.98), 0.62 + 0.1 * smooth_field(rng, size, 20), scene)
    muscle = inside(heart, size)
    scene = np.where(ndimage.binary_dilation(muscle, iterations=max(1, round(2 * scale))), 0.5, scene)
    scene = np.where(muscle, 0.30 + 0.04 * smooth_field(rng, size, 30), scene)
    for chamber in chambers.values():
        scene = np.where(inside(chamber, size), rng.uniform(0.72, 0.85) + 0.05 * smooth_field(rng, size, 30), scene)
    for center in (chambers["green"].mean(axis=0) + rng.normal(0, 4, 2) for _ in range(2)):
        papillary = np.hypot(*(np.mgrid[: size[0], : size[1]] - center[:, None, None]))
        scene = np.where(papillary < 2.6 * scale, 0.42, scene)
    return ndimage.gaussian_filter(scene, 0.9)


def _expose(
    rng: np.random.Generator, size: Size, scene: Float[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Uneven coil sensitivity and Rician noise, grey stored as colour."""
    coil = np.clip(1 + 0.12 * smooth_field(rng, size, 3), 0.6, 1.4)
    noisy = np.hypot(scene * coil + rng.normal(0, 0.018, size), rng.normal(0, 0.018, size))
    grey = np.clip(noisy * rng.uniform(215, 250), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
