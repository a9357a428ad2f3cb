"""Lay small grey pictures onto one another, many pairs at a time, and measure how well they agree.

Layer: data. A crop of a picture, stretched to a square, is the picture scaled and moved along each axis;
scale and shift are found by the method of Lucas and Kanade (1981), from coarse to fine.
"""

from __future__ import annotations

import functools
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
_COARSE_STEPS = ((2.0, 4), (1.0, 2))
_COARSE_TEXTURE = 0.55
_COARSE_BEYOND = 0.8  # cells
_MOST_STRETCH, _MOST_STEP = 0.05, 0.05  # of a single step; the latter as a share of the side


@dataclass(frozen=True)
class Agreement:
    """How well the pairs agree, one number each.

    Attributes:
        places: Scale, and shift in cells, each down and across, from the first to the second.
        inside: How far, in cells, the first reaches beyond the second; 0 or less where it lies within.
        outside: How far the second reaches beyond the first.
        texture: Correlation of the fine parts once aligned, −1 to 1.
        edges: The same of the pictures' edges.
        left: Share of the fine parts' disagreement that aligning leaves.
        residual: What differs once aligned, as a share of the local range of greys.
    """

    places: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    texture: np.ndarray
    edges: np.ndarray
    left: np.ndarray
    residual: np.ndarray

    @property
    def scale(self) -> np.ndarray:
        """Scale, down and across, from the first to the second."""
        return np.asarray(self.places[:, :2])


def nearest_symmetry(
    first: Float32[np.ndarray, "pairs side side"], second: Float32[np.ndarray, "pairs side side"]
) -> np.ndarray:
    """Number of the symmetry of the second that correlates best with the first, both blurred."""
    versions = symmetries(blurred(second, _BLUR))
    return np.asarray(_correlations(blurred(first, _BLUR), versions).argmax(axis=0))


def may_agree(
    first: Float32[np.ndarray, "pairs side side"], second: Float32[np.ndarray, "pairs side side"]
) -> Bool[np.ndarray, " pairs"]:
    """Whether a closer look is worth it: sorts out, at half the size, what is foreign or not a crop.

    Args:
        first: Grey pictures, 0–255.
        second: What each is compared with, already laid like the first.
    """
    small, other = _halved(first), _halved(second)
    places = align(small, other, _COARSE_STEPS)
    moved, valid = warp(other, places)
    alike = _correlation(_fine(small), _fine(moved), valid) >= _COARSE_TEXTURE
    scale, reach = places[:, :2], _reach(places, small.shape[1])
    within = (scale.max(axis=1) < 1.01) & (reach.max(axis=1) < _COARSE_BEYOND)
    around = (scale.min(axis=1) > 0.99) & (reach.min(axis=1) > -_COARSE_BEYOND)
    return np.asarray(alike & (within | around))


def same_framing_error(
    first: Float32[np.ndarray, "pairs side side"], second: Float32[np.ndarray, "pairs side side"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What differs as pictures lie, brightness and contrast equalled.

    Returns:
        Root mean square in grey levels; the same where it is greatest; and as a share of the standard
        deviation of the first.
    """
    everywhere = np.ones(first.shape, bool)
    error = _difference(first, second, everywhere)
    rms = _rms(error, everywhere)
    return rms, np.abs(error).max(axis=(1, 2)), rms / (first.std(axis=(1, 2)) + 1e-6)


def agreement(
    first: Float32[np.ndarray, "pairs side side"],
    second: Float32[np.ndarray, "pairs side side"],
    first_edges: Float32[np.ndarray, "pairs side side"],
    second_edges: Float32[np.ndarray, "pairs side side"],
) -> Agreement:
    """Align pairs of pictures and compare them.

    Args:
        first: Grey pictures, 0–255.
        second: What each is compared with, already laid like the first.
        first_edges: Strength of edges of the first.
        second_edges: Strength of edges of the second.
    """
    everywhere = np.ones(first.shape, bool)
    places = align(first, second, _STEPS)
    moved, valid = warp(second, places)
    moved_edges, _ = warp(second_edges, places)
    texture = _correlation(_fine(first), _fine(moved), valid)
    before = _correlation(_fine(first), _fine(second), everywhere)
    reach = _reach(places, first.shape[1])
    rest = _difference(first, moved, valid)
    return Agreement(
        places=places,
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


def align(
    first: Float32[np.ndarray, "pairs side side"],
    second: Float32[np.ndarray, "pairs side side"],
    steps: tuple[tuple[float, int], ...],
    places: Float32[np.ndarray, "pairs 4"] | None = None,
) -> Float32[np.ndarray, "pairs 4"]:
    """Scale (down, across) and shift (down, across; about the centre, in cells) from the first to the second.

    Args:
        first: Grey pictures, 0–255.
        second: What each is laid onto.
        steps: Blur, in 32nds of the side, and number of steps at it; from coarse to fine.
        places: Where to begin; None lays them as they are.
    """
    count, side = first.shape[:2]
    if places is None:
        places = np.tile(np.array([1, 1, 0, 0], np.float32), (count, 1))
    limits = np.array([_MOST_STRETCH] * 2 + [_MOST_STEP * side] * 2, np.float32)
    least = np.array([1 - _MOST_SCALE] * 2 + [-_MOST_SHIFT * side] * 2, np.float32)
    most = np.array([1 + _MOST_SCALE] * 2 + [_MOST_SHIFT * side] * 2, np.float32)
    for blur, repeats in steps:
        one, other = blurred(first, blur * side / 32), blurred(second, blur * side / 32)
        parts, solver = _linearised(one)
        gain, offset = np.ones((count, 1), np.float32), np.zeros((count, 1), np.float32)
        for _ in range(repeats):
            moved, valid = warp(other, places)
            rest = (moved.reshape(count, -1) - gain * parts[:, 4] - offset) * valid.reshape(count, -1)
            solved = np.matmul(solver, rest[..., None])[..., 0]
            gain, offset = gain + solved[:, 4:5], offset + solved[:, 5:6]
            strength = np.where(np.abs(gain) < _LEAST_GAIN, _LEAST_GAIN, gain)
            change = (solved[:, :4] / strength).clip(-limits, limits)
            places = _without(places, change).clip(least, most)
    return places


def _linearised(
    picture: Float32[np.ndarray, "pairs side side"],
) -> tuple[Float32[np.ndarray, "pairs 6 cells"], Float32[np.ndarray, "pairs 6 cells"]]:
    """How a picture changes with scale, shift, contrast and brightness, and the solver of the least squares."""
    count, side = picture.shape[:2]
    from_centre = np.arange(side, dtype=np.float32) - (side - 1) / 2
    down, across = np.gradient(picture, axis=(1, 2))
    ramps = [down * from_centre[:, None], across * from_centre]
    parts = np.stack([*ramps, down, across, picture, np.ones_like(picture)], axis=1).reshape(count, 6, -1)
    # Keeps the equations solvable where a picture is flat.
    ridge = np.diag(np.array([side**2 / 12, side**2 / 12, 1, 1, 1e-3, 1e-3], np.float32)) * 1e-3
    return parts, np.linalg.inv(parts @ parts.transpose(0, 2, 1) + ridge) @ parts


def _without(
    places: Float32[np.ndarray, "pairs 4"], change: Float32[np.ndarray, "pairs 4"]
) -> Float32[np.ndarray, "pairs 4"]:
    """Undo a small change of the first before scale and shift: x → s · (x − shift) / (1 + stretch) + t."""
    scale = places[:, :2] / (1 + change[:, :2])
    return np.concatenate([scale, places[:, 2:] - scale * change[:, 2:]], axis=1)


def warp(
    pictures: Float32[np.ndarray, "pairs side side"], places: Float32[np.ndarray, "pairs 4"]
) -> tuple[Float32[np.ndarray, "pairs side side"], Bool[np.ndarray, "pairs side side"]]:
    """Sample bilinearly at scale · position + shift, and say which samples lie within the picture.

    Args:
        pictures: Square pictures.
        places: Scale down and across, and shift down and across in cells; positions count from the centre.
    """
    down, valid_down = _sampling(places[:, 0:1], places[:, 2:3], pictures.shape[1])
    across, valid_across = _sampling(places[:, 1:2], places[:, 3:4], pictures.shape[1])
    return down @ pictures @ across.transpose(0, 2, 1), valid_down[:, :, None] & valid_across[:, None, :]


def _sampling(
    scale: Float32[np.ndarray, "pairs 1"], shift: Float32[np.ndarray, "pairs 1"], side: int
) -> tuple[Float32[np.ndarray, "pairs side side"], Bool[np.ndarray, "pairs side"]]:
    """Matrices that interpolate along one axis; outside, the outermost cell goes on."""
    cells = np.arange(side, dtype=np.float32)
    middle = np.float32((side - 1) / 2)
    positions = scale * (cells - middle) + shift + middle
    inner = positions.clip(0, side - 1)
    weights = np.maximum(1 - np.abs(inner[:, :, None] - cells), 0)
    return weights, (positions >= -0.5) & (positions <= side - 0.5)


@functools.lru_cache
def _blurring(side: int, sigma: float) -> Float32[np.ndarray, "side side"]:
    """The matrix that blurs along one axis."""
    matrix: np.ndarray = scipy.ndimage.gaussian_filter1d(np.eye(side, dtype=np.float32), sigma, axis=0, mode="nearest")
    return matrix


def blurred(pictures: Float32[np.ndarray, "pairs side side"], sigma: float) -> Float32[np.ndarray, "pairs side side"]:
    """Each blurred by a Gaussian; outside, the outermost cell goes on."""
    matrix = _blurring(pictures.shape[1], sigma)
    return np.asarray(matrix @ pictures @ matrix.T)


def _fine(pictures: Float32[np.ndarray, "pairs side side"]) -> Float32[np.ndarray, "pairs side side"]:
    return np.asarray(pictures - blurred(pictures, _BLUR))


def _halved(pictures: Float32[np.ndarray, "pairs side side"]) -> Float32[np.ndarray, "pairs half half"]:
    count, side = pictures.shape[:2]
    return np.asarray(pictures.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4)))


def _centred(
    pictures: Float32[np.ndarray, "pairs side side"], valid: Bool[np.ndarray, "pairs side side"]
) -> Float32[np.ndarray, "pairs side side"]:
    """Without their mean where they are valid, and 0 elsewhere."""
    means = (pictures * valid).sum(axis=(1, 2)) / np.maximum(valid.sum(axis=(1, 2)), 1)
    return np.asarray((pictures - means[:, None, None]) * valid, np.float32)


def _correlation(first: np.ndarray, second: np.ndarray, valid: np.ndarray) -> np.ndarray:
    one, other = _centred(first, valid), _centred(second, valid)
    norms = (one**2).sum(axis=(1, 2)) * (other**2).sum(axis=(1, 2))
    return np.asarray((one * other).sum(axis=(1, 2)) / np.sqrt(norms + 1e-9))


def _correlations(first: np.ndarray, versions: np.ndarray) -> np.ndarray:
    """Of each picture with each version of its partner, up to a factor per pair."""
    one = first - first.mean(axis=(1, 2), keepdims=True)
    return np.asarray(np.einsum("nhw,knhw->kn", one, versions))


def _difference(first: np.ndarray, second: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """What the second does not explain of the first, whatever its brightness and contrast; 0 where not valid."""
    one, other = _centred(first, valid), _centred(second, valid)
    gain = (one * other).sum(axis=(1, 2)) / ((other**2).sum(axis=(1, 2)) + 1e-9)
    return np.asarray(one - gain[:, None, None] * other)


def _rms(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(((values * valid) ** 2).sum(axis=(1, 2)) / np.maximum(valid.sum(axis=(1, 2)), 1)))


def _local_range(pictures: np.ndarray) -> np.ndarray:
    size = (1, 3, 3)
    most: np.ndarray = scipy.ndimage.maximum_filter(pictures, size)
    return np.asarray(most - scipy.ndimage.minimum_filter(pictures, size))
