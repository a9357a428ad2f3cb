"""Place a cut-out on a background: the picture, its exact mask and, on request, its depth.

Layer: render. Pure functions of arrays and numbers; the seed is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from limner.errors import DataError
from limner.images import resize_image
from limner.types import Size

LARGEST = 0.6
"""Share of the background's height or width that a cut-out may span; larger ones are scaled down."""

_SMALLEST = 0.5  # of its largest size, for the random scale
_HORIZON = 0.3  # height of the horizon in a picture of a ground plane, from the top
_NEAREST = 0.1  # relative depth of the ground at the lower border


@dataclass(frozen=True)
class Placement:
    """Where a cut-out stands on a background.

    Attributes:
        top: First row.
        left: First column.
        height: Rows it spans once scaled.
        width: Columns.
        flip: Mirrored left to right.
    """

    top: int
    left: int
    height: int
    width: int
    flip: bool


def trim(cutout: UInt8[np.ndarray, "height width 4"], where: str) -> UInt8[np.ndarray, "_ _ 4"]:
    """A cut-out without the transparent border around it.

    Raises:
        DataError: It is transparent throughout.
    """
    inside = cutout[..., 3] > 127
    if not inside.any():
        raise DataError("a cut-out that shows something", f"'{where}' is transparent throughout", "Remove it.")
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return cutout[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def shrink(cutout: UInt8[np.ndarray, "_ _ 4"], largest: Size) -> UInt8[np.ndarray, "_ _ 4"]:
    """A cut-out that fits into `largest`, in its own proportions; one that fits already is left alone."""
    factor = min(1.0, largest[0] / cutout.shape[0], largest[1] / cutout.shape[1])
    if factor == 1:
        return cutout
    height, width = (max(1, round(length * factor)) for length in cutout.shape[:2])
    opacity, light = _scaled(cutout, Placement(0, 0, height, width, flip=False))
    colors = light / np.maximum(opacity[..., np.newaxis], 1e-6)
    layers = np.concatenate([colors, 255 * opacity[..., np.newaxis]], axis=2)
    return np.asarray(np.clip(np.rint(layers), 0, 255), np.uint8)


def draw_placement(rng: np.random.Generator, background: Size, cutout: Size) -> Placement:
    """A random scale, place and flip.

    The cut-out keeps its proportions and lies inside the background. It spans at most `LARGEST` of the
    background's height and of its width, at least half of that, and is never enlarged.

    Args:
        rng: Source of the numbers.
        background: Height and width of the background.
        cutout: Height and width of the trimmed cut-out.
    """
    largest = min(1.0, LARGEST * background[0] / cutout[0], LARGEST * background[1] / cutout[1])
    factor = largest * rng.uniform(_SMALLEST, 1.0)
    height, width = (max(1, round(length * factor)) for length in cutout)
    top = int(rng.integers(background[0] - height + 1))
    left = int(rng.integers(background[1] - width + 1))
    return Placement(top, left, height, width, bool(rng.random() < 0.5))


def compose(
    background: UInt8[np.ndarray, "height width 3"], cutout: UInt8[np.ndarray, "_ _ 4"], placement: Placement
) -> tuple[UInt8[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]]:
    """Lay a cut-out over a background.

    Returns:
        The picture, equal to the background where the cut-out is transparent, and the mask of where the
        opacity of the scaled cut-out is above one half.
    """
    opacity, light = _scaled(cutout, placement)
    place = _place(placement)
    composite = background.copy()
    mixed = light + (1 - opacity[..., np.newaxis]) * background[place].astype(np.float32)
    composite[place] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    mask = np.zeros(background.shape[:2], dtype=bool)
    mask[place] = opacity > 0.5
    return composite, mask


def plane_depth(mask: Bool[np.ndarray, "height width"]) -> Float32[np.ndarray, "height width"]:
    """Relative depth of a thing that stands upright on level ground: 0 at the camera, 1 far away.

    The ground runs from the lower border to a horizon at 0.3 of the height, its depth growing with
    perspective; above lies what is far away. The thing has the depth of the ground at its lowest row.
    """
    height, width = mask.shape
    below = np.maximum(np.arange(height) + 0.5 - _HORIZON * height, 1e-3)
    ground = np.minimum(1.0, _NEAREST * (1 - _HORIZON) * height / below)
    depth = np.repeat(ground[:, np.newaxis], width, axis=1)
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size:
        depth[mask] = ground[rows[-1]]
    return depth.astype(np.float32)


def _scaled(
    cutout: UInt8[np.ndarray, "_ _ 4"], placement: Placement
) -> tuple[Float32[np.ndarray, "rows columns"], Float32[np.ndarray, "rows columns 3"]]:
    """Opacity on 0–1, and colours times opacity: scaled together, so that no hidden colour bleeds in."""
    opacity = cutout[..., 3:].astype(np.float32) / 255
    layers = np.concatenate([opacity, cutout[..., :3].astype(np.float32) * opacity], axis=2)
    if placement.flip:
        layers = layers[:, ::-1]
    size = (placement.height, placement.width)
    layers = layers if layers.shape[:2] == size else resize_image(np.ascontiguousarray(layers), size)
    return np.clip(layers[..., 0], 0, 1), layers[..., 1:]


def _place(placement: Placement) -> tuple[slice, slice]:
    return (
        slice(placement.top, placement.top + placement.height),
        slice(placement.left, placement.left + placement.width),
    )
