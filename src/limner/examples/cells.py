"""Nuclei under a fluorescence microscope: bright and dim, sharp and blurred, lone and touching.

Layer: examples.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from limner.examples.shapes import Blob, ramp, random_waves, smooth_field
from limner.files import write_text
from limner.images import write_image
from limner.types import Size

_README = """\
Cells: nuclei under a fluorescence microscope.

images/   8-bit grey pictures
masks/    the same names; 0 background, 255 nucleus

Drawn by Limner from the seed {seed}; no picture shows a real cell. CC0 1.0: do with them what you like.
"""


def write_cells(folder: Path, count: int = 80, seed: int = 0, size: Size = (256, 256)) -> None:
    """Fluorescent nuclei: images/ and masks/ of the same names, 8-bit grey, binary."""
    for number in range(count):
        image, mask = draw_cells(np.random.default_rng((seed, 1, number)), size)
        name = f"cells_{number + 1:03d}.png"
        write_image(folder / "images" / name, image)
        write_image(folder / "masks" / name, mask.astype(np.uint8) * 255)
    write_text(folder / "README.txt", _README.format(seed=seed))


def draw_cells(
    rng: np.random.Generator, size: Size = (256, 256)
) -> tuple[UInt8[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    """A picture and the mask of its nuclei."""
    nuclei = _place_nuclei(rng, size)
    mask = np.zeros(size, dtype=bool)
    sharp, blurred = np.zeros(size), np.zeros(size)
    chromatin = 1 + 0.16 * smooth_field(rng, size, max(size) // 3, fade=0.3)
    for nucleus in nuclei:
        patch = nucleus.patch(size)
        distance = nucleus.distance(patch)
        # Flat nuclei: nearly even light, a little less towards the rim.
        light = ramp(distance, 2 / nucleus.radius) * (1 - 0.3 * np.minimum(distance, 1) ** 2)
        layer = blurred if rng.random() < 0.15 else sharp
        layer[patch] += light * chromatin[patch] * rng.lognormal(-0.1, 0.4)
        mask[patch] |= distance < 1
    sharp = ndimage.gaussian_filter(sharp, rng.uniform(0.6, 1.2))
    scene = sharp + ndimage.gaussian_filter(blurred, rng.uniform(1.8, 2.6))
    return _expose(rng, scene + _debris(rng, size)), mask


def _place_nuclei(rng: np.random.Generator, size: Size) -> list[Blob]:
    typical = rng.uniform(8, 15)
    wanted = int(rng.uniform(0.08, 0.32) * size[0] * size[1] / (np.pi * typical**2))
    nuclei: list[Blob] = []
    for _ in range(3 * wanted):
        radius = typical * rng.lognormal(0, 0.18)
        center = (rng.uniform(0, size[0]), rng.uniform(0, size[1]))
        if nuclei and rng.random() < 0.5:
            # A neighbour that touches: tissue is denser than chance.
            other, turn = nuclei[rng.integers(len(nuclei))], rng.uniform(0, 2 * np.pi)
            reach = 0.98 * (radius + other.radius)
            center = (other.center[0] + reach * np.cos(turn), other.center[1] + reach * np.sin(turn))
        if all(np.hypot(*np.subtract(center, n.center)) > 0.92 * (radius + n.radius) for n in nuclei):
            stretch, angle = rng.uniform(1, 1.6), rng.uniform(0, np.pi)
            nuclei.append(Blob(center, radius, stretch, angle, random_waves(rng, 0.09)))
        if len(nuclei) >= wanted:
            break
    return nuclei


def _debris(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "height width"]:
    """What shines but is no nucleus: specks, and cells far out of focus."""
    scene, haze = np.zeros(size), np.zeros(size)
    for _ in range(rng.poisson(5)):
        speck = Blob((rng.uniform(0, size[0]), rng.uniform(0, size[1])), rng.uniform(1, 2.5), rng.uniform(1, 2))
        patch = speck.patch(size)
        scene[patch] += ramp(speck.distance(patch), 0.8) * rng.uniform(0.5, 2)
    for _ in range(rng.poisson(3)):
        ghost = Blob((rng.uniform(0, size[0]), rng.uniform(0, size[1])), rng.uniform(16, 28), rng.uniform(1, 1.5))
        patch = ghost.patch(size, reach=2.0)
        haze[patch] += rng.uniform(0.2, 0.5) * np.exp(-1.5 * ghost.distance(patch) ** 2)
    return ndimage.gaussian_filter(scene, 0.8) + haze


def _expose(rng: np.random.Generator, scene: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Uneven light, scattered light, photon and read noise, and a gain that leaves some pictures dark."""
    size = (scene.shape[0], scene.shape[1])
    lamp = np.clip(0.85 + 0.25 * smooth_field(rng, size, 3), 0.35, 1.3)
    scattered = 0.3 * ndimage.uniform_filter(ndimage.uniform_filter(scene, 41), 41) + rng.uniform(0.05, 0.2)
    photons = rng.uniform(25, 110)
    counts = rng.poisson(photons * lamp * (scene + scattered)) + rng.normal(0, 2, size)
    white = photons * rng.uniform(1.4, 3.0)
    return np.asarray(np.clip(6 + 249 * counts / white, 0, 255), dtype=np.uint8)
