"""The numbers of one batch: what happens to which sample, and where their randomness comes from.

Layer: augment, below `specification`. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from limner.types import Size


@dataclass(frozen=True)
class Draw:
    """What happens to each sample of a batch; arrays have one entry per sample.

    Geometry happens in the order flips, quarter turns, zoom, rotation, shift, elastic deformation.
    """

    size: Size
    """Height and width that it was drawn for."""
    flip_h: Bool[np.ndarray, " batch"]
    flip_v: Bool[np.ndarray, " batch"]
    quarter_turns: Int[np.ndarray, " batch"]
    """Counter-clockwise, 0–3; 0 or 2 where `size` is not square."""
    angle: Float[np.ndarray, " batch"]
    """Degrees, counter-clockwise."""
    zoom: Float[np.ndarray, " batch"]
    """Above 1 things get larger."""
    shift: Float[np.ndarray, "batch 2"]
    """Down and right, as shares of height and width."""
    displacement: Float[np.ndarray, "batch 2 rows columns"]
    """Elastic displacement of the control points, down and right, as shares of the shorter side."""
    blur: Float[np.ndarray, " batch"]
    """Standard deviation in pixels; 0 is none."""
    contrast: Float[np.ndarray, " batch"]
    """Factor on the distance from the picture's mean."""
    brightness: Float[np.ndarray, " batch"]
    """Added, as a share of the full range."""
    gamma: Float[np.ndarray, " batch"]
    """Exponent."""
    noise: Float[np.ndarray, " batch"]
    """Standard deviation, as a share of the full range."""
    noise_key: Int64[np.ndarray, " batch"]
    """Seed of the noise pattern."""

    def __len__(self) -> int:
        return len(self.angle)

    @property
    def bent(self) -> Bool[np.ndarray, " batch"]:
        """Samples with an elastic deformation."""
        return np.asarray(np.any(self.displacement != 0, axis=(1, 2, 3)))

    @property
    def warped(self) -> Bool[np.ndarray, " batch"]:
        """Samples that need resampling."""
        return np.asarray((self.angle != 0) | (self.zoom != 1) | np.any(self.shift != 0, axis=1) | self.bent)


@dataclass(frozen=True)
class Chances:
    """Raw random numbers of a batch, before any strength or probability is applied.

    A sample's numbers are the same for every specification, so that changing one strength leaves
    the other changes as they were.
    """

    uniform: Float[np.ndarray, "batch numbers"]
    """In [0, 1)."""
    nodes: Float[np.ndarray, "batch 2 rows columns"]
    """In [-1, 1)."""
    keys: Int64[np.ndarray, " batch"]


def draw_chances(seed: int, epoch: int, samples: Int[np.ndarray, " batch"], numbers: int, grid: int) -> Chances:
    """Random numbers of each sample from a counter-based generator keyed by (seed, epoch, sample)."""
    uniform = np.empty((len(samples), numbers))
    keys = np.empty(len(samples), dtype=np.int64)
    nodes = np.empty((len(samples), 2, grid, grid))
    for row, sample in enumerate(samples.tolist()):
        key = np.random.SeedSequence(seed, spawn_key=(epoch, sample))
        rng = np.random.Generator(np.random.Philox(key))
        keys[row] = rng.integers(np.iinfo(np.int64).max)
        uniform[row] = rng.random(numbers)
        nodes[row] = rng.uniform(-1, 1, (2, grid, grid))
    return Chances(uniform, nodes, keys)
