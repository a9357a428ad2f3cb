from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage


@pytest.fixture
def smooth_images():
    """Batches of smooth pictures in [0, 1], all different."""

    def make(count: int, channels: int, height: int, width: int) -> torch.Tensor:
        rng = np.random.default_rng(5)
        noise = ndimage.gaussian_filter(rng.random((count, channels, height, width)), (0, 0, 3, 3))
        low, high = noise.min(), noise.max()
        return torch.from_numpy(((noise - low) / (high - low)).astype(np.float32))

    return make
