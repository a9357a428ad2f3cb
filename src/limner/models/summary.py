"""What a network consists of and costs, found without computing anything: layers, parameters, FLOPs, memory.

Layer: models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.multiprocessing.reductions import StorageWeakRef

from limner.types import Size

_UNITS = ("", "k", "M", "G", "T", "P")


@dataclass(frozen=True)
class Layer:
    """One module that computes something, in the order of computing.

    Attributes:
        name: Path inside the model, such as `encoder.0.first`.
        kind: Its class, such as `Conv2d`.
        shape: Of its output for one picture, the batch included.
        parameters: Its own.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Summary:
    """A network's layers and costs for one picture.

    Attributes:
        layers: In the order of computing.
        parameters: All.
        trainable: Those that training changes.
        flops: Floating-point operations of one forward pass; a multiplication and an addition are two.
            Training takes about three times as many.
        weight_bytes: Of parameters and buffers.
        activation_bytes: What one picture keeps in memory between the forward and the backward pass in
            training, in the weights' type (halve it for bfloat16). The optimiser, gradients and the
            convolutions' working memory come on top.
        size: Height and width of the picture.
    """

    layers: tuple[Layer, ...]
    parameters: int
    trainable: int
    flops: int
    weight_bytes: int
    activation_bytes: int
    size: Size

    def table(self, depth: int | None = 2) -> str:
        """The summary as plain text: one line per part, the totals below.

        Args:
            depth: Join layers whose names agree in their first `depth` parts; None shows all.

        Example:
            >>> from limner.models import UNet
            >>> print(summarize(UNet(1, 1, (8,)), 1, (16, 16)).table(depth=1))
            part        output           parameters
            encoder     1 × 8 × 16 × 16         680
            bottleneck  1 × 16 × 8 × 8        3,520
            decoder     1 × 8 × 16 × 16       2,280
            heads       1 × 1 × 16 × 16           9
            6,489 parameters, all trainable (26.5 kB)
            1.7 MFLOP and 106.0 kB of activations for a picture of 16×16
        """
        rows = [("part", "output", "parameters"), *_joined(self.layers, depth)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [f"{part:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}" for part, shape, count in rows]
        trainable = "all trainable" if self.trainable == self.parameters else f"{self.trainable:,} of them trainable"
        return "\n".join(
            [
                *lines,
                f"{self.parameters:,} parameters, {trainable} ({_bytes(self.weight_bytes)})",
                f"{_scaled(self.flops)}FLOP and {_bytes(self.activation_bytes)} of activations "
                f"for a picture of {self.size[0]}×{self.size[1]}",
            ]
        )


def summarize(model: nn.Module, in_channels: int, size: Size) -> Summary:
    """Layers and costs of `model` for one picture, in the mode it is in (training or evaluation).

    Nothing is computed and no weight is copied or changed: tensors without data take the way of the real
    ones, so that the largest network needs no memory.

    Args:
        model: Any network that takes `batch channels height width`.
        in_channels: Channels of the picture.
        size: Height and width in pixels, 1 or more.
    """
    from torch.utils.flop_counter import FlopCounterMode  # imports triton, which takes a while

    layers: list[Layer] = []
    weights = {name: _empty(value) for name, value in (*model.named_parameters(), *model.named_buffers())}
    kept = _Kept(weights.values())
    handles = [module.register_forward_hook(_note(name, layers)) for name, module in _computing(model)]
    try:
        with (
            torch.enable_grad(),
            FlopCounterMode(display=False) as counter,
            torch.autograd.graph.saved_tensors_hooks(kept.add, lambda tensor: tensor),
        ):
            # The result holds on to what is saved, so that no storage is counted twice.
            result = functional_call(model, weights, (torch.empty(1, in_channels, *size, device="meta"),))
    finally:
        for handle in handles:
            handle.remove()
    del result
    parameters = list(model.parameters())
    return Summary(
        layers=tuple(layers),
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        flops=counter.get_total_flops(),
        weight_bytes=sum(value.nbytes for value in weights.values()),
        activation_bytes=kept.bytes,
        size=size,
    )


class _Kept:
    """Counts the memory of tensors that autograd saves, each storage once, weights not at all."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self._weights = list(weights)
        self._seen = {_storage(weight) for weight in self._weights}
        self.bytes = 0

    def add(self, tensor: Tensor) -> Tensor:
        storage = _storage(tensor)
        if storage not in self._seen:
            self._seen.add(storage)
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor


def _storage(tensor: Tensor) -> StorageWeakRef:
    # Storages without data all have the address 0; this knows them apart.
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def _empty(value: Tensor) -> Tensor:
    return torch.empty_like(value, device="meta").requires_grad_(value.requires_grad)


def _computing(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Modules with weights of their own or without parts, but those that do nothing."""
    return [
        (name, module)
        for name, module in model.named_modules()
        if not isinstance(module, nn.Identity)
        and (not any(module.children()) or any(True for _ in module.parameters(recurse=False)))
    ]


def _note(name: str, layers: list[Layer]) -> Callable[[nn.Module, Any, Any], None]:
    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
            layers.append(Layer(name, type(module).__name__, tuple(output.shape), own))

    return note


def _joined(layers: Iterable[Layer], depth: int | None) -> list[tuple[str, str, str]]:
    parts: dict[str, Layer] = {}
    for layer in layers:
        name = ".".join(layer.name.split(".")[:depth])
        before = parts[name].parameters if name in parts else 0
        parts[name] = Layer(name, layer.kind, layer.shape, before + layer.parameters)
    return [(name, " × ".join(map(str, part.shape)), f"{part.parameters:,}") for name, part in parts.items()]


def _bytes(count: int) -> str:
    return f"{_scaled(count)}B"


def _scaled(count: int) -> str:
    """A number with one decimal and its unit: 1234 → '1.2 k'."""
    value, power = float(count), 0
    while value >= 1000 and power < len(_UNITS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.1f} {_UNITS[power]}" if power else f"{count} "
