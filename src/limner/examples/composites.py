"""Animals cut out and placed on landscapes, with masks and depths: the layout of composed data.

Layer: examples.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from limner.examples.shapes import Blob, ramp, random_waves, smooth_field
from limner.files import write_bytes, write_text
from limner.images import encode_jpeg, encode_png, write_zip
from limner.render import compose, draw_placement, plane_depth, trim
from limner.types import Size

FOREGROUNDS = 6
"""Cut-outs; each is placed on every background, as often as the number of composites allows."""

_BACKGROUNDS = 12  # more than nine, so that bg10 and bg2 sort differently as numbers and as text
_SETS = ("fg_bg", "fg_bg_mask", "fg_bg_depth")
_HORIZON = 0.3  # as `plane_depth` has it

_SKIES = np.array([[0.55, 0.72, 0.92], [0.85, 0.75, 0.68], [0.70, 0.76, 0.80], [0.35, 0.50, 0.75]])
_GROUNDS = np.array([[0.42, 0.52, 0.25], [0.72, 0.62, 0.44], [0.5, 0.5, 0.5], [0.86, 0.88, 0.92], [0.45, 0.33, 0.24]])
_COATS = np.array([[0.62, 0.42, 0.22], [0.25, 0.22, 0.21], [0.86, 0.80, 0.70], [0.75, 0.52, 0.20], [0.55, 0.56, 0.60]])

_README = """\
Depth: animals cut out and placed on landscapes.

bg/                  {backgrounds} backgrounds
fg/                  {foregrounds} cut-outs with an opacity channel
{first}   composites, masks and relative depths (0 near, 255 far) of the same names

All but the cut-outs are JPEG. Composites are numbered. In each {block} of fg_bg the background changes every
{run} composites and begins again with the first, so the number alone does not tell it: Limner finds the
order by comparing pictures.

Drawn by Limner from the seed {seed}; no photograph was used. CC0 1.0: do with them what you like.
"""


def write_composites(
    folder: Path, count: int = 288, seed: int = 0, size: Size = (96, 96), *, archives: bool = True
) -> None:
    """Animals on landscapes: bg, fg_bg, fg_bg_mask and fg_bg_depth, numbered, in two archives of each.

    Args:
        folder: Where to.
        count: Composites.
        seed: Seed of the drawing.
        size: Height and width.
        archives: Zip archives; else folders of the same names.
    """
    backgrounds, cutouts, repeats, blocks = _shape_of(count)
    scenes = [draw_landscape(np.random.default_rng((seed, 4, number)), size) for number in range(backgrounds)]
    animals = [draw_animal(np.random.default_rng((seed, 5, number)), max(size)) for number in range(cutouts)]
    for number, scene in enumerate(scenes, 1):
        write_bytes(folder / "bg" / f"bg{number}.jpg", encode_jpeg(scene, 95))
    for number, animal in enumerate(animals, 1):
        write_bytes(folder / "fg" / f"fg{number}.png", encode_png(animal))
    each = cutouts // blocks
    for block in range(blocks):
        suffix = f"_{block + 1}" if blocks > 1 else ""
        pairs = [
            (scene, animal, (seed, 6, number, block * each + place, repeat))
            for number, scene in enumerate(scenes)
            for place, animal in enumerate(animals[block * each : (block + 1) * each])
            for repeat in range(repeats)
        ]
        first = block * len(pairs) + 1
        for name in _SETS:
            members = ((f"{first + place}.jpg", _picture(name, *pair)) for place, pair in enumerate(pairs))
            _write(folder / f"{name}{suffix}", members, archives=archives)
    write_text(folder / "README.txt", _describe(backgrounds, cutouts, blocks, each * repeats, seed, archives))


def _shape_of(count: int) -> tuple[int, int, int, int]:
    """Backgrounds, cut-outs, repeats of each pair, and blocks, whose product (blocks aside) is the count."""
    backgrounds = next(number for number in range(min(count, _BACKGROUNDS), 0, -1) if count % number == 0)
    cutouts = math.gcd(count // backgrounds, FOREGROUNDS)
    return backgrounds, cutouts, count // (backgrounds * cutouts), 2 if cutouts % 2 == 0 else 1


def _write(path: Path, members: Iterator[tuple[str, bytes]], *, archives: bool) -> None:
    if not archives:
        for name, content in members:
            write_bytes(path / name, content)
        return
    with write_zip(path.with_name(f"{path.name}.zip")) as archive:
        for name, content in members:
            archive.add(f"{path.name}/{name}", content)


def _picture(
    name: str, scene: UInt8[np.ndarray, "height width 3"], animal: UInt8[np.ndarray, "_ _ 4"], key: tuple[int, ...]
) -> bytes:
    """One member of a set, compressed as the published data are."""
    placement = draw_placement(np.random.default_rng(key), scene.shape[:2], animal.shape[:2])
    composite, mask = compose(scene, animal, placement)
    if name == "fg_bg":
        return encode_jpeg(composite)
    if name == "fg_bg_mask":
        return encode_jpeg(mask.astype(np.uint8) * 255)
    return encode_jpeg(np.rint(plane_depth(mask) * 255).astype(np.uint8))


def _describe(backgrounds: int, cutouts: int, blocks: int, run: int, seed: int, archives: bool) -> str:
    ending = ".zip" if archives else "/"
    return _README.format(
        backgrounds=backgrounds,
        foregrounds=cutouts,
        first=f"fg_bg{'*' if blocks > 1 else ''}{ending}".ljust(18),
        block="archive" if archives else "folder",
        run=run,
        seed=seed,
    )


def draw_landscape(rng: np.random.Generator, size: Size = (96, 96)) -> UInt8[np.ndarray, "height width 3"]:
    """A sky, hills at the horizon, and level ground whose texture grows finer with distance."""
    height, width = size
    horizon = _HORIZON * height
    rows = np.arange(height)[:, None] + 0.5
    light = rng.uniform(0.8, 1.1)
    fade = np.clip(rows / horizon, 0, 1)[..., None]
    sky = _SKIES[rng.integers(len(_SKIES))] * (1 - 0.25 * (1 - fade))
    clouds = np.clip(smooth_field(rng, size, max(4, width // 12), fade=1.2) - rng.uniform(0.2, 1.2), 0, 1.5)
    scene = sky + 0.22 * clouds[..., None]
    ground = _ground(rng, size, rows - horizon)
    scene = np.where((rows > horizon)[..., None], ground, scene)
    for distance in (0.8, 0.4):
        _add_hills(rng, scene, horizon, distance)
    for _ in range(rng.poisson(3)):
        _add_stone(rng, scene, horizon)
    scene = ndimage.gaussian_filter(light * scene, (0.6, 0.6, 0)) + rng.normal(0, 0.008, (height, width, 3))
    return np.asarray(np.clip(255 * scene, 0, 255), dtype=np.uint8)


def _ground(
    rng: np.random.Generator, size: Size, below: Float[np.ndarray, "height 1"]
) -> Float[np.ndarray, "height width 3"]:
    """Level ground seen in perspective: one texture, sampled at the place where each ray meets it."""
    height, width = size
    texture = 0.10 * smooth_field(rng, (128, 128), 40, fade=0.4) + 0.05 * rng.normal(size=(128, 128))
    away = height / np.maximum(below, 0.7)
    across = (np.arange(width)[None, :] - width / 2) / width * away
    turn = rng.uniform(0, 2 * np.pi)
    along = away * np.cos(turn) - across * np.sin(turn)
    beside = away * np.sin(turn) + across * np.cos(turn)
    sampled = ndimage.map_coordinates(texture, [12 * along, 12 * beside], order=1, mode="grid-wrap")
    # Far away the texture is finer than a pixel, and haze takes its colour.
    sampled = sampled * np.clip(3 / away, 0, 1)
    color = _GROUNDS[rng.integers(len(_GROUNDS))] * rng.uniform(0.85, 1.15)
    return np.asarray(color * (1 + sampled[..., None]) + 0.02 * np.clip(away, 0, 8)[..., None])


def _add_hills(
    rng: np.random.Generator, scene: Float[np.ndarray, "height width 3"], horizon: float, distance: float
) -> None:
    """A ridge that ends at the horizon; the farther, the paler."""
    height, width = scene.shape[:2]
    ridge = smooth_field(rng, (1, width), 9, fade=0.7)[0] if width > 9 else np.zeros(width)
    top = horizon * (1 - (0.16 + 0.2 * distance) * (1 + 0.45 * ridge))
    rows = np.arange(height)[:, None] + 0.5
    cover = np.clip(rows - top[None, :] + 0.5, 0, 1) * (rows <= horizon)
    color = (1 - distance) * _GROUNDS[rng.integers(2)] * 0.6 + distance * np.array([0.55, 0.62, 0.70])
    scene += cover[..., None] * (color - scene)


def _add_stone(rng: np.random.Generator, scene: Float[np.ndarray, "height width 3"], horizon: float) -> None:
    """A boulder; the lower in the picture, the nearer and larger."""
    height, width = scene.shape[:2]
    row = rng.uniform(horizon + 0.08 * height, height)
    stone = Blob(
        (row, rng.uniform(0, width)),
        max(1.5, rng.uniform(0.03, 0.07) * (row - horizon)),
        rng.uniform(1.1, 1.7),
        np.pi / 2,
        random_waves(rng, 0.15),
    )
    patch = stone.patch((height, width))
    distance = stone.distance(patch)
    down, right = stone.offsets(patch)
    shade = 0.62 - 0.3 * (down + 0.6 * right) / stone.radius
    scene[patch] += ramp(distance, 1.5 / stone.radius)[..., None] * (0.6 * shade[..., None] - scene[patch])


def draw_animal(rng: np.random.Generator, length: int = 96) -> UInt8[np.ndarray, "height width 4"]:
    """A four-legged animal on nothing: colours and opacity, cut to its outline; `length` is in pixels."""
    size = (max(24, round(0.75 * length)), max(32, length))
    unit = size[1] / 96
    coat = _COATS[rng.integers(len(_COATS))] * rng.uniform(0.85, 1.15)
    colors, cover = np.zeros((*size, 3)), np.zeros(size)
    pattern = np.clip(2.5 * (smooth_field(rng, size, 14, fade=0.3) - rng.uniform(0.4, 2.0)), 0, 1)
    other = _COATS[rng.integers(len(_COATS))]
    paint = functools.partial(_paint, colors, cover, coat, pattern, other)
    for part, shade in _body(rng, unit):
        paint(part, shade)
    eye = Blob((20 * unit, 83 * unit), 1.2 * unit)
    patch = eye.patch(size)
    colors[patch] *= 1 - 0.9 * ramp(eye.distance(patch), 0.8)[..., None]
    opacity = ndimage.gaussian_filter(cover, 0.4)
    picture = np.dstack([np.clip(colors / np.maximum(cover, 1e-6)[..., None], 0, 1), np.clip(opacity, 0, 1)])
    return trim(np.rint(255 * picture).astype(np.uint8), "a drawn animal")


def _body(rng: np.random.Generator, unit: float) -> Iterator[tuple[Blob, float]]:
    """Its parts from behind to before, with the light on them."""
    girth, leg = rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.15)
    flat, upright = np.pi / 2, 0.0

    def part(row: float, column: float, radius: float, stretch: float, angle: float) -> Blob:
        return Blob((row * unit, column * unit), radius * unit, stretch, angle, random_waves(rng, 0.04))

    yield part(29.0, 15.0, 5.0, 5 * rng.uniform(0.6, 1.2), rng.uniform(0.0, 0.6)), 0.8
    for column, shade in ((30.0, 0.6), (66.0, 0.6), (24.0, 0.9), (60.0, 0.9)):
        yield part(52.0, column + rng.uniform(-2, 2), 7 * leg, 6.0, upright + rng.uniform(-0.12, 0.12)), shade
    yield part(36.0, 42.0, 19 * girth, 2.1, flat), 1.0
    yield part(29.0, 69.0, 9.0, 2.2, rng.uniform(2.2, 2.6)), 1.0
    yield part(21.0, 81.0, 9.0, 1.5, flat + rng.uniform(-0.3, 0.1)), 1.05
    yield part(12.0, 76.0, 3.5, 2.5, rng.uniform(-0.3, 0.5)), 0.75


def _paint(
    colors: Float[np.ndarray, "height width 3"],
    cover: Float[np.ndarray, "height width"],
    coat: Float[np.ndarray, " 3"],
    pattern: Float[np.ndarray, "height width"],
    other: Float[np.ndarray, " 3"],
    part: Blob,
    light: float,
) -> None:
    """Lay a rounded part over what is there, lit from above."""
    patch = part.patch((cover.shape[0], cover.shape[1]))
    distance = part.distance(patch)
    down, _ = part.offsets(patch)
    shade = light * (0.95 - 0.28 * np.clip(down / part.radius, -1.3, 1.3) - 0.25 * np.minimum(distance, 1) ** 3)
    color = coat + pattern[patch][..., None] * (other - coat)
    share = ramp(distance, 1.4 / part.radius)
    colors[patch] += share[..., None] * (color * shade[..., None] - colors[patch])
    cover[patch] += share * (1 - cover[patch])
