"""The programs that run graphs: ONNX Runtime and OpenVINO.

Layer: inference. Imports no torch, and the programs themselves only when they are asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float32, Shaped

from limner.errors import MissingExtra, first_line, install_line

_FOR = {
    "onnx": "writes graphs",
    "onnxruntime": "runs ONNX files",
    "openvino": "runs networks fast on CPUs",
}


INPUT = "pixels"
"""Name of a graph's input."""

Planes: TypeAlias = dict[str, Float32[np.ndarray, "batch _ height width"]]
"""What a graph gives, by the names of its outputs."""


class OutOfMemory(Exception):  # noqa: N818 - caught by whoever made the batch, never seen by a user
    """A batch did not fit; a smaller one may."""


@runtime_checkable
class Runtime(Protocol):
    """A graph, ready to run on the CPU."""

    def run(self, pixels: Shaped[np.ndarray, "batch height width channels"]) -> Planes:
        """The graph's outputs by name.

        Raises:
            OutOfMemory: The batch is too large.
        """


class OnnxRuntime:
    """A graph in ONNX Runtime, in float32.

    Args:
        graph: An ONNX file, or its bytes.
        threads: Most threads; 0 is as many as there are cores.

    Raises:
        MissingExtra: It is not installed.
    """

    def __init__(self, graph: bytes | Path, *, threads: int = 0) -> None:
        package = import_extra("onnxruntime")
        options = package.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = package.InferenceSession(
            graph if isinstance(graph, bytes) else str(graph), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, pixels: Shaped[np.ndarray, "batch height width channels"]) -> Planes:
        """The graph's outputs by name.

        Raises:
            OutOfMemory: The batch is too large.
        """
        try:
            found = self._session.run(self._outputs, {self._input: np.ascontiguousarray(pixels)})
        except Exception as error:
            raise _memory_error(error) from error
        return dict(zip(self._outputs, found, strict=True))

    @property
    def metadata(self) -> dict[str, str]:
        """What stands in the file besides the graph."""
        return dict(self._session.get_modelmeta().custom_metadata_map)


class OpenVino:
    """A graph in OpenVINO.

    Args:
        graph: An ONNX or OpenVINO file, or the bytes of an ONNX file.
        threads: Most threads; 0 is as many as there are cores.
        precision: `bf16`, which machines without it in hardware compute in float32, or `float32`.

    Raises:
        MissingExtra: It is not installed.
    """

    def __init__(self, graph: bytes | Path, *, threads: int = 0, precision: str = "float32") -> None:
        package = import_extra("openvino")
        core = package.Core()
        self._model = core.read_model(graph if isinstance(graph, bytes) else str(graph))
        # Names, because the graph's order of outputs need not survive.
        self._outputs = [output.get_any_name() for output in self._model.outputs]
        hint = "bf16" if precision == "bf16" else "f32"
        settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
        self._compiled = core.compile_model(self._model, "CPU", settings)

    def run(self, pixels: Shaped[np.ndarray, "batch height width channels"]) -> Planes:
        """The graph's outputs by name.

        Raises:
            OutOfMemory: The batch is too large.
        """
        try:
            found = self._compiled(np.ascontiguousarray(pixels))
        except Exception as error:
            raise _memory_error(error) from error
        return {name: found[place] for place, name in enumerate(self._outputs)}

    @property
    def metadata(self) -> dict[str, str]:
        """What stands in the file besides the graph."""
        return {name: str(info.value) for name, info in self._model.get_rt_info().items() if name.startswith("limner")}


def import_extra(package: str) -> Any:
    """A package of the extra `export`: onnx, onnxruntime or openvino.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtra(
            f"the package that {_FOR[package]}, {package}, is installed",
            str(error),
            install_line("export"),
        ) from error


def is_installed(package: str) -> bool:
    """Whether a package is there, without importing it."""
    return importlib.util.find_spec(package) is not None


def _memory_error(error: Exception) -> Exception:
    """`OutOfMemory` where that is what the error says, in one of many ways; else the error itself."""
    text = str(error).lower()
    known = isinstance(error, MemoryError) or any(
        words in text for words in ("bad allocation", "bad_alloc", "failed to allocate", "out of memory")
    )
    return OutOfMemory(first_line(error)) if known else error
