"""An exported file as an engine of the predictor: the same tiles, views, doubts and outputs as of a bundle.

Layer: exporting.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped
from torch import nn

from limner.exporting.answers import to_logits
from limner.exporting.reader import ExportedModel
from limner.inference.engines import GraphEngine
from limner.inference.predictor import Predictor
from limner.inference.runtimes import Planes

_RUN_BY = {"onnx": "onnxruntime", "openvino": "openvino", "torchscript": "torch"}


def file_predictor(
    path: str | Path, *, batch_size: int | None = None, uncertainty: str = "single", tta: str = "none"
) -> Predictor:
    """A predictor that runs a file `export` wrote.

    Args:
        path: `.onnx`, `.xml` or `.pt`.
        batch_size: See `Predictor`.
        uncertainty: See `Predictor`.
        tta: See `Predictor`.

    Raises:
        BundleError: It is missing, damaged, or not written by Limner.
        ConfigError: As `Predictor`.
        MissingExtra: The program that runs it is not installed.
    """
    exported = ExportedModel.from_file(path, threads=torch.get_num_threads())
    return Predictor(
        nn.Module(),
        exported.meta,
        batch_size=batch_size,
        uncertainty=uncertainty,
        tta=tta,
        engines=[GraphEngine(partial(_run_file, exported), exported.stride)],
        engine_name=_RUN_BY[str(exported.about["to"])],
    )


def _run_file(exported: ExportedModel, pixels: Shaped[np.ndarray, "batch height width channels"]) -> Planes:
    """The logits behind the file's answers; of several members these are the mean alone."""
    found = exported.runtime.run(pixels)
    # Number by number, so that a batch is as good as one picture.
    return {
        name: np.stack([to_logits(planes, spec) for planes in found[name]]).astype(np.float32)
        for name, spec in exported.meta.targets.items()
    }
