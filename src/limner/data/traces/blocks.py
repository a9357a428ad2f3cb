"""The blocks of 8×8 pixels in which JPEG stores a plane, and what rounding their numbers leaves unknown.

Layer: data, above `lossy`. Pure functions on arrays.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import sparse, special

from limner.data.traces.lossy import double, mean_of_two
from limner.types import Size

SIDE = 8
_FREQUENCY = np.arange(SIDE)
_COSINES = np.cos((2 * _FREQUENCY[None, :] + 1) * _FREQUENCY[:, None] * np.pi / (2 * SIDE)) / 2
_COSINES[0] /= np.sqrt(2)

TRANSFORM: Float[np.ndarray, "64 64"] = np.kron(_COSINES, _COSINES)
"""The orthonormal cosine transform of JPEG: frequencies × pixels of a block, both row by row."""

_HALF_LOG_TAU = 0.5 * np.log(2 * np.pi)


class Blocks:
    """How one plane of a picture is cut into blocks.

    Args:
        size: Of the picture, which begins at the corner of a block.
        halves: Whether the plane is stored at half the resolution, down and across.
        steps: Of the stored numbers.

    Attributes:
        steps: Likewise, one after the other.
        cell: Pixel → 64 times its block, plus its place in there.
        share: Pixel → its part in the mean of pixels that share this place.
    """

    def __init__(self, size: Size, halves: tuple[bool, bool], steps: Float[np.ndarray, "8 8"]) -> None:
        self.steps = steps.ravel()
        self._means = [
            mean_of_two(length) if half else sparse.identity(length, format="csr")
            for length, half in zip(size, halves, strict=True)
        ]
        self._halves = halves
        rows, columns = (np.arange(length) // (1 + half) for length, half in zip(size, halves, strict=True))
        across = int(columns[-1]) // SIDE + 1
        blocks = (rows // SIDE)[:, None] * across + (columns // SIDE)[None, :]
        inside = (rows % SIDE)[:, None] * SIDE + (columns % SIDE)[None, :]
        self.cell = (blocks * SIDE**2 + inside).ravel()
        self.share = 1 / np.bincount(self.cell)[self.cell]

    def numbers(self, plane: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "blocks numbers"]:
        """What would be stored of a plane if nothing were rounded."""
        down, across = self._means
        return _transformed((across @ (down @ plane).T).T)

    def stored(self, decoded: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "blocks numbers"]:
        """The numbers that a decoded plane came from: whole multiples of the steps."""
        for axis, half in enumerate(self._halves):
            if half:
                back = double(decoded.shape[axis])
                solve = sparse.linalg.splu(sparse.csc_matrix(back.T @ back)).solve
                flat = back.T @ (decoded if axis == 0 else decoded.T)
                decoded = solve(flat) if axis == 0 else solve(flat).T
        return np.asarray(np.rint(_transformed(decoded) / self.steps) * self.steps)


def _transformed(plane: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "blocks numbers"]:
    height, width = plane.shape
    plane = np.pad(plane, ((0, -height % SIDE), (0, -width % SIDE)), mode="edge")
    tiles = plane.reshape(plane.shape[0] // SIDE, SIDE, plane.shape[1] // SIDE, SIDE).swapaxes(1, 2)
    return np.asarray(tiles.reshape(-1, SIDE**2) @ TRANSFORM.T)


def hidden_variance(
    stored: Float[np.ndarray, "blocks numbers"], steps: Float[np.ndarray, " numbers"]
) -> Float[np.ndarray, "blocks numbers"]:
    """How far the numbers of a picture may be from those stored.

    Where a number was rounded to nothing, little was there: how little, the share of such numbers
    among those of the same frequency tells (they are spread as Laplace's distribution says; Reininger
    and Gibson, 1983).
    """
    even = steps**2 / 12
    nothing = np.abs(stored) < steps / 2
    share = np.clip(nothing.mean(axis=0), 0.5 / len(stored), 1 - 0.5 / len(stored))
    reach = -np.log(1 - share)
    scale = steps / (2 * reach)
    ends = np.exp(-reach)
    little = scale**2 * (2 - ends * (reach**2 + 2 * reach + 2)) / (1 - ends)
    return np.where(nothing, np.minimum(little, even), even)


def rounded(
    expected: Float[np.ndarray, "blocks numbers"],
    variance: Float[np.ndarray, "blocks numbers"],
    stored: Float[np.ndarray, "blocks numbers"],
    steps: Float[np.ndarray, " numbers"],
) -> tuple[
    Float[np.ndarray, "blocks numbers"], Float[np.ndarray, "blocks numbers"], Float[np.ndarray, "blocks numbers"]
]:
    """A normal number of which is known what it was rounded to.

    Args:
        expected: Its mean before that is known.
        variance: Likewise.
        stored: The number it was rounded to.
        steps: In which it was rounded.

    Returns:
        How far its mean moves by that knowledge, the variance that is left, and the logarithm of the
        probability to be rounded so.
    """
    spread = np.sqrt(variance)
    low, high = (stored - steps / 2 - expected) / spread, (stored + steps / 2 - expected) / spread
    # The tail to the left is exact far out, that to the right is not: turn the number about.
    turned = low + high > 0
    low, high = np.where(turned, -high, low), np.where(turned, -low, high)
    below, above = special.log_ndtr(low), special.log_ndtr(high)
    likely = above + np.log1p(-np.exp(np.minimum(below - above, -1e-12)))
    at_low, at_high = (np.exp(-(end**2) / 2 - _HALF_LOG_TAU - likely) for end in (low, high))
    mean = at_low - at_high
    left = np.clip(1 + low * at_low - high * at_high - mean**2, 1e-4, 1)
    return np.where(turned, -mean, mean) * spread, left * variance, likely
