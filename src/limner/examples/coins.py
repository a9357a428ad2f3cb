"""Photographs of coins on a table, in one folder with their masks, of many sizes.

Layer: examples.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from limner.examples.shapes import Blob, place_apart, ramp, random_waves, smooth_field
from limner.files import write_text
from limner.images import write_image
from limner.types import Size

_METALS = np.array([[0.72, 0.45, 0.27], [0.80, 0.66, 0.33], [0.70, 0.71, 0.72], [0.52, 0.37, 0.22]])
_TABLES = np.array([[0.55, 0.38, 0.24], [0.80, 0.72, 0.60], [0.30, 0.36, 0.33], [0.62, 0.60, 0.58], [0.25, 0.19, 0.16]])

# Every twelfth picture has no coin.
_EMPTY_EVERY = 12

_README = """\
Coins: photographs of coins on a table.

NAME.jpg        8-bit colour picture; the sizes differ
NAME_mask.png   0 background, 255 coin; every twelfth picture has no coin

Drawn by Limner from the seed {seed}; no photograph was used. CC0 1.0: do with them what you like.
"""


def write_coins(folder: Path, count: int = 60, seed: int = 0, size: Size = (224, 224)) -> None:
    """Coins on a table: NAME.jpg beside NAME_mask.png, colour, sizes that differ, some masks empty."""
    for number in range(count):
        rng = np.random.default_rng((seed, 3, number))
        height, width = (int(length * rng.uniform(0.85, 1.17)) for length in size)
        coins = 0 if number % _EMPTY_EVERY == _EMPTY_EVERY // 2 else int(rng.integers(1, 9))
        image, mask = draw_coins(rng, (height, width), coins)
        write_image(folder / f"coins_{number + 1:03d}.jpg", image)
        write_image(folder / f"coins_{number + 1:03d}_mask.png", mask.astype(np.uint8) * 255)
    write_text(folder / "README.txt", _README.format(seed=seed))


def draw_coins(
    rng: np.random.Generator, size: Size = (224, 224), coins: int = 5
) -> tuple[UInt8[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]]:
    """A photograph of at most `coins` coins and the mask of where they lie."""
    scene = _table(rng, size)
    light = rng.uniform(0, 2 * np.pi)
    _add_crumbs(rng, scene, light)
    mask = np.zeros(size, dtype=bool)
    radii = np.sort(rng.uniform(0.085, 0.16, coins) * max(size))[::-1]
    for row, column, radius in place_apart(rng, size, radii, gap=rng.uniform(0.93, 1.1)):
        coin = Blob((row, column), radius, rng.uniform(1, 1.08), rng.uniform(0, np.pi))
        _cast_shadow(scene, coin, light)
        patch = coin.patch(size)
        distance = coin.distance(patch)
        cover = ramp(distance, 1.2 / radius)[..., None]
        scene[patch] += cover * (_metal(rng, coin, patch, light) - scene[patch])
        mask[patch] |= distance < 1
    return _photograph(rng, scene), mask


def _table(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "height width 3"]:
    """Wood, cloth or paper."""
    color = _TABLES[rng.integers(len(_TABLES))] * rng.uniform(0.85, 1.15)
    kind = rng.integers(3)
    if kind == 0:
        rows = np.arange(size[0])[:, None] + 0.05 * max(size) * smooth_field(rng, size, 4)
        grain = np.interp(
            rows, np.arange(-100, size[0] + 100), ndimage.gaussian_filter1d(rng.normal(size=size[0] + 200), 1.2)
        )
        texture = 0.16 * grain + 0.05 * smooth_field(rng, size, 5)
    elif kind == 1:
        down, right = np.arange(size[0])[:, None], np.arange(size[1])[None, :]
        period = rng.uniform(3.5, 6)
        weave = np.sin(2 * np.pi * down / period) * np.sin(2 * np.pi * right / period)
        texture = 0.08 * weave + 0.06 * smooth_field(rng, size, 60, fade=0.2)
    else:
        texture = 0.04 * smooth_field(rng, size, 80, fade=0.2) + 0.06 * smooth_field(rng, size, 6)
    return np.asarray(color * (1 + texture[..., None]))


def _add_crumbs(rng: np.random.Generator, scene: Float[np.ndarray, "height width 3"], light: float) -> None:
    """Things that are no coins: dark rings left by cups, pebbles in the colours of metal."""
    size = (scene.shape[0], scene.shape[1])
    for _ in range(rng.poisson(0.7)):
        ring = Blob((rng.uniform(0, size[0]), rng.uniform(0, size[1])), rng.uniform(0.1, 0.2) * max(size))
        patch = ring.patch(size)
        distance = ring.distance(patch)
        scene[patch] *= 1 - 0.3 * np.exp(-(((distance - 0.9) / 0.05) ** 2))[..., None]
    for _ in range(rng.poisson(1.5)):
        place = (rng.uniform(0, size[0]), rng.uniform(0, size[1]))
        pebble = Blob(
            place,
            rng.uniform(0.02, 0.05) * max(size),
            rng.uniform(1, 1.8),
            rng.uniform(0, np.pi),
            random_waves(rng, 0.2),
        )
        _cast_shadow(scene, pebble, light)
        patch = pebble.patch(size)
        distance = pebble.distance(patch)
        down, right = pebble.offsets(patch)
        shade = 0.75 - 0.35 * (down * np.cos(light) + right * np.sin(light)) / pebble.radius
        stone = _METALS[rng.integers(len(_METALS))] * 0.8 * (1 + 0.06 * rng.normal(size=distance.shape))[..., None]
        scene[patch] += ramp(distance, 2 / pebble.radius)[..., None] * (stone * shade[..., None] - scene[patch])


def _cast_shadow(scene: Float[np.ndarray, "height width 3"], thing: Blob, light: float) -> None:
    """Darken the table on the side away from the light."""
    reach = 0.1 * thing.radius
    center = (thing.center[0] + reach * np.cos(light), thing.center[1] + reach * np.sin(light))
    shadow = Blob(center, thing.radius * 1.04, thing.stretch, thing.angle, thing.waves)
    patch = shadow.patch((scene.shape[0], scene.shape[1]), reach=1.3)
    scene[patch] *= 1 - 0.5 * ramp(shadow.distance(patch), 0.3)[..., None]


def _metal(
    rng: np.random.Generator, coin: Blob, patch: tuple[slice, slice], light: float
) -> Float[np.ndarray, "rows columns 3"]:
    """A struck coin's face: rim, beads, an emblem in relief, tarnish and a gleam."""
    down, right = coin.offsets(patch)
    distance = coin.distance(patch)
    turn = np.arctan2(down, right + np.zeros_like(down)) + rng.uniform(0, 2 * np.pi)
    relief = 0.9 * ramp(np.abs(distance - 0.93) / 0.06, 0.8)
    relief += 0.35 * (np.cos(turn * rng.integers(24, 44)) > 0.3) * (np.abs(distance - 0.8) < 0.035)
    petals = rng.integers(3, 9)
    emblem = distance / (0.42 + 0.16 * np.cos(turn * petals) * rng.uniform(0.3, 1))
    relief += 0.8 * ramp(emblem, 0.25) - 0.5 * ramp(emblem / rng.uniform(0.3, 0.6), 0.25)
    relief = ndimage.gaussian_filter(relief, 0.7)
    slope = -np.cos(light) * np.gradient(relief, axis=0) - np.sin(light) * np.gradient(relief, axis=1)
    gleam = np.exp(
        -(((down * np.cos(light) + right * np.sin(light)) / coin.radius + rng.uniform(-0.2, 0.7)) ** 2) / 0.12
    )
    wear = rng.normal(size=(7, 7))
    tarnish = ndimage.zoom(wear, np.array(distance.shape) / 7, order=1, grid_mode=True, mode="nearest")
    shade = rng.uniform(0.75, 1.0) + 0.9 * slope + 0.3 * gleam + 0.06 * tarnish - 0.12 * ramp(distance / 0.86, 0.1)
    color = _METALS[rng.integers(len(_METALS))] * rng.uniform(0.97, 1.03, 3)
    return np.asarray(color * shade[..., None] + 0.12 * (gleam * (0.5 + slope))[..., None])


def _photograph(
    rng: np.random.Generator, scene: Float[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Uneven warm or cold light, a lens and a sensor."""
    size = (scene.shape[0], scene.shape[1])
    lamp = (1 + 0.12 * smooth_field(rng, size, 3))[..., None] * rng.uniform(0.95, 1.05, 3)
    sharp = ndimage.gaussian_filter(scene * lamp, (*(rng.uniform(0.4, 0.8),) * 2, 0))
    exposed = 255 * rng.uniform(0.9, 1.25) * sharp + rng.normal(0, rng.uniform(2, 6), scene.shape)
    return np.asarray(np.clip(exposed, 0, 255), dtype=np.uint8)
