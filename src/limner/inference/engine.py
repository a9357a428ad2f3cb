"""One batch through the network.

Layer: inference. The seam between the predictor, which knows batches and tiles, and what computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Shaped
from torch import Tensor, nn

from limner.bundle import InputSpec
from limner.errors import first_line
from limner.inference.hardware import choose_device, choose_precision
from limner.inference.numbers import to_images
from limner.inference.runtimes import OutOfMemory


@runtime_checkable
class Engine(Protocol):
    """What runs a network."""

    stride: int
    """Sides of a batch are multiples of it."""

    @property
    def device(self) -> torch.device:
        """Where the logits lie."""

    @property
    def drops(self) -> bool:
        """Whether the network has parts that drop features while it is trained."""

    def logits(
        self, pixels: Shaped[np.ndarray, "batch height width channels"], *, dropout: int | None = None
    ) -> dict[str, Float32[Tensor, "batch _ height width"]]:
        """Logits of every target.

        Args:
            pixels: Stored numbers.
            dropout: Seed with which features are dropped as in training; None drops none.

        Raises:
            OutOfMemory: The batch is too large for the device.
        """


class TorchEngine:
    """Runs any module that maps images to `{target: logits}` and has a `stride`.

    The module may be one that is being trained: it is evaluated without gradients, and each of its
    parts is put back into the mode it was in.

    Args:
        model: The network. It is moved only when `device` is named.
        inputs: How stored pixels become the network's numbers.
        device: A name from `limner.inference.hardware`; `auto` is where the model is.
        precision: `auto`, `bf16` or `float32`.
    """

    def __init__(self, model: nn.Module, inputs: InputSpec, *, device: str = "auto", precision: str = "auto") -> None:
        self._model = model if device == "auto" else model.to(choose_device(device))
        self._inputs = inputs
        self._bf16 = choose_precision(precision, self.device) == "bf16"
        self._format = _memory_format(model)
        stride: Any = model.stride
        self.stride = int(stride)

    @property
    def device(self) -> torch.device:
        """Where the model is now: whoever trains it may move it."""
        parameter = next(self._model.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    @property
    def precision(self) -> str:
        """`bf16` or `float32`."""
        return "bf16" if self._bf16 else "float32"

    def logits(
        self, pixels: Shaped[np.ndarray, "batch height width channels"], *, dropout: int | None = None
    ) -> dict[str, Float32[Tensor, "batch _ height width"]]:
        """Logits of every target, on `device`.

        Raises:
            OutOfMemory: The batch is too large for the device.
        """
        device = self.device
        autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bf16)
        with (
            memory_errors(device),
            evaluating(self._model),
            _dropping(self._model, dropout, device),
            torch.inference_mode(),
            autocast,
        ):
            images = to_images(pixels, self._inputs, device).contiguous(memory_format=self._format)
            return {name: logits.float() for name, logits in self._model(images).items()}

    @property
    def drops(self) -> bool:
        """Whether the network has parts that drop features."""
        return any(_drops(part) for part in self._model.modules())


def prepare_weights(model: nn.Module, precision: str) -> nn.Module:
    """Lay out weights, in place, as the convolutions want them, so that not every batch does it again.

    The results are the same. For a model that only predicts: bf16 weights can no longer be trained.

    Args:
        model: The network.
        precision: `bf16` or `float32`.
    """
    for part in model.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            part.to(torch.bfloat16 if precision == "bf16" else torch.float32)
            part.to(memory_format=_memory_format(model))
    return model


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; afterwards each part is in the mode it was in before."""
    training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


@contextmanager
def _dropping(model: nn.Module, seed: int | None, device: torch.device) -> Iterator[None]:
    """Features are dropped as in training, the same ones for a seed; the caller's random numbers are left alone."""
    if seed is None:
        yield
        return
    dropping = [part for part in model.modules() if _drops(part)]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for part in dropping:
            part.training = True
        try:
            yield
        finally:
            for part in dropping:
                part.training = False


def _drops(part: nn.Module) -> bool:
    return isinstance(part, (nn.Dropout, nn.Dropout2d)) and part.p > 0


@contextmanager
def memory_errors(device: torch.device) -> Iterator[None]:
    """Turn the many ways of running out of memory into `OutOfMemory`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # Devices raise OutOfMemoryError; the CPU's allocator a RuntimeError known by its text alone.
        known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not known and not any(text in str(error).lower() for text in ("out of memory", "not enough memory")):
            raise
        message = first_line(error)
    else:
        return
    # Outside of the handler, where the failed call's tensors are no longer held by its traceback.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    raise OutOfMemory(message)


def _memory_format(model: nn.Module) -> torch.memory_format:
    # Batch norm is faster channels-last; instance norm is faster the other way.
    instance = any(isinstance(part, nn.InstanceNorm2d) for part in model.modules())
    return torch.contiguous_format if instance else torch.channels_last
