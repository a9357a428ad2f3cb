"""Which engine runs a bundle's networks, and the engines other than torch.

Layer: inference.

Of the engines, measured on the three networks (see `benchmarks/predict.md`, `benchmarks/engines.md`), OpenVINO is the
fastest on a CPU; torch in bf16, where the CPU computes it in hardware, is faster than ONNX Runtime in float32; and that
is faster than torch in float32. On a GPU it is torch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Shaped
from torch import Tensor

from limner.bundle import Bundle
from limner.errors import ConfigError, LimnerError, did_you_mean, first_line
from limner.inference.engine import Engine, TorchEngine, prepare_weights
from limner.inference.graphs import bundle_graphs, int8_graphs
from limner.inference.runtimes import OnnxRuntime, OpenVino, Planes, Runtime, is_installed
from limner.models import members

_log = logging.getLogger(__name__)

ENGINES = ("auto", "torch", "onnxruntime", "openvino")

Run: TypeAlias = Callable[[Shaped[np.ndarray, "batch height width channels"]], Planes]
"""Computes a batch."""

# A graph may differ from its network by so much of the largest logit, and by no more.
_TOLERANCE = 1e-3


class GraphEngine:
    """Runs one network that was written as a graph, on the CPU.

    Args:
        run: Maps stored pixels to logits, whose memory is nobody else's.
        stride: Of the network.
    """

    drops = False
    device = torch.device("cpu")

    def __init__(self, run: Run, stride: int) -> None:
        self._run = run
        self.stride = stride

    def logits(
        self, pixels: Shaped[np.ndarray, "batch height width channels"], *, dropout: int | None = None
    ) -> dict[str, Float32[Tensor, "batch _ height width"]]:
        """Logits of every target.

        Raises:
            OutOfMemory: The batch is too large.
        """
        assert dropout is None
        return {name: torch.from_numpy(logits) for name, logits in self._run(pixels).items()}


def choose_engine(asked: str, device: torch.device, precision: str) -> str:
    """The engine for a name in `ENGINES`; `auto` is the fastest one that is installed.

    Args:
        asked: The name.
        device: On which to compute.
        precision: `bf16`, `float32` or `int8`.

    Raises:
        ConfigError: The name is unknown, or the engine does not compute on this device.
    """
    if asked not in ENGINES:
        raise ConfigError(
            f"engine is one of {', '.join(ENGINES)}", f"'{asked}'", f"{did_you_mean(asked, ENGINES)}Use --engine auto."
        )
    if asked not in ("auto", "torch") and device.type != "cpu":
        raise ConfigError(
            f"the device cpu, on which the engine '{asked}' computes",
            f"the device '{device}'",
            "Use --device cpu, or --engine torch.",
        )
    if asked != "auto":
        return asked
    if precision == "int8" and device.type == "cpu":
        return "openvino" if is_installed("openvino") else "onnxruntime"
    if device.type != "cpu" or not is_installed("onnx"):
        return "torch"
    if is_installed("openvino"):
        return "openvino"
    return "onnxruntime" if precision == "float32" and is_installed("onnxruntime") else "torch"


def bundle_engines(
    path: str | Path, bundle: Bundle, *, engine: str, device: torch.device, precision: str, dropout: bool = False
) -> tuple[str, list[Engine]]:
    """Engines for the networks of a bundle, and the name of what they are.

    With `auto`, an engine that cannot run a network is replaced by torch, and this is logged.

    Args:
        path: The bundle.
        bundle: The same, loaded; its weights are laid out anew.
        engine: One of `ENGINES`.
        device: On which to compute.
        precision: `bf16`, `float32` or `int8`; ONNX Runtime computes in float32 where it is bf16.
        dropout: Whether networks are to drop features, which torch alone does.

    Raises:
        ConfigError: See `choose_engine`; an engine was named that cannot do what is wanted.
        MissingExtra: An engine was named that is not installed.
    """
    chosen = choose_engine(engine, device, precision)
    if precision == "int8":
        return chosen, _int8_engines(path, bundle, chosen, dropout=dropout)
    if dropout and engine not in ("auto", "torch"):
        raise ConfigError(
            "--engine torch for --uncertainty dropout: no other engine drops features",
            f"--engine {engine}",
            "Leave --engine out, or use --uncertainty tta.",
        )
    if chosen != "torch" and not dropout:
        try:
            return chosen, _graph_engines(path, bundle, chosen, precision)
        except LimnerError:
            if engine != "auto":
                raise
            problem = "a package is missing"
        except Exception as error:  # exporters and runtimes raise errors of every kind
            problem = first_line(error)
            if engine != "auto":
                raise ConfigError(
                    f"the engine {chosen} can run the network of '{path}'",
                    problem,
                    "Use --engine torch, which runs every network.",
                ) from error
        _log.warning("The engine %s cannot run this network (%s); torch does.", chosen, problem)
    model = prepare_weights(bundle.model, precision)
    return "torch", [
        TorchEngine(member, bundle.meta.inputs, device=str(device), precision=precision) for member in members(model)
    ]


def _graph_engines(path: str | Path, bundle: Bundle, name: str, precision: str) -> list[Engine]:
    engines: list[Engine] = []
    for member, graph in zip(members(bundle.model), bundle_graphs(path, bundle), strict=True):
        exact = TorchEngine(member, bundle.meta.inputs, device="cpu", precision="float32")
        _check_same(_graph_engine(_load(name, graph, "float32"), exact.stride), exact, bundle)
        engines.append(_graph_engine(_load(name, graph, precision), exact.stride))
    return engines


def _int8_engines(path: str | Path, bundle: Bundle, name: str, *, dropout: bool) -> list[Engine]:
    if name == "torch" or dropout:
        raise ConfigError(
            "an engine that computes in int8: onnxruntime or openvino",
            "--uncertainty dropout, which torch alone does" if dropout else "torch",
            "Use another precision." if dropout else "Use --engine auto --device cpu, or another precision.",
        )
    kept = int8_graphs(path, bundle, name)
    if kept is None or kept[1]["problems"]:
        raise ConfigError(
            f"'{path}' in int8, calibrated on its training pictures and good enough on others",
            "it was not made on this machine yet" if kept is None else kept[1]["problems"][0],
            "Type limner predict RUN … --precision int8 with its run folder, which makes it, or use another precision.",
        )
    return int8_engines(bundle, kept[0], name)


def int8_engines(bundle: Bundle, graphs: Sequence[bytes], name: str) -> list[Engine]:
    """Engines for the networks of a bundle, from their graphs in int8.

    Args:
        bundle: The networks.
        graphs: Of its members.
        name: `onnxruntime` or `openvino`.
    """
    pairs = zip(members(bundle.model), graphs, strict=True)
    # What is not in int8 is in bf16 where the CPU has it, as exported files are read.
    return [_graph_engine(_load(name, graph, "bf16"), int(str(member.stride))) for member, graph in pairs]


def _graph_engine(runtime: Runtime, stride: int) -> Engine:
    return GraphEngine(partial(_run_graph, runtime, stride), stride)


def _run_graph(runtime: Runtime, stride: int, pixels: Shaped[np.ndarray, "batch height width channels"]) -> Planes:
    width = pixels.shape[2]
    if max(pixels.shape[1:3]) <= stride:
        # Networks add a second cell to a single one; a graph does not know when.
        pixels = np.pad(pixels, ((0, 0), (0, 0), (0, stride), (0, 0)), mode="edge")
    return {name: np.array(logits[..., :width]) for name, logits in runtime.run(pixels).items()}


def _load(name: str, graph: bytes, precision: str) -> Runtime:
    threads = torch.get_num_threads()
    if name == "onnxruntime":
        return OnnxRuntime(graph, threads=threads)
    return OpenVino(graph, threads=threads, precision=precision)


def _check_same(engine: Engine, exact: Engine, bundle: Bundle) -> None:
    """Refuse a graph that does not compute what its network does, on noise of a size it was not made from."""
    inputs = bundle.meta.inputs
    noise = np.random.default_rng(0).uniform(
        inputs.low, inputs.high, (1, 3 * exact.stride, 2 * exact.stride, inputs.channels)
    )
    pixels = noise.astype(inputs.dtype)
    found, wanted = engine.logits(pixels), exact.logits(pixels)
    for name in bundle.meta.targets:
        difference = float((found[name] - wanted[name]).abs().max() / wanted[name].abs().max().clamp_min(1))
        if not difference < _TOLERANCE:
            raise ValueError(f"its logits of '{name}' differ by {difference:.1%} from those of torch")
