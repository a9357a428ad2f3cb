"""Batch norms whose statistics are those of the whole batch, of which other processes have parts.

Layer: training.
"""

from __future__ import annotations

import torch
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn

from limner.training.distributed import ranks


def share_statistics(model: nn.Module, device: str) -> nn.Module:
    """The network, its batch norms computing mean and variance over the parts of all processes.

    On CUDA by PyTorch's kernels, which exist for it alone; elsewhere by the formulas below, to the same numbers.

    Args:
        model: Network; its batch norms are replaced.
        device: Where it will train.
    """
    if device == "cuda":
        converted: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return converted
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm
        elif type(module) is BatchNormAct2d:
            module.__class__ = SharedBatchNormAct
    return model


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the parts of all processes."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name
        """As batch norm; while it learns with the statistics of all."""
        return normalize(self, input) if self.training and ranks().shared else super().forward(input)


class SharedBatchNormAct(BatchNormAct2d):
    """timm's batch norm with the activation after it, likewise."""

    def forward(self, x: Tensor) -> Tensor:
        """As batch norm and activation."""
        shared = self.training and ranks().shared
        result: Tensor = (
            self.act(self.drop(normalize(self, x))) if shared else super().forward(x)  # type: ignore[no-untyped-call]
        )
        return result


def normalize(norm: nn.BatchNorm2d, images: Tensor) -> Tensor:
    """Normalise by mean and variance over all processes' samples, and move the running statistics towards them.

    Ioffe and Szegedy 2015, "Batch Normalization" (arXiv 1502.03167), algorithm 1.
    """
    with torch.autocast(images.device.type, enabled=False):
        values = images.float()
        own = values.new_tensor([values.shape[0] * values.shape[2] * values.shape[3]])
        sums = ranks().total_statistics(torch.cat([values.sum((0, 2, 3)), own]))
        number = sums[-1].detach()
        mean = sums[:-1] / number
        centred = values - mean[:, None, None]
        # In a second pass: the difference of two sums of squares loses its digits.
        variance = ranks().total_statistics(centred.square().sum((0, 2, 3))) / number
        scale = (variance + norm.eps).rsqrt() * (1.0 if norm.weight is None else norm.weight)
        result = centred * scale[:, None, None]
        if norm.bias is not None:
            result = result + norm.bias[:, None, None]
    _follow(norm, mean.detach(), variance.detach() * number / (number - 1).clamp(min=1))
    return result.to(images.dtype)


@torch.no_grad()
def _follow(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    step = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), step)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), step)
