"""What JPEG does to a line of a picture, as matrices.

Layer: data; imports nothing of `data`.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse


def spread(length: int, share: float) -> sparse.csr_matrix:
    """A mean of each pixel with a share of those beside it, along a line."""
    near = sparse.diags([share, 1.0, share], [-1, 0, 1], shape=(length, length))
    return sparse.csr_matrix(near / (1 + 2 * share))


def halve(length: int) -> sparse.csr_matrix:
    """Mean of pixels two by two, and back: what is left of colour at half the resolution."""
    return sparse.csr_matrix(double(length) @ mean_of_two(length))


def mean_of_two(length: int) -> sparse.csr_matrix:
    """Half as many pixels, each the mean of two; of an odd number the last alone."""
    pixels = np.arange(length)
    mean = sparse.csr_matrix((np.full(length, 0.5), (pixels // 2, pixels)), shape=((length + 1) // 2, length))
    return sparse.csr_matrix(sparse.diags(1 / np.asarray(mean.sum(axis=1)).ravel()) @ mean)


def double(length: int) -> sparse.csr_matrix:
    """Linear interpolation to `length` pixels from half as many, as the usual JPEG libraries do."""
    half = (length + 1) // 2
    pixels = np.arange(length)
    beside = np.clip(pixels // 2 + np.where(pixels % 2, 1, -1), 0, half - 1)
    own = sparse.csr_matrix((np.full(length, 0.75), (pixels, pixels // 2)), shape=(length, half))
    return sparse.csr_matrix(own + sparse.csr_matrix((np.full(length, 0.25), (pixels, beside)), shape=(length, half)))
