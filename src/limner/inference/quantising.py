"""Graphs with their convolutions in 8 bits.

Layer: inference. Imports no torch, and ONNX Runtime only when it is asked for.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Shaped

from limner.inference.runtimes import INPUT, import_extra

Pixels: TypeAlias = Shaped[np.ndarray, "height width channels"]


def quantized(graph: bytes, examples: Iterable[Pixels]) -> bytes:
    """The graph with convolutions in int8: weights by channel, activations by their extremes on the examples.

    Args:
        graph: An ONNX graph that takes stored pixels.
        examples: Pictures as the network sees them.

    Raises:
        MissingExtra: ONNX Runtime, which does it, or onnx is not installed.
        Exception: Whatever ONNX Runtime raises where it cannot.
    """
    import_extra("onnx"), import_extra("onnxruntime")
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, shaped, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "shaped", "small"))
        plain.write_bytes(graph)
        quant_pre_process(str(plain), str(shaped), skip_symbolic_shape=True)
        quantize_static(
            str(shaped),
            str(small),
            _Examples(examples),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MaxPool", "Concat"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return _with_metadata(small, graph)


def _with_metadata(path: Path, original: bytes) -> bytes:
    onnx = import_extra("onnx")
    graph = onnx.load(str(path))
    del graph.metadata_props[:]
    graph.metadata_props.extend(onnx.load_from_string(original).metadata_props)
    return bytes(graph.SerializeToString())


class _Examples:
    """Examples one by one, in the way ONNX Runtime asks for them."""

    def __init__(self, examples: Iterable[Pixels]) -> None:
        self._examples: Iterator[Pixels] = iter(examples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        pixels = next(self._examples, None)
        return None if pixels is None else {INPUT: np.ascontiguousarray(pixels)[None]}

    def __iter__(self) -> _Examples:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        found = self.get_next()
        if found is None:
            raise StopIteration
        return found
