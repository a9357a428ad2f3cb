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
        flops: Floating-point operations for one picture; a multiplication and an addition are two.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    flops: int


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

    def stages(self) -> tuple[Layer, ...]:
        """The layers joined to the parts one would draw in a figure, in the order of computing.

        A part is a block of a list, such as `encoder.0`, or else what its layers are in, such as
        `bottleneck`; its shape is that of its last layer.
        """
        parts: dict[str, Layer] = {}
        for layer in self.layers:
            name = _stage(layer.name)
            if parts and name not in parts and not (layer.parameters or layer.flops):
                name = next(reversed(parts))  # an activation alone makes no part
            before = parts.get(name, Layer(name, "", (), 0, 0))
            parts[name] = Layer(
                name, layer.kind, layer.shape, before.parameters + layer.parameters, before.flops + layer.flops
            )
        return tuple(parts.values())

    def training_bytes(self, batch: int, *, precision: str = "float32", averaged: bool = False) -> int:
        """About what training takes: weights, gradients, two numbers per weight of Adam, and activations.

        Args:
            batch: Pictures per step.
            precision: Of the activations, `float32` or `bf16`; weights are float32.
            averaged: A moving average of the weights is kept too.
        """
        copies = 4 if averaged else 3
        activations = self.activation_bytes // (2 if precision == "bf16" else 1)
        return self.weight_bytes + copies * 4 * self.trainable + batch * activations

    def table(self) -> str:
        """The summary as plain text: one line per stage, the totals below.

        Example:
            >>> from limner.models import UNet
            >>> print(summarize(UNet(1, 1, (8,)), 1, (16, 16)).table())
            part        output       parameters  multiply-adds
            encoder.0   8 × 16 × 16         680        165.9 k
            bottleneck  16 × 8 × 8        3,520        221.2 k
            decoder.0   8 × 16 × 16       2,280        475.1 k
            heads.0     1 × 16 × 16           9          2.0 k
            6,489 parameters, all trainable (26.5 kB)
            1.7 MFLOP and 106.0 kB of activations for a picture of 16×16
        """
        rows = [("part", "output", "parameters", "multiply-adds")]
        rows += [
            (part.name, " × ".join(map(str, part.shape[1:])), f"{part.parameters:,}", _scaled(part.flops // 2).strip())
            for part in self.stages()
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{part:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}  {cost:>{widths[3]}}"
            for part, shape, count, cost in rows
        ]
        return "\n".join([*lines, *self.totals()])

    def totals(self) -> list[str]:
        """The last lines of the table."""
        trainable = "all trainable" if self.trainable == self.parameters else f"{self.trainable:,} of them trainable"
        return [
            f"{self.parameters:,} parameters, {trainable} ({_bytes(self.weight_bytes)})",
            f"{_scaled(self.flops)}FLOP and {_bytes(self.activation_bytes)} of activations "
            f"for a picture of {self.size[0]}×{self.size[1]}",
        ]


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
    counter = FlopCounterMode(display=False)
    handles = [
        module.register_forward_hook(_note(name, layers, counter.get_total_flops)) for name, module in _computing(model)
    ]
    try:
        with (
            torch.enable_grad(),
            counter,
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


def _note(name: str, layers: list[Layer], counted: Callable[[], int]) -> Callable[[nn.Module, Any, Any], None]:
    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
            # What was counted since the layer before; nothing that costs anything lies between layers.
            flops = counted() - sum(layer.flops for layer in layers)
            layers.append(Layer(name, type(module).__name__, tuple(output.shape), own, flops))

    return note


def _stage(name: str) -> str:
    """`encoder.0.first` → `encoder.0`, `bottleneck.first` → `bottleneck`, `stem` → `stem`."""
    parts = name.split(".")
    numbered = next((place for place, part in enumerate(parts) if part.isdigit()), None)
    return ".".join(parts[: max(1, len(parts) - 1) if numbered is None else numbered + 1])


def _bytes(count: int) -> str:
    return f"{_scaled(count)}B"


def _scaled(count: int) -> str:
    """A number with one decimal and its unit: 1234 → '1.2 k'."""
    value, power = float(count), 0
    while value >= 1000 and power < len(_UNITS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.1f} {_UNITS[power]}" if power else f"{count} "
