"""The eight ways to lay a square onto itself: mirrored and turned.

Layer: data.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

SYMMETRIES = (
    "as it is",
    "mirrored left to right",
    "mirrored top to bottom",
    "turned by half",
    "transposed",
    "turned by a quarter clockwise",
    "turned by a quarter anticlockwise",
    "transposed along the other diagonal",
)
"""What `symmetries` gives, in its order, in words."""


def symmetries(maps: Shaped[np.ndarray, "*lead side side"]) -> Shaped[np.ndarray, "8 *lead side side"]:
    """The eight versions of square maps.

    Example:
        >>> symmetries(np.array([[1, 2], [3, 4]]))[5].tolist()
        [[3, 1], [4, 2]]
    """
    versions = []
    for base in (maps, maps.swapaxes(-1, -2)):
        versions += [base, base[..., ::-1], base[..., ::-1, :], base[..., ::-1, ::-1]]
    return np.stack(versions)
