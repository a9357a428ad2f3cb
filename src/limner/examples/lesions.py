"""Skin lesions under a dermatoscope, with hairs, bubbles and rulers, as the ISIC challenges have them.

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

_SKINS = np.array([[0.86, 0.68, 0.60], [0.80, 0.58, 0.50], [0.90, 0.74, 0.68], [0.72, 0.52, 0.42], [0.62, 0.43, 0.34]])
_PIGMENTS = np.array(
    [[0.36, 0.20, 0.13], [0.48, 0.29, 0.19], [0.22, 0.13, 0.11], [0.30, 0.27, 0.30], [0.58, 0.32, 0.27]]
)
_HAIRS = np.array([[0.08, 0.06, 0.05], [0.22, 0.14, 0.09], [0.75, 0.66, 0.52]])

_IMAGES = "ISIC2018_Task1-2_Training_Input"
_MASKS = "ISIC2018_Task1_Training_GroundTruth"

# Every fifteenth lesion is larger than its picture.
_HUGE_EVERY = 15
_CELLS = 24

_README = """\
Lesions: moles and other marks of the skin under a dermatoscope.

{images}/
    ISIC_0000000.jpg               8-bit colour picture; the sizes differ
    ISIC_0000000_superpixels.png   areas of the picture, numbered in its colours; not needed
    metadata.csv                   age and sex, drawn by lot; not needed
{masks}/
    ISIC_0000000_segmentation.png  0 skin, 255 lesion

Folders and names are those of the ISIC 2018 challenge.
Drawn by Limner from the seed {seed}; no picture shows a real person. CC0 1.0: do with them what you like.
"""


def write_lesions(folder: Path, count: int = 60, seed: int = 0, size: Size = (384, 512)) -> None:
    """Skin lesions: ISIC_0000000.jpg and ISIC_0000000_segmentation.png in the ISIC 2018 challenge's two folders."""
    lines = ["image_id,age_approximate,sex"]
    for number in range(count):
        rng = np.random.default_rng((seed, 7, number))
        height, width = (int(length * rng.uniform(0.9, 1.12)) for length in size)
        image, mask = draw_lesion(rng, (height, width), huge=number % _HUGE_EVERY == _HUGE_EVERY - 1)
        name = f"ISIC_{number:07d}"
        write_image(folder / _IMAGES / f"{name}.jpg", image)
        write_image(folder / _IMAGES / f"{name}_superpixels.png", _superpixels(rng, (height, width)))
        write_image(folder / _MASKS / f"{name}_segmentation.png", mask.astype(np.uint8) * 255)
        lines.append(f"{name},{5 * rng.integers(3, 18)},{('female', 'male')[rng.integers(2)]}")
    write_text(folder / _IMAGES / "metadata.csv", "\n".join([*lines, ""]))
    write_text(folder / "README.txt", _README.format(images=_IMAGES, masks=_MASKS, seed=seed))


def draw_lesion(
    rng: np.random.Generator, size: Size = (384, 512), *, huge: bool = False
) -> tuple[UInt8[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]]:
    """A picture of one lesion and the mask of where it is; a huge one reaches beyond the picture."""
    short = min(size)
    radius = short * (rng.uniform(0.55, 0.75) if huge else np.clip(rng.lognormal(-1.35, 0.35), 0.1, 0.46))
    center = tuple(length * rng.normal(0.5, 0.05) for length in size)
    blob = Blob((center[0], center[1]), radius, rng.uniform(1, 1.5), rng.uniform(0, np.pi), random_waves(rng, 0.16, 7))
    distance = blob.distance((slice(0, size[0]), slice(0, size[1])))
    distance = distance + 0.05 * smooth_field(rng, size, 16, fade=0.6)
    scene = _skin(rng, size)
    # Pigment fades out over a width that differs from side to side.
    fade = 0.12 + 0.22 * rng.random() * ramp(smooth_field(rng, size, 3), 2.0)
    cover = np.clip((1 + fade / 2 - distance) / fade, 0, 1)
    strength = rng.uniform(0.55, 0.95) * cover * (0.85 + 0.15 * smooth_field(rng, size, 6))
    scene += np.clip(strength, 0, 1)[..., None] * (_pigment(rng, size, distance) - scene)
    _add_ruler(rng, scene)
    _add_bubbles(rng, scene)
    _add_hairs(rng, scene)
    return _photograph(rng, scene), np.asarray(distance < 1)


def _skin(rng: np.random.Generator, size: Size) -> Float[np.ndarray, "height width 3"]:
    """Skin with pores, furrows, redness and fine vessels."""
    color = _SKINS[rng.integers(len(_SKINS))] * rng.uniform(0.92, 1.08)
    waves = max(8, min(size) // 6)
    furrows = np.abs(smooth_field(rng, size, waves, fade=0.15))
    texture = 0.025 * (furrows - furrows.mean()) + 0.02 * smooth_field(rng, size, 12)
    red = 0.03 * smooth_field(rng, size, 4)
    return np.asarray(color * (1 + texture[..., None]) + red[..., None] * [0.6, -0.6, -0.5])


def _pigment(
    rng: np.random.Generator, size: Size, distance: Float[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width 3"]:
    """Two or three browns in patches, a network or globules, darker in the middle or at the rim."""
    first, second, third = _PIGMENTS[rng.permutation(len(_PIGMENTS))[:3]]
    mix = ramp(smooth_field(rng, size, 5) * rng.uniform(0.4, 1.2) + 1, 1.0)[..., None]
    color = mix * first + (1 - mix) * (0.7 * second + 0.3 * first)
    if rng.random() < 0.4:
        patch = ramp(1.2 - smooth_field(rng, size, 6) * 0.6 + 1, 0.6)[..., None]
        color += patch * 0.6 * (third - color)
    waves = max(10, min(size) // 8)
    if rng.random() < 0.6:
        net = np.abs(smooth_field(rng, size, waves, fade=0.1))
        color *= (0.8 + 0.35 * np.minimum(net, 1.2))[..., None]
    else:
        dots = ramp(1.9 - smooth_field(rng, size, waves, fade=0.1), 0.5)
        color *= (1 - 0.4 * dots)[..., None]
    shade = 1 + rng.uniform(-0.25, 0.25) * (np.minimum(distance, 1.2) ** 2 - 0.5)
    return np.asarray(color * shade[..., None])


def _add_hairs(rng: np.random.Generator, scene: Float[np.ndarray, "height width 3"]) -> None:
    """Hairs lie across many pictures, most of them in about one direction."""
    height, width = scene.shape[:2]
    count = rng.poisson(14) if rng.random() < 0.45 else rng.poisson(1)
    color, lie = _HAIRS[rng.integers(len(_HAIRS))], rng.uniform(0, np.pi)
    for _ in range(count):
        angle, length = lie + rng.normal(0, 0.5), rng.uniform(0.3, 1.1) * min(height, width)
        steps = np.linspace(-0.5, 0.5, int(3 * length) + 2)
        bend = rng.normal(0, 0.25) * length * (4 * steps**2 - 1) / 2 + rng.normal(0, 0.06) * length * np.sin(9 * steps)
        row = rng.uniform(0, height) + steps * length * np.sin(angle) + bend * np.cos(angle)
        column = rng.uniform(0, width) + steps * length * np.cos(angle) - bend * np.sin(angle)
        _stroke(scene, row, column, color, rng.uniform(0.35, 0.9) * max(1.0, min(height, width) / 384))


def _stroke(
    scene: Float[np.ndarray, "height width 3"], row: np.ndarray, column: np.ndarray, color: np.ndarray, width: float
) -> None:
    """A line through points, `width` being its sigma in pixels."""
    height, breadth = scene.shape[:2]
    line = np.zeros((height, breadth))
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < breadth)
    line[row[inside].astype(int), column[inside].astype(int)] = 1
    cover = np.minimum(ndimage.gaussian_filter(line, width) * width * 2.5, 1)[..., None]
    scene += cover * (color - scene)


def _add_bubbles(rng: np.random.Generator, scene: Float[np.ndarray, "height width 3"]) -> None:
    """Air in the gel under the glass: bright rings with a gleam."""
    height, width = scene.shape[:2]
    for _ in range(rng.poisson(6) if rng.random() < 0.3 else 0):
        center = rng.uniform(0, height), rng.uniform(0, width)
        bubble = Blob(center, rng.uniform(0.008, 0.03) * min(height, width) + 2)
        patch = bubble.patch((height, width), reach=1.5)
        ring = np.exp(-(((bubble.distance(patch) - 1) / 0.18) ** 2))[..., None]
        scene[patch] += 0.35 * ring * (0.95 - scene[patch])


def _add_ruler(rng: np.random.Generator, scene: Float[np.ndarray, "height width 3"]) -> None:
    """Marks of a scale along one side of some pictures."""
    if rng.random() > 0.2:
        return
    view = scene if rng.random() < 0.5 else scene.transpose(1, 0, 2)
    height, width = view.shape[:2]
    step, edge = max(4.0, width / rng.uniform(18, 40)), int(height * rng.uniform(0.88, 0.94))
    for number, place in enumerate(np.arange(rng.uniform(0, step), width - 2, step)):
        long = 0.06 if number % 5 == 0 else 0.03
        thick = max(1, width // 400)
        view[edge - int(long * height) : edge, int(place) : int(place) + thick] *= 0.25


def _photograph(
    rng: np.random.Generator, scene: Float[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Light that falls off towards the corners, or the round black frame of the lens; a sensor."""
    height, width = scene.shape[:2]
    down, right = np.mgrid[:height, :width]
    out = np.hypot(down - height / 2, right - width / 2) / (0.5 * np.hypot(height, width))
    light = 1 - rng.uniform(0.1, 0.45) * out**2.5
    if rng.random() < 0.3:
        light = light * ramp(out / rng.uniform(0.78, 0.98), 0.06)
    tint = rng.uniform(0.95, 1.05, 3)
    sharp = ndimage.gaussian_filter(scene * light[..., None] * tint, (*(rng.uniform(0.5, 0.9),) * 2, 0))
    exposed = 255 * rng.uniform(0.85, 1.12) * sharp + rng.normal(0, rng.uniform(1.5, 4), scene.shape)
    return np.asarray(np.clip(exposed, 0, 255), dtype=np.uint8)


def _superpixels(rng: np.random.Generator, size: Size) -> UInt8[np.ndarray, "height width 3"]:
    """Areas of about equal size, their numbers spread over the three channels."""
    rows, columns = (np.arange(length) * _CELLS // length for length in size)
    wave = [(rng.normal(0, 0.4, length)).cumsum() * 0.05 for length in size]
    row = np.clip(rows[:, None] + np.round(wave[1])[None, :], 0, _CELLS - 1)
    column = np.clip(columns[None, :] + np.round(wave[0])[:, None], 0, _CELLS - 1)
    numbers = (row * _CELLS + column).astype(np.int64)
    return np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=2).astype(np.uint8)
