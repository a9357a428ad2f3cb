"""Lay small grey pictures onto one another, many pairs at a time, and measure how well they agree.

Layer: data. A crop of a picture, stretched to a square, is the picture scaled and moved along each axis;
scale and shift are found by the method of Lucas and Kanade (1981), from coarse to fine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Float32

from limner.data.check.symmetries import symmetries

_BLUR = 1.5  # cells; what is finer is texture, by which copies are told from look-alikes
_MOST_SCALE = 0.13
_MOST_SHIFT = 0.09  # of the side
_LEAST_GAIN = 0.2
_STEPS = ((2.0, 4), (1.0, 4), (0.5, 3))
_COARSE_STEPS = ((2.0, 4),)


@dataclass(frozen=True)
class Agreement:
    """How well the pairs agree, one number each.

    Attributes:
        symmetry: Number of the symmetry (see `symmetries`) that brings the second nearest to the first.
        error: Root mean square, in grey levels, of what differs as they lie, brightness and contrast equalled.
        worst: The same where it is greatest.
        relative: `error` as a share of the first's standard deviation.
        scale: Scale, down and across, from the first to the second.
        inside: How far, in cells, the first reaches beyond the second; 0 or less where it lies within.
        outside: How far the second reaches beyond the first.
        texture: Correlation of the fine parts once aligned, −1 to 1.
        edges: The same of the pictures' edges.
        left: Share of the fine parts' disagreement that aligning leaves.
        residual: What differs once aligned, as a share of the local range of greys.
    """

    symmetry: np.ndarray
    error: np.ndarray
    worst: np.ndarray
    relative: np.ndarray
    scale: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    texture: np.ndarray
    edges: np.ndarray
    left: np.ndarray
    residual: np.ndarray


def nearest_symmetry(
    first: Float32[np.ndarray, "pairs side side"], second: Float32[np.ndarray, "pairs side side"]
) -> np.ndarray:
    """Number of the symmetry of the second that correlates best with the first, both blurred."""
    versions = symmetries(_blurred(second, _BLUR))
    return np.asarray(_correlations(_blurred(first, _BLUR), versions).argmax(axis=0))


def coarse_agreement(
    first: Float32[np.ndarray, "pairs side side"], second: Float32[np.ndarray, "pairs side side"]
) -> np.ndarray:
    """Correlation of the fine parts of pictures of half the size, roughly aligned; cheap, to sort out what is foreign."""
    small, other = _halved(first), _halved(second)
    moved, valid = _warp(other, _align(small, other, _COARSE_STEPS))
    return _correlation(_fine(small), _fine(moved), valid)


def agreement(
    first: Float32[np.ndarray, "pairs side side"],
    second: Float32[np.ndarray, "pairs side side"],
    first_edges: Float32[np.ndarray, "pairs side side"],
    second_edges: Float32[np.ndarray, "pairs side side"],
    symmetry: np.ndarray,
) -> Agreement:
    """Compare pairs of pictures as they lie, and aligned.

    Args:
        first: Grey pictures, 0–255.
        second: What each is compared with.
        first_edges: Strength of edges of the first.
        second_edges: Strength of edges of the second.
        symmetry: Which version of the second to take (see `nearest_symmetry`).
    """
    pairs = np.arange(len(first))
    second, second_edges = symmetries(second)[symmetry, pairs], symmetries(second_edges)[symmetry, pairs]
    everywhere = np.ones(first.shape, bool)
    error = _difference(first, second, everywhere)
    places = _align(first, second, _STEPS)
    moved, valid = _warp(second, places)
    moved_edges, _ = _warp(second_edges, places)
    texture = _correlation(_fine(first), _fine(moved), valid)
    before = _correlation(_fine(first), _fine(second), everywhere)
    reach = _reach(places, first.shape[1])
    rest = _difference(first, moved, valid)
    return Agreement(
        symmetry=symmetry,
        error=_rms(error, everywhere),
        worst=np.abs(error).max(axis=(1, 2)),
        relative=_rms(error, everywhere) / (first.std(axis=(1, 2)) + 1e-6),
        scale=places[:, :2],
        inside=reach.max(axis=1),
        outside=-reach.min(axis=1),
        texture=texture,
        edges=_correlation(_fine(first_edges), _fine(moved_edges), valid),
        left=(1 - texture) / np.maximum(1 - before, 1e-6),
        residual=_rms(rest, valid) / (_rms(_local_range(first), valid) + 1e-6),
    )


def _reach(places: Float[np.ndarray, "pairs 4"], side: int) -> Float[np.ndarray, "pairs 4"]:
    """How far each edge of the first lies beyond the same edge of the second, in cells."""
    half = side / 2
    scale, shift = places[:, :2], places[:, 2:]
    return np.concatenate([half * scale - shift - half, half * scale + shift - half], axis=1)


def _align(
    first: Float32[np.ndarray, "pairs side side"],
    second: Float32[np.ndarray, "pairs side side"],
    steps: tuple[tuple[float, int], ...],
) -> Float[np.ndarray, "pairs 4"]:
    """Scale (down, across) and shift (down, across; about the centre, in cells) from the first to the second."""
    count, side = first.shape[:2]
    places = np.tile(np.array([1, 1, 0, 0], np.float32), (count, 1))
    from_centre = np.arange(side, dtype=np.float32) - (side - 1) / 2
    least = np.array([1 - _MOST_SCALE] * 2 + [-_MOST_SHIFT * side] * 2)
    most = np.array([1 + _MOST_SCALE] * 2 + [_MOST_SHIFT * side] * 2)
    # Keeps the equations solvable where a picture is flat.
    ridge = np.diag(np.array([side**2 / 12, side**2 / 12, 1, 1, 1e-3, 1e-3], np.float32)) * 1e-3
    for blur, repeats in steps:
        one, other = _blurred(first, blur * side / 32), _blurred(second, blur * side / 32)
        down, across = np.gradient(other, axis=(1, 2))
        for _ in range(repeats):
            moved, valid = _warp(other, places)
            slope_down, slope_across = _warp(down, places)[0], _warp(across, places)[0]
            ramps = [slope_down * from_centre[:, None], slope_across * from_centre]
            parts = np.stack([*ramps, slope_down, slope_across, moved, np.ones_like(moved)], axis=-1)
            parts = (parts * valid[..., None]).reshape(count, -1, 6)
            wanted = (one * valid).reshape(count, -1, 1)
            turned = parts.transpose(0, 2, 1)
            solved = np.linalg.solve(turned @ parts + ridge, turned @ wanted)[..., 0]
            gain = np.where(np.abs(solved[:, 4]) < _LEAST_GAIN, _LEAST_GAIN, solved[:, 4])
            change = (solved[:, :4] / gain[:, None]).clip([-0.05, -0.05, -1.5, -1.5], [0.05, 0.05, 1.5, 1.5])
            places = (places + change).clip(least, most).astype(np.float32)
    return places


def _warp(
    pictures: Float32[np.ndarray, "pairs side side"], places: Float[np.ndarray, "pairs 4"]
) -> tuple[Float32[np.ndarray, "pairs side side"], Bool[np.ndarray, "pairs side side"]]:
    """Sample bilinearly at scale · position + shift, and say which samples lie within the picture."""
    side = pictures.shape[1]
    from_centre = np.arange(side) - (side - 1) / 2
    down, part_down, valid_down = _knots(places[:, 0:1] * from_centre + places[:, 2:3] + (side - 1) / 2, side)
    across, part_across, valid_across = _knots(places[:, 1:2] * from_centre + places[:, 3:4] + (side - 1) / 2, side)
    pair = np.arange(len(pictures))[:, None, None]
    down, across = down[:, :, None], across[:, None, :]
    part_down, part_across = part_down[:, :, None], part_across[:, None, :]
    upper = pictures[pair, down, across] * (1 - part_across) + pictures[pair, down, across + 1] * part_across
    lower = pictures[pair, down + 1, across] * (1 - part_across) + pictures[pair, down + 1, across + 1] * part_across
    moved = upper * (1 - part_down) + lower * part_down
    return moved.astype(np.float32), valid_down[:, :, None] & valid_across[:, None, :]


def _knots(positions: Float[np.ndarray, "pairs side"], side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    left = np.clip(np.floor(positions), 0, side - 2).astype(np.int64)
    part = np.clip(positions - left, 0, 1).astype(np.float32)
    return left, part, (positions >= -0.5) & (positions <= side - 0.5)


def _blurred(pictures: Float32[np.ndarray, "pairs side side"], sigma: float) -> Float32[np.ndarray, "pairs side side"]:
    blurred: np.ndarray = scipy.ndimage.gaussian_filter(pictures, (0, sigma, sigma), mode="nearest")
    return blurred


def _fine(pictures: Float32[np.ndarray, "pairs side side"]) -> Float32[np.ndarray, "pairs side side"]:
    return np.asarray(pictures - _blurred(pictures, _BLUR))


def _halved(pictures: Float32[np.ndarray, "pairs side side"]) -> Float32[np.ndarray, "pairs half half"]:
    count, side = pictures.shape[:2]
    return np.asarray(pictures.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4)))


def _centred(
    pictures: Float32[np.ndarray, "pairs side side"], valid: Bool[np.ndarray, "pairs side side"]
) -> Float32[np.ndarray, "pairs side side"]:
    """Without their mean where they are valid, and 0 elsewhere."""
    means = (pictures * valid).sum(axis=(1, 2)) / np.maximum(valid.sum(axis=(1, 2)), 1)
    return ((pictures - means[:, None, None]) * valid).astype(np.float32)


def _correlation(first: np.ndarray, second: np.ndarray, valid: np.ndarray) -> np.ndarray:
    one, other = _centred(first, valid), _centred(second, valid)
    norms = (one**2).sum(axis=(1, 2)) * (other**2).sum(axis=(1, 2))
    return np.asarray((one * other).sum(axis=(1, 2)) / np.sqrt(norms + 1e-9))


def _correlations(first: np.ndarray, versions: np.ndarray) -> np.ndarray:
    """Of each picture with each version of its partner, up to a factor per pair."""
    one = first - first.mean(axis=(1, 2), keepdims=True)
    return np.einsum("nhw,knhw->kn", one, versions)


def _difference(first: np.ndarray, second: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """What the second does not explain of the first, whatever its brightness and contrast; 0 where not valid."""
    one, other = _centred(first, valid), _centred(second, valid)
    gain = (one * other).sum(axis=(1, 2)) / ((other**2).sum(axis=(1, 2)) + 1e-9)
    return np.asarray(one - gain[:, None, None] * other)


def _rms(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    total: np.ndarray = ((values * valid) ** 2).sum(axis=(1, 2)) / np.maximum(valid.sum(axis=(1, 2)), 1)
    return np.sqrt(total)


def _local_range(pictures: np.ndarray) -> np.ndarray:
    size = (1, 3, 3)
    most: np.ndarray = scipy.ndimage.maximum_filter(pictures, size)
    return most - scipy.ndimage.minimum_filter(pictures, size)
