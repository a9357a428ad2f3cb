"""A model in int8: calibrated on training pictures once, measured on validation pictures, kept in the cache.

Layer: workflow, beside `predict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from limner.bundle import load_bundle
from limner.errors import ConfigError, LimnerError, first_line
from limner.exporting.proof import DICE_LIMIT, ProofError, prove
from limner.inference.engines import choose_engine, int8_engines
from limner.inference.graphs import bundle_graphs, int8_graphs, keep_int8_graphs
from limner.inference.predictor import Predictor
from limner.inference.quantising import quantized
from limner.types import Progress, no_progress
from limner.workflow.export import PROOF_PICTURES, calibration_pictures, chosen_samples, proof_samples
from limner.workflow.places import find_run


def prepare_int8(path: Path, *, engine: str | None = None, progress: Progress = no_progress) -> dict[str, Any]:
    """Make a bundle's networks ready to be run in int8, and say what was measured; what was made once is kept.

    Convolutions are calibrated on up to 100 training pictures. Up to 20 validation pictures are then predicted in
    int8 and in the model's own precision.

    Args:
        path: The bundle, in its run folder unless it was made before.
        engine: What runs it: `onnxruntime`, `openvino`, or the faster one.
        progress: Told of the progress.

    Returns:
        `Proof.to_dict`.

    Raises:
        ProofError: It loses as much Dice as `limner.exporting.proof.DICE_LIMIT`, or more.
        ConfigError: There are no training pictures; ONNX Runtime cannot put the network into int8.
        MissingExtra: A package of the extra `export` is not installed.
    """
    if engine == "torch":
        raise ConfigError(
            "an engine that computes in int8: onnxruntime or openvino", "torch", "Use --engine auto, or leave it out."
        )
    bundle = load_bundle(path)
    name = choose_engine(engine or "auto", torch.device("cpu"), "int8")
    kept = int8_graphs(path, bundle, name)
    if kept is not None:
        _check(path, kept[1])
        return kept[1]
    if find_run(path) is None:
        raise ConfigError(
            f"training pictures to calibrate '{path}' for int8",
            "it does not lie in a run folder",
            "Name the run folder; or use limner export --int8 there, and predict with the file it writes.",
        )
    catalog, label_maps, source = proof_samples(path, None)
    try:
        graphs = [
            quantized(graph, calibration_pictures(path, catalog, bundle, progress))
            for graph in bundle_graphs(path, bundle)
        ]
    except LimnerError:
        raise
    except Exception as error:  # exporters raise errors of every kind
        raise ConfigError(
            f"the network of '{path}' can be put into int8",
            first_line(error),
            "Use another precision.",
        ) from error
    proof = prove(
        Predictor.from_file(path, device="cpu"),
        Predictor(bundle.model, bundle.meta, engines=int8_engines(bundle, graphs, name), engine_name=name),
        chosen_samples(catalog, "val", PROOF_PICTURES),
        label_maps,
        source=source,
        precision="int8",
        computed="int8",
        progress=progress,
    )
    measured = {**proof.to_dict(), "problems": proof.problems()}
    keep_int8_graphs(path, graphs, name, measured)
    _check(path, measured)
    return measured


def _check(path: Path, measured: Mapping[str, Any]) -> None:
    """Refuse what is too different, also the next time."""
    if measured["problems"]:
        raise ProofError(
            f"'{path}' in int8 loses less than {DICE_LIMIT:g} of Dice",
            "it differs by more than is allowed",
            "Use --precision auto, or --engine auto, which takes the fastest engine in the model's own precision.",
            details=list(measured["problems"]),
        )
