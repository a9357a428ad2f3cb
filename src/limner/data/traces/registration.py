"""Lay a traced copy exactly over its untraced original, or refuse.

Layer: data. Pure functions on arrays.

Copies are shifted and rescaled when they are pasted, cropped or exported at another size. Phase
correlation finds the shift at each likely scale; least squares that disregard the ink then settle
shift and scale to a small fraction of a pixel (Lucas and Kanade, 1981). Copies that lie right already
are left as they are, because every resampling blurs thin strokes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from limner.errors import DataError
from limner.types import Size

_LIGHT = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Grey levels by which an untouched copy may differ, by JPEG.
_SAME = 5.0
_ALIKE = 0.9
# So like that no other scale need be tried.
_CERTAIN = 0.95
_SCALES = (0.4, 2.6)
_ROUNDS = 25


@dataclass(frozen=True)
class Placement:
    """Where a traced copy lies: pixel (r, c) of the original is (scale · (r, c) + shift) of the copy.

    Attributes:
        scale: Of rows and columns.
        shift: Of rows and columns, in pixels of the copy.
        alike: Correlation of the two pictures, ink disregarded.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)
    alike: float = 1.0

    def __str__(self) -> str:
        (rows, columns), (down, right) = self.scale, self.shift
        return f"{rows:.3f}×{columns:.3f} the size, shifted by {down:.1f}, {right:.1f} px"


def register(
    traced: UInt8[np.ndarray, "height width 3"], untraced: UInt8[np.ndarray, "rows columns 3"], where: str
) -> tuple[UInt8[np.ndarray, "rows columns 3"], Placement | None]:
    """The traced copy in the frame of the untraced one.

    Args:
        traced: Any size.
        untraced: What the copy was made of.
        where: Name of the copy, for the error.

    Returns:
        The copy, resampled where it had to be moved, and how; None where it lay right.

    Raises:
        DataError: They are not copies of one picture, or one is turned, cropped hard or stretched.
    """
    moving, fixed = traced @ _LIGHT, untraced @ _LIGHT
    if moving.shape == fixed.shape and float(np.median(np.abs(moving - fixed))) <= _SAME and _in_step(moving, fixed):
        return traced, None
    found = Placement(alike=0.0)
    for scale in _scales(moving.shape, fixed.shape):
        found = max(found, _coarse(moving, fixed, scale), key=_alike)
        if found.alike > _CERTAIN:
            break
    for blur in (2.0, 0.7):
        found = _refine(moving, fixed, found, blur)
    if found.alike < _ALIKE:
        raise DataError(
            "a traced copy that shows its untraced original, shifted or rescaled at most",
            f"'{where}' fits it nowhere (correlation {found.alike:.2f} at best, {_ALIKE} needed)",
            "Check that the pair belongs together and that neither is turned or cut; or leave this picture out.",
        )
    planes = [_warp(traced[..., channel].astype(np.float32), found, fixed.shape) for channel in range(3)]
    moved = np.clip(np.rint(np.nan_to_num(np.stack(planes, axis=2), nan=0.0)), 0, 255).astype(np.uint8)
    gone = np.isnan(planes[0])
    # Where the copy shows nothing, nothing is drawn.
    moved[gone] = untraced[gone]
    return moved, found


def _scales(moving: Size, fixed: Size) -> Iterator[tuple[float, float]]:
    """Likely ones first: the ratio of the sizes, none, then all between the limits."""
    yield moving[0] / fixed[0], moving[1] / fixed[1]
    if moving != fixed:
        yield 1.0, 1.0
    for scale in np.geomspace(*_SCALES, 48).tolist():
        yield scale, scale


def _in_step(moving: np.ndarray, fixed: np.ndarray) -> bool:
    """Whether no shift by a quarter of a pixel could be seen."""
    placed = _refine(moving, fixed, Placement(), 1.0)
    return max(abs(placed.shift[0]), abs(placed.shift[1]), *(200 * abs(scale - 1) for scale in placed.scale)) < 0.25


def _coarse(moving: np.ndarray, fixed: np.ndarray, scale: tuple[float, float]) -> Placement:
    """The best shift at one scale, to the pixel, by phase correlation."""
    shape = tuple(max(fixed.shape[axis], round(moving.shape[axis] / scale[axis])) for axis in (0, 1))
    base = Placement(scale, (0.5 * scale[0] - 0.5, 0.5 * scale[1] - 0.5))
    scaled = _warp(moving, base, shape)
    scaled = np.where(np.isnan(scaled), np.nanmean(scaled), scaled)
    wide = np.full(shape, float(fixed.mean()), dtype=np.float32)
    wide[: fixed.shape[0], : fixed.shape[1]] = fixed
    cross = np.fft.rfft2(_detail(scaled)) * np.conj(np.fft.rfft2(_detail(wide)))
    peak = np.fft.irfft2(cross / (np.abs(cross) + 1e-3 * np.abs(cross).max()), shape)
    place = np.unravel_index(int(peak.argmax()), shape)
    steps = [int(at) - (length if at > length / 2 else 0) for at, length in zip(place, shape, strict=True)]
    shift = (base.shift[0] + steps[0] * scale[0], base.shift[1] + steps[1] * scale[1])
    placed = Placement(scale, shift)
    return Placement(scale, shift, _likeness(_warp(moving, placed, fixed.shape), fixed))


def _refine(moving: np.ndarray, fixed: np.ndarray, start: Placement, blur: float) -> Placement:
    """Scale and shift by least squares; ink, being unlike, loses its weight."""
    wanted = ndimage.gaussian_filter(fixed, blur)
    rows, columns = np.mgrid[: fixed.shape[0], : fixed.shape[1]].astype(np.float32)
    scale, shift = np.array(start.scale), np.array(start.shift)
    source = ndimage.gaussian_filter(moving, blur * scale)
    for _ in range(_ROUNDS):
        seen = _warp(source, Placement((scale[0], scale[1]), (shift[0], shift[1])), fixed.shape, soften=False)
        down, right = np.gradient(seen)
        down, right = down / scale[0], right / scale[1]
        known = np.isfinite(down) & np.isfinite(right)
        if known.sum() < 100:
            break
        columns_of = [down * rows, right * columns, down, right, seen, np.ones_like(seen)]
        design = np.stack([column[known] for column in columns_of], axis=1).astype(np.float64)
        error = (wanted - seen)[known].astype(np.float64)
        weight = 1 / (1 + (error / (2 * np.median(np.abs(error)) + 1)) ** 2)
        step = np.linalg.lstsq(design.T * weight @ design + 1e-6 * np.eye(6), design.T @ (weight * error))[0]
        step = np.clip(step, -3, 3)
        scale, shift = np.clip(scale + step[:2], *_SCALES), shift + step[2:4]
        if np.abs(step[2:4]).max() < 0.003 and np.abs(step[:2]).max() < 1e-5:
            break
    placed = Placement((float(scale[0]), float(scale[1])), (float(shift[0]), float(shift[1])))
    return Placement(placed.scale, placed.shift, _likeness(_warp(moving, placed, fixed.shape), fixed))


def _warp(
    picture: Float[np.ndarray, "height width"], placed: Placement, shape: tuple[int, ...], *, soften: bool = True
) -> Float[np.ndarray, "rows columns"]:
    """The picture in another frame; NaN beyond its border."""
    if soften and max(placed.scale) > 1:
        picture = ndimage.gaussian_filter(picture, [0.35 * max(scale - 1, 0) for scale in placed.scale])
    plane = picture.astype(np.float32)
    warped = ndimage.affine_transform(plane, placed.scale, placed.shift, shape, order=1, mode="constant", cval=np.nan)
    return np.asarray(warped)


def _detail(picture: np.ndarray) -> np.ndarray:
    return np.asarray(picture - ndimage.gaussian_filter(picture, 8))


def _likeness(seen: np.ndarray, fixed: np.ndarray) -> float:
    """Correlation without the most unlike twelfth, which is ink; 0 where less than half overlaps."""
    known = np.isfinite(seen)
    if known.mean() < 0.5:
        return 0.0
    first, second = seen[known], fixed[known]
    error = np.abs(first - second)
    kept = error <= np.quantile(error, 11 / 12)
    first, second = first[kept] - first[kept].mean(), second[kept] - second[kept].mean()
    return float((first @ second) / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-9))


def _alike(placed: Placement) -> float:
    return placed.alike
