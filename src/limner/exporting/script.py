"""TorchScript files: written, read and run.

Layer: exporting. torch calls TorchScript deprecated; it is what its C++ library and mobile programs still load.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from limner.bundle import parse_meta
from limner.errors import BundleError, first_line
from limner.exporting.reader import DESCRIPTION, EXPORT, PROOF
from limner.inference.runtimes import OutOfMemory, Planes

_JIT: Any = torch.jit  # its functions have no annotations


class TorchScript:
    """A TorchScript file, ready to run on the CPU.

    Args:
        path: The file.

    Attributes:
        metadata: What stands in the file besides the graph.

    Raises:
        BundleError: It has no description.
    """

    def __init__(self, path: Path) -> None:
        self._module, self.metadata = read_script(path)
        if DESCRIPTION not in self.metadata:
            raise BundleError(
                f"'{path}' is a model that limner export wrote",
                "TorchScript without Limner's description",
                "Export the model with limner export.",
            )
        self._outputs = list(parse_meta(self.metadata[DESCRIPTION], path).targets)

    def run(self, pixels: Shaped[np.ndarray, "batch height width channels"]) -> Planes:
        """Answers by target.

        Raises:
            OutOfMemory: The batch is too large.
        """
        # torch computes little with uint16; int32 holds the same numbers.
        given = pixels.astype(np.int32) if pixels.dtype == np.uint16 else np.ascontiguousarray(pixels)
        try:
            with torch.inference_mode():
                found = self._module(torch.from_numpy(given))
        except RuntimeError as error:
            if "memory" in str(error).lower():
                raise OutOfMemory(first_line(error)) from error
            raise
        return {name: planes.numpy() for name, planes in zip(self._outputs, found, strict=True)}


def write_script(path: Path, module: nn.Module, example: Tensor, about: Mapping[str, str]) -> None:
    """Record what a module does with an example, and write it.

    Args:
        path: The file.
        module: In evaluation mode.
        example: Its input.
        about: What else is to stand in the file.
    """
    with _quiet(), torch.no_grad():
        recorded = _JIT.trace(module, (example,), check_trace=False)
        _JIT.save(recorded, str(path), _extra_files=dict(about))


def read_script(path: Path) -> tuple[Any, dict[str, str]]:
    """A recorded module, and what else stands in the file."""
    texts: dict[str, Any] = dict.fromkeys((DESCRIPTION, EXPORT, PROOF), "")
    with _quiet():
        module = _JIT.load(str(path), map_location="cpu", _extra_files=texts)
    return module, {name: text.decode() if isinstance(text, bytes) else text for name, text in texts.items() if text}


def describe_script(path: Path, about: Mapping[str, str]) -> None:
    """Put more into a file, beside what stands there."""
    module, texts = read_script(path)
    with _quiet():
        _JIT.save(module, str(path), _extra_files={**texts, **about})


def _quiet() -> warnings.catch_warnings[None]:
    return warnings.catch_warnings(action="ignore")
