"""Lumbar spines in sagittal T2-weighted MRI: vertebrae and discs, a canal, fat, and slices beside the spine.

Layer: examples.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, UInt8
from scipy import ndimage, spatial

from limner.examples.shapes import Blob, ramp, random_waves, smooth_field
from limner.files import write_bytes, write_text
from limner.images import write_image
from limner.types import Size

_README = """\
Spines: sagittal T2-weighted MRI of the lower back.

images/N.png   8-bit grey pictures, named by number
masks/N.npy    int64 arrays of the same size: 0 background, 1 disc, 2 vertebra; slices beside the spine hold none

Drawn by Limner from the seed {seed}; no picture shows a real patient. CC0 1.0: do with them what you like.
"""

# Every fifth slice after the first lies beside the spine.
_BESIDE_EVERY = 5
_DISC, _VERTEBRA = 1, 2
_BONES = 7  # above the sacrum


def write_spines(
    folder: Path, count: int = 20, seed: int = 0, size: Size = (256, 256), *, unmatched: bool = False
) -> None:
    """Spines in MRI: images/N.png, grey, beside masks/N.npy, int64 with two classes, some of them empty.

    `unmatched` adds a picture without a mask and a mask without a picture.
    """
    for number in range(count):
        beside = number > 0 and number % _BESIDE_EVERY == 0
        image, mask = draw_spine(np.random.default_rng((seed, 4, number)), size, beside=beside)
        if not (unmatched and number == 1):
            write_image(folder / "images" / f"{number}.png", image)
        if not (unmatched and number == 0):
            write_bytes(folder / "masks" / f"{number}.npy", _as_npy(mask))
    write_text(folder / "README.txt", _README.format(seed=seed))


def draw_spine(
    rng: np.random.Generator, size: Size = (256, 256), *, beside: bool = False
) -> tuple[UInt8[np.ndarray, "height width"], Int64[np.ndarray, "height width"]]:
    """A slice and its mask; `beside` the spine there is muscle instead, and the mask is empty."""
    column = _Column.draw(rng, size)
    along, across = column.coordinates(size)
    skin = _skin(rng, size, column)
    scene = _trunk(rng, size, skin)
    mask = np.zeros(size, dtype=np.int64)
    if beside:
        _add_muscle(rng, scene, along, across, column)
    else:
        mask = column.labels(along, across)
        _add_canal(rng, scene, along, across, column)
        _add_spine(rng, scene, mask, along, across, column)
    _add_fat(rng, scene, across, skin)
    return _receive(rng, scene, skin), mask


def _as_npy(mask: Int64[np.ndarray, "height width"]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, mask)
    return stream.getvalue()


@dataclass(frozen=True)
class _Column:
    """A spine as a bent ladder: a centre line, and where along it one part ends and the next begins.

    Lengths are in pixels.
    """

    line: Float[np.ndarray, "points 2"]
    """Rows and columns of the centre line, a pixel apart, from the top down."""
    ends: Float[np.ndarray, " parts"]
    """Where each part ends, vertebra and disc in turn; the last is the first piece of the sacrum."""
    half: float
    """Half the depth of a vertebra."""
    bulges: Float[np.ndarray, " parts"]
    """How far each part reaches beyond that."""
    tilts: Float[np.ndarray, " parts"]
    """Slope of each part's lower end."""

    @classmethod
    def draw(cls, rng: np.random.Generator, size: Size) -> _Column:
        """A spine of seven vertebrae that leans, bows forwards, and turns back into the sacrum."""
        unit = min(size) / 256
        vertebra, disc = rng.uniform(20, 24) * unit, rng.uniform(4.5, 6.5) * unit
        first = rng.uniform(0.2, 1.0)
        lengths = [first * vertebra, disc]
        for number in range(1, _BONES):
            lengths += [vertebra * (0.9 + 0.035 * number), disc * (0.75 + 0.08 * number) * rng.uniform(0.75, 1.25)]
        lengths.append(0.8 * vertebra)
        ends = np.cumsum(lengths)
        parts = len(lengths)
        bulges = rng.normal(0, 0.5 * unit, parts)
        bulges[1::2] += np.abs(rng.normal(0.5 * unit, 1.2 * unit, parts // 2))
        return cls(
            line=_center_line(rng, size, float(ends[-2])),
            ends=ends,
            half=rng.uniform(10.5, 12.5) * unit,
            bulges=bulges,
            tilts=rng.normal(0, 0.04, parts),
        )

    def coordinates(self, size: Size) -> tuple[np.ndarray, np.ndarray]:
        """Of every pixel the way along the centre line, and the distance across it, positive towards the back."""
        rows, columns = np.mgrid[: size[0], : size[1]]
        pixels = np.stack([rows.ravel(), columns.ravel()], axis=1).astype(np.float64)
        distance, nearest = spatial.cKDTree(self.line).query(pixels)
        direction = np.gradient(self.line, axis=0)[nearest]
        offset = pixels - self.line[nearest]
        behind = direction[:, 0] * offset[:, 1] - direction[:, 1] * offset[:, 0]
        return np.reshape(nearest, size).astype(np.float64), np.reshape(np.sign(behind) * distance, size)

    def part(self, along: np.ndarray, across: np.ndarray) -> Int64[np.ndarray, "height width"]:
        """Number of the part at each pixel's height; as many as there are parts below the last."""
        below = [along > end + tilt * across for end, tilt in zip(self.ends, self.tilts, strict=True)]
        return np.asarray(np.sum(below, axis=0))

    def labels(self, along: np.ndarray, across: np.ndarray) -> Int64[np.ndarray, "height width"]:
        """1 in discs, 2 in vertebrae."""
        part = self.part(along, across)
        known = np.minimum(part, len(self.ends) - 1)
        starts = np.concatenate([[0.0], self.ends[:-1]])
        middle, length = (starts + self.ends)[known] / 2, (self.ends - starts)[known]
        # Vertebrae have a waist, discs round off.
        waist = 0.14 * self.half * (1 - (2 * (along - middle) / length) ** 2)
        half = self.half * (1 + 0.05 * known / len(self.ends)) + self.bulges[known] - np.where(known % 2, 0, waist)
        # The sacrum's first piece narrows.
        half = half * np.where(known == len(self.ends) - 1, 1 - 0.35 * (along - starts[-1]) / length, 1)
        inside = (np.abs(across) < half) & (part < len(self.ends)) & (along > 0)
        return np.asarray(np.where(inside, np.where(known % 2, _DISC, _VERTEBRA), 0))


def _center_line(rng: np.random.Generator, size: Size, sacrum: float) -> Float[np.ndarray, "points 2"]:
    """From above the picture to its lower edge; `sacrum` is where the last disc ends."""
    way = np.arange(1.7 * size[0])
    lean, bow, turn = rng.uniform(-0.16, -0.04), rng.uniform(0.1, 0.28), rng.uniform(0.55, 0.85)
    angle = lean + bow * (way / sacrum) ** 2.5 * (way < sacrum) + bow * (way >= sacrum)
    step = 0.09 * sacrum
    angle = angle + turn / (1 + np.exp(-(way - 0.97 * sacrum) / step))
    # Further down the sacrum curls forwards again.
    angle = angle - 0.9 * np.clip((way - 1.2 * sacrum) / sacrum, 0, 1)
    rows = np.cumsum(np.cos(angle)) + rng.uniform(-0.09, -0.02) * size[0]
    columns = np.cumsum(np.sin(angle)) + rng.uniform(0.46, 0.56) * size[1]
    return np.stack([rows, columns], axis=1)


def _skin(rng: np.random.Generator, size: Size, column: _Column) -> Float[np.ndarray, "height width"]:
    """Distance of each pixel from the skin of the back, in pixels, positive inside."""
    rows = np.arange(size[0])
    spine = np.interp(rows, column.line[:, 0], column.line[:, 1])
    steady = ndimage.gaussian_filter1d(np.minimum(spine, np.median(spine) + 0.08 * size[1]), 0.12 * size[0])
    wave = 0.02 * size[1] * np.sin(2 * np.pi * (rows / size[0] * rng.uniform(0.7, 1.2) + rng.uniform(0, 1)))
    edge = steady + rng.uniform(0.2, 0.27) * size[1] + wave
    return np.asarray(edge[:, None] - np.arange(size[1])[None, :])


def _trunk(rng: np.random.Generator, size: Size, skin: np.ndarray) -> Float[np.ndarray, "height width"]:
    """What lies before the spine: dim and blurred, with loops of bowel."""
    fat = np.clip(smooth_field(rng, size, 14, fade=0.6), 0, None)
    scene = 0.24 + 0.05 * smooth_field(rng, size, 9) + 0.22 * fat + 0.04 * smooth_field(rng, size, 60, fade=0.3)
    for _ in range(rng.integers(7, 14)):
        place = (rng.uniform(0, size[0]), rng.uniform(0.02, 0.42) * size[1])
        loop = Blob(
            place,
            rng.uniform(0.02, 0.06) * size[0],
            rng.uniform(1, 2.2),
            rng.uniform(0, np.pi),
            random_waves(rng, 0.15),
        )
        patch = loop.patch(size, reach=1.4)
        distance = loop.distance(patch)
        inner, wall = rng.choice([0.05, 0.15, 0.8]), rng.uniform(0.1, 0.3)
        scene[patch] += ramp(distance, 0.4) * (inner - scene[patch])
        scene[patch] += wall * np.exp(-(((distance - 1) / 0.25) ** 2))
    return ndimage.gaussian_filter(np.where(skin > 0, np.clip(scene, 0.04, None), 0.02), 0.9)


def _add_muscle(
    rng: np.random.Generator, scene: np.ndarray, along: np.ndarray, across: np.ndarray, column: _Column
) -> None:
    """Long dark fibres with threads of fat, where the spine would be."""
    size = (scene.shape[0], scene.shape[1])
    # Fibres run along the spine: noise that is long that way and short across it.
    grain = ndimage.gaussian_filter1d(rng.normal(size=4 * max(size)), 1.2)
    slanted = 2 * (across - 0.12 * along) + 4 * smooth_field(rng, size, 5) + 2 * max(size)
    fibres = grain[np.clip(slanted, 0, grain.size - 1).astype(int)]
    muscle = 0.24 + 0.12 * np.clip(fibres, -1, 2) + 0.04 * smooth_field(rng, size, 30, fade=0.5)
    cover = ramp(np.abs(across - 0.6 * column.half) / (2.4 * column.half), 0.25)
    scene += cover * (muscle - scene)


def _add_canal(
    rng: np.random.Generator, scene: np.ndarray, along: np.ndarray, across: np.ndarray, column: _Column
) -> None:
    """Behind the vertebrae: bright fluid with dark nerves in it, then spinous processes in bright fat."""
    size = (scene.shape[0], scene.shape[1])
    half, total = column.half, column.ends[-1]
    fat = 0.55 + 0.12 * smooth_field(rng, size, 30, fade=0.4)
    scene += ramp(np.abs(across - 2.6 * half) / (1.3 * half), 0.3) * (0.8 * fat - scene)
    pitch, phase = column.ends[3] - column.ends[1], rng.uniform(0, 2 * np.pi)
    process = np.cos(2 * np.pi * (along - 0.35 * across) / pitch + phase)
    bone = ramp(np.abs(across - 2.7 * half) / (0.95 * half), 0.2) * np.clip(2 * process, 0, 1) * (along < total)
    scene += bone * (0.26 + 0.05 * smooth_field(rng, size, 40, fade=0.3) - scene)
    center = half * (1.42 + 0.05 * np.sin(along / pitch))
    width = half * 0.42 * np.clip(1.5 - along / total, 0.05, 1)
    fluid = ramp(np.abs(across - center) / width, 0.35)
    scene += fluid * (rng.uniform(0.85, 1.1) - scene)
    nerves = np.exp(-(((across - center - 0.1 * width) / (0.32 * width)) ** 2)) * np.clip(1.2 - along / total, 0, 1)
    scene -= 0.38 * nerves * fluid


def _add_spine(
    rng: np.random.Generator,
    scene: np.ndarray,
    mask: np.ndarray,
    along: np.ndarray,
    across: np.ndarray,
    column: _Column,
) -> None:
    """Marrow, dark plates round it, and discs that are bright inside as long as they are healthy."""
    size = (scene.shape[0], scene.shape[1])
    part = np.minimum(column.part(along, across), len(column.ends) - 1)
    marrow = rng.uniform(0.42, 0.6) + 0.05 * smooth_field(rng, size, 60, fade=0.2)
    marrow = marrow + rng.normal(0, 0.03, len(column.ends))[part]
    health = np.where(rng.random(len(column.ends)) < 0.4, rng.uniform(0.3, 0.7, len(column.ends)), 0.05)[part]
    starts = np.concatenate([[0.0], column.ends[:-1]])
    depth = np.minimum(along - starts[part], column.ends[part] - along)
    nucleus = np.exp(-((across / (0.55 * column.half)) ** 2)) * np.clip(depth / (0.1 * column.half), 0, 1)
    disc = 0.13 + health * nucleus
    bone = ndimage.gaussian_filter((mask > 0).astype(np.float64), 0.6)
    scene += bone * (np.where(mask == _DISC, disc, marrow) - scene)
    # Cortical bone gives no signal.
    plate = (mask != ndimage.minimum_filter(mask, 3)) & (mask == _VERTEBRA)
    scene -= 0.6 * ndimage.gaussian_filter(plate.astype(np.float64), 0.5) * scene
    # The rest of the sacrum: pieces that are bone all the same, but that nobody marked.
    below = (along - column.ends[-1]) / column.half
    sacrum = ramp(np.abs(across) / (column.half * np.clip(0.65 - 0.12 * below, 0.1, 1)), 0.3) * np.clip(3 * below, 0, 1)
    seams = 0.45 * np.exp(-((((below + 0.2) % 1.5) / 0.18) ** 2))
    scene += sacrum * (0.36 - 0.36 * seams + 0.03 * smooth_field(rng, size, 50, fade=0.2) - scene)


def _add_fat(rng: np.random.Generator, scene: np.ndarray, across: np.ndarray, skin: np.ndarray) -> None:
    """The bright layer under the skin of the back."""
    size = (scene.shape[0], scene.shape[1])
    thick = size[1] * np.clip(rng.uniform(0.05, 0.09) * (1 + 0.35 * smooth_field(rng, size, 3)[:, :1]), 0.02, 0.13)
    layer = np.clip((thick - skin) / (0.012 * size[1]), 0, 1) * np.clip(skin / (0.008 * size[1]), 0, 1)
    scene += layer * (1.0 + 0.07 * smooth_field(rng, size, 60, fade=0.3) - scene)


def _receive(
    rng: np.random.Generator, scene: np.ndarray, skin: Float[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width"]:
    """A coil at the back, which hears the front less, and Rician noise."""
    size = (scene.shape[0], scene.shape[1])
    depth = np.clip(skin, 0, None) / size[1]
    coil = np.exp(-depth / rng.uniform(0.26, 0.40)) * (1 + 0.12 * smooth_field(rng, size, 3))
    inside = np.where(skin > 0, np.clip(scene, 0, None), 0.02)
    signal = ndimage.gaussian_filter(inside * np.clip(coil, 0.02, None), 0.45)
    gain = rng.uniform(200, 300) / np.percentile(signal, 99)
    noise = rng.uniform(1.5, 3.5)
    heard = np.hypot(gain * signal + rng.normal(0, noise, size), rng.normal(0, noise, size))
    return np.asarray(np.clip(heard, 0, 255), dtype=np.uint8)
