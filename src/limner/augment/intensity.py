"""Blur, contrast, brightness, gamma and noise of images, in this order: the optics, the exposure, the sensor.

Layer: augment, below `specification`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from limner.augment.draws import Draw

_Step: TypeAlias = Callable[[Tensor, Tensor], Tensor]

# Constants of SplitMix64 (Steele, Lea & Flood, Fast splittable pseudorandom number generators, 2014).
_GOLDEN = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
# Mean and standard deviation of the sum of 8 uniform bytes.
_BYTES_MEAN = 8 * 127.5
_BYTES_STD = math.sqrt(8 * (256**2 - 1) / 12)


def change_intensity(
    images: Float[Tensor, "batch channels height width"], draw: Draw
) -> Float[Tensor, "batch channels height width"]:
    """Change the samples that the draw changes and clamp to [0, 1]; the very tensor comes back if it changes none."""
    noisy = draw.noise != 0
    steps: list[tuple[np.ndarray, float, _Step]] = [
        (draw.blur, 0.0, lambda batch, std: blur(batch, std, largest=float(draw.blur.max()))),
        (draw.contrast, 1.0, lambda batch, factor: torch.lerp(batch.mean((1, 2, 3), keepdim=True), batch, factor)),
        (draw.brightness, 0.0, torch.add),
        (draw.gamma, 1.0, lambda batch, exponent: batch.clamp(0, 1).pow(exponent)),
        (draw.noise, 0.0, lambda batch, std: batch + std * noise(draw.noise_key[noisy], batch)),
    ]
    changed = images
    for values, neutral, change in steps:
        rows = np.flatnonzero(values != neutral)
        if rows.size:
            changed = images.clone() if changed is images else changed
            index = torch.from_numpy(rows).to(images.device)
            strength = torch.from_numpy(values[rows].astype(np.float32)).to(images.device).reshape(-1, 1, 1, 1)
            changed[index] = change(changed[index].float(), strength).to(images.dtype)
    return changed if changed is images else changed.clamp_(0, 1)


def blur(
    batch: Float32[Tensor, "rows channels height width"], std: Float32[Tensor, "rows 1 1 1"], largest: float
) -> Float32[Tensor, "rows channels height width"]:
    """Gaussian blur with one standard deviation in pixels per sample, the border pixel continued.

    Args:
        batch: Pictures.
        std: Above 0.
        largest: Of `std`, known to the host so that the device is not waited for.
    """
    radius = math.ceil(3 * largest)
    # Each sample ends its kernel at its own three standard deviations, whatever is beside it.
    weights = [torch.exp(-0.5 * (tap / std) ** 2) * (tap < 3 * std + 1) for tap in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    for dim, padding in ((-1, (radius, radius, 0, 0)), (-2, (0, 0, radius, radius))):
        padded = functional.pad(batch, padding, mode="replicate")
        length = batch.shape[dim]
        # Sums of shifted pictures: a convolution with a kernel per sample would need groups, which are slow.
        batch = batch * (weights[0] / total)
        for tap in range(1, radius + 1):
            both = padded.narrow(dim, radius - tap, length) + padded.narrow(dim, radius + tap, length)
            batch.addcmul_(both, weights[tap] / total)
    return batch


def noise(
    keys: Int64[np.ndarray, " rows"], like: Float32[Tensor, "rows channels height width"]
) -> Float32[Tensor, "rows channels height width"]:
    """Normal noise, mean 0 and standard deviation 1, of the shape of `like`.

    A hash of (key, position): the same on every device and whatever else is in the batch. The sum
    of the hash's 8 bytes stands for the normal distribution; its tails end at 4.9.
    """
    position = torch.arange(like[0].numel(), device=like.device).mul_(_wrap(_GOLDEN))
    state = (torch.from_numpy(keys).to(like.device)[:, None] + position).reshape(like.shape)
    for shift, factor in _ROUNDS:
        # torch shifts keep the sign; the mask makes them logical.
        state.bitwise_xor_((state >> shift).bitwise_and_((1 << (64 - shift)) - 1)).mul_(_wrap(factor))
    every_second = 0x00FF00FF00FF00FF
    pairs = (state >> 8).bitwise_and_(every_second).add_(state.bitwise_and_(every_second))
    total = (pairs.mul_(0x0001000100010001) >> 48).bitwise_and_(0xFFFF)
    return total.float().sub_(_BYTES_MEAN).div_(_BYTES_STD)


def _wrap(value: int) -> int:
    """An unsigned 64-bit number as the signed one with the same bits."""
    return value - (1 << 64) if value >= 1 << 63 else value
