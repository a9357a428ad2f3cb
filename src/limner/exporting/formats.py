"""A model as a file: ONNX, OpenVINO or TorchScript, in float32, bf16 or int8.

Layer: exporting.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from limner.bundle import Bundle
from limner.errors import ConfigError, first_line
from limner.exporting.reader import SUFFIXES
from limner.exporting.script import describe_script, write_script
from limner.exporting.whole import StoredToAnswers
from limner.inference.graphs import example_pixels, write_graph
from limner.inference.quantising import Pixels, quantized
from limner.inference.runtimes import import_extra

FORMATS = tuple(SUFFIXES.values())
PRECISIONS = ("float32", "bf16", "int8")


def check_format(to: str, precision: str) -> None:
    """Refuse what cannot be written, before any work.

    Raises:
        ConfigError: The format is unknown, or has no such precision.
        MissingExtra: A package that writes it is not installed.
    """
    if to not in FORMATS:
        raise ConfigError(f"a format: {', '.join(FORMATS)}", f"--to {to}", "Choose one of them.")
    if precision not in PRECISIONS:
        raise ConfigError(f"a precision: {', '.join(PRECISIONS)}", f"'{precision}'", "Choose one of them.")
    if to == "onnx" and precision == "bf16":
        raise ConfigError(
            "a format whose programs compute convolutions in bf16",
            "--to onnx --bf16: ONNX Runtime does not on a CPU",
            "Use --to openvino --bf16 or --to torchscript --bf16, or --to onnx --int8, which is faster than both.",
        )
    if to == "torchscript" and precision == "int8":
        raise ConfigError(
            "a format that can be calibrated for int8", "--to torchscript --int8", "Use --to onnx or --to openvino."
        )
    needed = {"onnx": ["onnx", "onnxruntime"], "openvino": ["onnx", "openvino"], "torchscript": []}[to]
    for package in [*needed, *(["onnxruntime"] if precision == "int8" else [])]:
        import_extra(package)


def write_model(
    path: Path, bundle: Bundle, *, to: str, precision: str, about: Mapping[str, str], examples: Iterable[Pixels] = ()
) -> None:
    """Write a model; OpenVINO's weights go into a second file, `.bin`.

    Args:
        path: The file; its folder is there.
        bundle: The model.
        to: One of `FORMATS`.
        precision: One of `PRECISIONS`.
        about: What else is to stand in the file.
        examples: Pictures as the network sees them, to calibrate int8 on.

    Raises:
        ConfigError: The network cannot be written in this format.
    """
    module = StoredToAnswers(bundle, precision=precision if to == "torchscript" else "float32")
    try:
        if to == "torchscript":
            write_script(path, module.eval(), example_pixels(bundle.meta.inputs, 4 * module.stride), about)
            return
        inputs, outputs = bundle.meta.inputs, list(bundle.meta.targets)
        graph = write_graph(module, inputs, outputs, side=4 * module.stride, metadata=about)
        if precision == "int8":
            graph = quantized(graph, examples)
        if to == "onnx":
            path.write_bytes(graph)
        else:
            _write_openvino(path, graph, about)
    except OSError:
        raise
    except Exception as error:  # exporters raise errors of every kind
        raise ConfigError(
            f"this network can be written as {to}",
            first_line(error),
            "Choose another format.",
        ) from error


def describe_file(path: Path, to: str, about: Mapping[str, str]) -> None:
    """Put more into a written file, beside what stands there."""
    if to == "onnx":
        onnx = import_extra("onnx")
        graph = onnx.load(str(path))
        for name, text in about.items():
            graph.metadata_props.add(key=name, value=text)
        path.write_bytes(graph.SerializeToString())
    elif to == "openvino":
        model = import_extra("openvino").Core().read_model(str(path))
        # The weights are read as they are needed, so they cannot be replaced under the model.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            _save_openvino(Path(folder) / path.name, model, about)
            del model
            for file in Path(folder).iterdir():
                file.replace(path.parent / file.name)
    else:
        describe_script(path, about)


def _write_openvino(path: Path, graph: bytes, about: Mapping[str, str]) -> None:
    _save_openvino(path, import_extra("openvino").Core().read_model(graph), about)


def _save_openvino(path: Path, model: Any, about: Mapping[str, str]) -> None:
    for name, text in about.items():
        model.set_rt_info(text, name)
    import_extra("openvino").save_model(model, str(path), compress_to_fp16=False)
