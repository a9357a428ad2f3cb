"""Networks as ONNX graphs, for engines other than torch, kept in Limner's cache folder.

Layer: inference.

A graph is known by its bundle's contents and by the versions of Limner and torch; so it is never stale.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from limner._version import __version__
from limner.bundle import Bundle, InputSpec, bundle_digest
from limner.data.cache import default_cache_dir
from limner.errors import OutputError
from limner.files import write_bytes
from limner.inference.numbers import normalise
from limner.inference.runtimes import INPUT, import_extra
from limner.models import members

_log = logging.getLogger(__name__)

OPSET = 18
"""Version of ONNX's operators, of 2022: ONNX Runtime 1.14, OpenVINO of 2023 and all later ones know it."""

_KEPT = 16
_FOLDER = "graphs"


class StoredToLogits(nn.Module):
    """A network with its normalisation: stored pixels in, a tuple of logits out.

    Args:
        model: Maps images to `{target: logits}`.
        inputs: How stored pixels become the network's numbers.
        targets: Names, in the order of the tuple.
    """

    def __init__(self, model: nn.Module, inputs: InputSpec, targets: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self._inputs = inputs
        self._targets = list(targets)

    def forward(
        self, pixels: Shaped[Tensor, "batch height width channels"]
    ) -> tuple[Float[Tensor, "batch _ height width"], ...]:
        """Logits, for sides that are multiples of the network's stride and, one of them, twice it or more."""
        logits = self.model(normalise(pixels, self._inputs))
        return tuple(logits[name] for name in self._targets)


def bundle_graphs(path: str | Path, bundle: Bundle) -> list[bytes]:
    """The graph of each member of a bundle: stored pixels to logits.

    Sides of a batch must be multiples of the stride and may not both be the stride itself.

    Args:
        path: The bundle.
        bundle: The same, loaded.

    Raises:
        MissingExtra: onnx is not installed.
        Exception: Whatever torch raises where it cannot write a network as a graph.
    """
    folder = default_cache_dir() / _FOLDER
    key = _key(path)
    graphs = []
    for number, member in enumerate(members(bundle.model)):
        file = folder / f"{key}-{number}.onnx"
        kept = _kept(file)
        if kept is None:
            whole = StoredToLogits(member, bundle.meta.inputs, list(bundle.meta.targets))
            kept = write_graph(whole, bundle.meta.inputs, list(bundle.meta.targets), side=4 * int(str(member.stride)))
            _keep(file, kept)
        graphs.append(kept)
    return graphs


def int8_graphs(path: str | Path, bundle: Bundle, engine: str) -> tuple[list[bytes], dict[str, Any]] | None:
    """The graphs of `bundle_graphs` in int8, and what was measured of them; None where they were not made here.

    Args:
        path: The bundle.
        bundle: The same, loaded.
        engine: With which it was measured: programs differ in how they compute it.
    """
    folder, key = default_cache_dir() / _FOLDER, _key(path)
    record = _kept(folder / f"{key}-int8-{engine}.json")
    graphs = [_kept(folder / f"{key}-{number}-int8.onnx") for number in range(len(members(bundle.model)))]
    whole = [graph for graph in graphs if graph is not None]
    return (whole, json.loads(record)) if record is not None and len(whole) == len(graphs) else None


def keep_int8_graphs(path: str | Path, graphs: Sequence[bytes], engine: str, measured: Mapping[str, Any]) -> None:
    """Keep the graphs of a bundle in int8, and what was measured of them with an engine, as JSON has it."""
    folder, key = default_cache_dir() / _FOLDER, _key(path)
    for number, graph in enumerate(graphs):
        _keep(folder / f"{key}-{number}-int8.onnx", graph)
    _keep(folder / f"{key}-int8-{engine}.json", json.dumps(measured).encode())


def write_graph(
    module: nn.Module,
    inputs: InputSpec,
    outputs: Sequence[str],
    *,
    side: int,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """A module that maps stored pixels to a tuple of planes, as an ONNX graph for any batch, height and width.

    Args:
        module: What is written, as it computes when it is evaluated.
        inputs: What the pixels are.
        outputs: Names, in the order of the tuple.
        side: Of the example that is followed through the module.
        metadata: What else is to stand in the file.

    Raises:
        MissingExtra: onnx is not installed.
        Exception: Whatever torch raises where it cannot.
    """
    onnx = import_extra("onnx")
    file: Any = io.BytesIO()  # the exporter takes it, and its annotation does not say so
    with traced(module):
        torch.onnx.export(
            module,
            (example_pixels(inputs, side),),
            file,
            dynamo=False,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_axes={
                INPUT: {0: "batch", 1: "height", 2: "width"},
                **{name: {0: "batch", 2: "height", 3: "width"} for name in outputs},
            },
            opset_version=OPSET,
        )
    graph = onnx.load_from_string(file.getvalue())
    if inputs.dtype == "uint16":
        # torch computes little with uint16, so the example was int32; the cast that follows takes either.
        graph.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT16
    for name, text in (metadata or {}).items():
        graph.metadata_props.add(key=name, value=text)
    onnx.checker.check_model(graph)
    return bytes(graph.SerializeToString())


def example_pixels(inputs: InputSpec, side: int) -> Shaped[Tensor, "2 height width channels"]:
    """Pixels to be followed through a module. Of unequal sides, so that none is taken for another."""
    dtype = {"uint8": torch.uint8, "uint16": torch.int32, "float32": torch.float32}[inputs.dtype]
    return torch.zeros((2, side, side + side // 4, inputs.channels), dtype=dtype)


@contextlib.contextmanager
def traced(module: nn.Module) -> Iterator[None]:
    """Evaluation without gradients, and without torch's warnings about what is meant here.

    They say that Python's decisions about sizes are not recorded, and that this exporter is the older one.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module.eval()
        yield


def _key(path: str | Path) -> str:
    known = f"{bundle_digest(path)} {__version__} {torch.__version__} {OPSET}"
    return hashlib.sha256(known.encode()).hexdigest()[:32]


def _kept(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _keep(file: Path, graph: bytes) -> None:
    """Write a graph, and throw away those that were made longest ago."""
    try:
        write_bytes(file, graph)
        others = sorted(file.parent.glob(f"*{file.suffix}"), key=lambda path: path.stat().st_mtime)
        for path in others[:-_KEPT]:
            path.unlink(missing_ok=True)
    except (OSError, OutputError) as error:
        _log.warning("The graph of the network cannot be kept for the next time: %s", error)
