"""Stored pixels as the numbers a network computes with.

Layer: inference.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from limner.bundle import InputSpec


def to_images(
    pixels: Shaped[np.ndarray, "batch height width channels"], inputs: InputSpec, device: torch.device
) -> Float[Tensor, "batch channels height width"]:
    """Stored pixels as the float32 numbers the network computes with, laid out channels-last.

    uint8 travels to the device as it is, a quarter of the bytes, and is scaled there.
    """
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(np.float32)  # exact, and torch computes little with uint16
    return normalise(torch.from_numpy(np.ascontiguousarray(pixels)).to(device, non_blocking=True), inputs)


def normalise(
    stored: Shaped[Tensor, "batch height width channels"], inputs: InputSpec
) -> Float[Tensor, "batch channels height width"]:
    """Stored numbers, already on the device, as `to_images` gives them."""
    images = to_unit_range(stored, inputs.low, inputs.high)
    mean, std = (torch.tensor(numbers, device=stored.device) for numbers in (inputs.mean, inputs.std))
    return images.sub_(mean).div_(std).permute(0, 3, 1, 2)


def to_unit_range(stored: Shaped[Tensor, "*shape"], low: float, high: float) -> Float[Tensor, "*shape"]:
    """Stored numbers as float32 with `low` at 0 and `high` at 1, in a tensor of its own.

    Training and prediction both come through here. Values of other types than uint8 are cut to
    that range: theirs is open-ended, and one hot pixel far outside what the network has seen would
    spoil its surroundings.
    """
    images = stored.to(torch.float32, copy=True).sub_(low).div_(high - low)
    return images if stored.dtype == torch.uint8 else images.clamp_(0, 1)
