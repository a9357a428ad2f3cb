"""What makes gradients on a CPU several times as fast, and leaves answers as they are.

Layer: models. Both are about kernels of oneDNN and torch 2.15 that are slow backwards (`benchmarks/training.md`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_QUICK_KERNEL = 3


def upsample_bilinear(features: Float[Tensor, "batch channels _ _"]) -> Float[Tensor, "batch channels _ _"]:
    """Features of twice the size, by interpolation.

    The gradient that comes from a join of features is a part of a larger tensor; torch takes four times as long to
    interpolate such a one backwards as to copy it and interpolate the copy.
    """
    doubled: Tensor = functional.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
    # A compiler lays tensors out itself, and takes no hooks.
    if doubled.requires_grad and doubled.device.type == "cpu" and not torch.compiler.is_compiling():
        doubled.register_hook(_dense)  # type: ignore[no-untyped-call]
    return doubled


def widen_depthwise(network: nn.Module) -> None:
    """See to it that depthwise convolutions whose bf16 gradients are slow compute in float32 where these are needed.

    Those are the ones of a stride or of more than 3×3 taps: backwards, oneDNN computes them 3 to 28 times as fast in
    float32. Without gradients, on other devices and outside autocast they are what they were.
    """
    for module in network.modules():
        if (
            isinstance(module, nn.Conv2d)
            and module.groups == module.in_channels > 1
            and (max(module.stride) > 1 or max(module.kernel_size) > _QUICK_KERNEL)
        ):
            module.__class__ = _widened(type(module))  # type: ignore[assignment]


class _Widened(nn.Module):
    """Put before a kind of convolution."""

    weight: nn.Parameter

    def forward(self, features: Tensor) -> Tensor:
        learned = torch.is_grad_enabled() and (features.requires_grad or self.weight.requires_grad)
        if not (learned and features.device.type == "cpu" and torch.is_autocast_enabled("cpu")):
            return self._convolve(features)
        with torch.autocast("cpu", enabled=False):
            return self._convolve(features.float()).to(torch.get_autocast_dtype("cpu"))

    def _convolve(self, features: Tensor) -> Tensor:
        result: Tensor = super().forward(features)
        return result


_WIDENED: dict[type[nn.Module], type[nn.Module]] = {}
"""By kind of convolution, the kind that it becomes."""


def _widened(kind: type[nn.Module]) -> type[nn.Module]:
    if issubclass(kind, _Widened):
        return kind
    if kind not in _WIDENED:
        _WIDENED[kind] = type(kind.__name__, (_Widened, kind), {})  # summaries show the name, which stays
    return _WIDENED[kind]


def _dense(gradient: Tensor) -> Tensor:
    is_last = gradient.stride(1) == 1
    return gradient.contiguous(memory_format=torch.channels_last if is_last else torch.contiguous_format)
