"""Stained tissue sections: stroma, glands and nuclei under a bright-field microscope.

Layer: examples.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from limner.examples.shapes import Blob, place_apart, ramp, random_waves, smooth_field
from limner.files import write_text
from limner.images import write_image, write_mask
from limner.types import Color, Size

NAMES = ("background", "stroma", "gland", "nucleus")
COLORS: tuple[Color, ...] = ((0, 0, 0), (230, 159, 0), (86, 180, 233), (204, 121, 167))

# Absorption of red, green and blue light by each stain (Macenko et al., A method for normalizing
# histology slides for quantitative analysis, 2009).
_HEMATOXYLIN = np.array([0.56, 0.72, 0.41])
_EOSIN = np.array([0.22, 0.80, 0.56])

_README = """\
Tissue: stained sections under a bright-field microscope, already split.

train/ val/ test/, each with
    images/   8-bit colour pictures
    masks/    the same names, with a palette: 0 background, 1 stroma, 2 gland, 3 nucleus

Drawn by Limner from the seed {seed}; no picture shows real tissue. CC0 1.0: do with them what you like.
"""


def write_tissue(folder: Path, count: int = 60, seed: int = 0, size: Size = (256, 256)) -> None:
    """Stained tissue: train/, val/ and test/ with colour images/ and palette masks/, four classes."""
    held_out = max(1, round(count / 6)) if count > 2 else 0
    splits = ["train"] * (count - 2 * held_out) + ["val"] * held_out + ["test"] * held_out
    for number, split in enumerate(splits):
        image, ids = draw_tissue(np.random.default_rng((seed, 2, number)), size)
        name = f"tissue_{number + 1:03d}.png"
        write_image(folder / split / "images" / name, image)
        write_mask(folder / split / "masks" / name, ids, COLORS)
    write_text(folder / "README.txt", _README.format(seed=seed))


class _Section:
    """A section while it is drawn: what each pixel is, and how much of each stain it took."""

    def __init__(self, rng: np.random.Generator, size: Size) -> None:
        self.rng = rng
        self.size = size
        self.ids = np.zeros(size, dtype=np.uint8)
        self.hematoxylin = np.full(size, 0.02)
        self.eosin = np.full(size, 0.02)
        self.grain = smooth_field(rng, size, max(size) // 4, fade=0.3)

    def paint(
        self, patch: tuple[slice, slice], cover: np.ndarray, hematoxylin: np.ndarray | float, eosin: float
    ) -> None:
        """Mix stains into a patch where `cover` is above 0."""
        for layer, stain in ((self.hematoxylin, hematoxylin), (self.eosin, eosin)):
            layer[patch] += cover * (stain - layer[patch])

    def add_nucleus(self, nucleus: Blob) -> None:
        """A dark nucleus with a mottled inside."""
        patch = nucleus.patch(self.size)
        distance = nucleus.distance(patch)
        stain = self.rng.uniform(0.55, 0.95) * (1 + 0.16 * self.grain[patch]) * (0.85 + 0.2 * np.minimum(distance, 1))
        self.paint(patch, ramp(distance, 1.4 / nucleus.radius), stain, 0.12)
        self.ids[patch][distance < 1] = 3


def draw_tissue(
    rng: np.random.Generator, size: Size = (256, 256)
) -> tuple[UInt8[np.ndarray, "height width 3"], UInt8[np.ndarray, "height width"]]:
    """A picture and its class ids, by place in `NAMES`."""
    section = _Section(rng, size)
    direction = _add_stroma(section)
    for gland in _place_glands(rng, size):
        _add_gland(section, gland)
    _add_stroma_nuclei(section, direction)
    return _stain(section), section.ids


def _add_stroma(section: _Section) -> Float[np.ndarray, "height width"]:
    """Wavy fibres with gaps of bare glass; returns the height of the waves, whose contours are the fibres."""
    rng, size = section.rng, section.size
    rows, columns = np.mgrid[: size[0], : size[1]]
    turn = rng.uniform(0, np.pi)
    waves = rows * np.cos(turn) + columns * np.sin(turn) + 0.07 * max(size) * smooth_field(rng, size, 5)
    fibres = np.interp(waves, np.arange(-400, 1200, 1.7), ndimage.gaussian_filter1d(rng.normal(size=942), 0.8))
    glass = smooth_field(rng, size, 6) + 0.12 * smooth_field(rng, size, 40, fade=0.5)
    tissue = glass < np.quantile(glass, rng.uniform(0.72, 0.95))
    cover = ndimage.gaussian_filter(tissue.astype(np.float64), 0.8)
    eosin = 0.24 + 0.1 * fibres + 0.05 * smooth_field(rng, size, 8) + 0.03 * section.grain
    section.eosin += cover * np.maximum(eosin, 0.1)
    section.hematoxylin += cover * (0.05 + 0.02 * section.grain)
    section.ids[tissue] = 1
    return np.asarray(waves)


def _place_glands(rng: np.random.Generator, size: Size) -> list[Blob]:
    radii = rng.uniform(0.09, 0.19, size=rng.integers(3, 8)) * max(size)
    return [
        Blob((row, column), radius, rng.uniform(1, 1.5), rng.uniform(0, np.pi), random_waves(rng, 0.1))
        for row, column, radius in place_apart(rng, size, np.sort(radii)[::-1], gap=1.3, margin=-10.0)
    ]


def _add_gland(section: _Section, gland: Blob) -> None:
    """A ring of epithelium round an empty lumen, its nuclei in a row near the outside."""
    rng = section.rng
    patch = gland.patch(section.size)
    distance = gland.distance(patch)
    lumen = rng.uniform(0.3, 0.5)
    ring = ramp(distance, 2 / gland.radius) * (1 - ramp(distance / lumen, 4 / gland.radius))
    inside = distance < 1
    # Mucus near the lumen takes less stain.
    section.paint(patch, ramp(distance, 2 / gland.radius), 0.03, 0.03)
    section.paint(patch, ring, 0.16 + 0.1 * np.clip(distance, 0, 1) + 0.03 * section.grain[patch], 0.24)
    section.ids[patch][inside] = np.where(distance[inside] < lumen, 0, 2)
    nuclear = 0.018 * max(section.size)
    count = int(2 * np.pi * 0.8 * gland.radius / (1.75 * nuclear))
    for turn in np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.normal(0, 0.06, count):
        down, right = np.cos(turn), np.sin(turn)
        reach = rng.normal(0.8, 0.04) / _distance_along(gland, down, right)
        center = (gland.center[0] + reach * down, gland.center[1] + reach * right)
        section.add_nucleus(Blob(center, nuclear * rng.uniform(0.85, 1.15), 1.5, turn, random_waves(rng, 0.06)))


def _add_stroma_nuclei(section: _Section, waves: Float[np.ndarray, "height width"]) -> None:
    """Spindles along the fibres, and here and there a round, dark immune cell."""
    rng, size = section.rng, section.size
    down, right = np.gradient(waves)
    rows, columns = np.nonzero(section.ids == 1)
    for place in rng.integers(max(len(rows), 1), size=int(rng.uniform(0.6, 1.3) * 80 * len(rows) / 65536)):
        row, column = int(rows[place]), int(columns[place])
        if section.ids[row, column] != 1:
            continue
        along = float(np.arctan2(down[row, column], -right[row, column]))
        spindle = rng.random() < 0.75
        radius = max(size) * (rng.uniform(0.012, 0.016) if spindle else rng.uniform(0.011, 0.014))
        stretch = rng.uniform(2.2, 3.5) if spindle else 1.0
        section.add_nucleus(
            Blob((float(row), float(column)), radius, stretch, along + rng.normal(0, 0.15), random_waves(rng, 0.05))
        )


def _stain(section: _Section) -> UInt8[np.ndarray, "height width 3"]:
    """Light through the section, by the law of Beer and Lambert, as a camera sees it."""
    rng = section.rng
    vectors = np.stack([_HEMATOXYLIN, _EOSIN]) * rng.uniform(0.9, 1.1, (2, 3))
    amounts = np.stack([section.hematoxylin * rng.uniform(0.8, 1.3), section.eosin * rng.uniform(0.8, 1.3)], axis=-1)
    amounts = ndimage.gaussian_filter(amounts, (rng.uniform(0.5, 0.9),) * 2 + (0,))
    lamp = 1 + 0.02 * smooth_field(rng, section.size, 3)[..., None]
    light = 245 * lamp * np.exp(-np.log(10) * amounts @ vectors * 0.9)
    return np.asarray(np.clip(light + rng.normal(0, 2.5, light.shape), 0, 255), dtype=np.uint8)


def _distance_along(blob: Blob, down: float, right: float) -> float:
    """How much `blob.distance` grows per pixel from its centre in a direction of length 1."""
    beside = dataclasses.replace(blob, center=(-down, -right))
    return float(beside.distance((slice(0, 1), slice(0, 1)))[0, 0])
