"""An exported file as an engine of the predictor: the same tiles, views, doubts and outputs as of a bundle.

Layer: export.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Shaped
from torch import Tensor, nn

from limner.bundle import BundleMeta
from limner.export.answers import to_logits
from limner.export.reader import ExportedModel
from limner.inference.predictor import Predictor
from limner.inference.runtimes import Runtime

_RUN_BY = {"onnx": "onnxruntime", "openvino": "openvino", "torchscript": "torch"}


class FileEngine:
    """Runs an exported file, on the CPU.

    Of several members the file gives the mean alone, so they are one network here.

    Args:
        runtime: Maps stored pixels to answers.
        meta: What these are.
        stride: Of the network.
    """

    drops = False
    device = torch.device("cpu")

    def __init__(self, runtime: Runtime, meta: BundleMeta, stride: int) -> None:
        self._runtime = runtime
        self._targets = meta.targets
        self.stride = stride

    def logits(
        self, pixels: Shaped[np.ndarray, "batch height width channels"], *, dropout: int | None = None
    ) -> dict[str, Float32[Tensor, "batch _ height width"]]:
        """The logits behind the file's answers.

        Raises:
            OutOfMemory: The batch is too large.
        """
        assert dropout is None
        found = self._runtime.run(pixels)
        # Number by number, so that a batch is as good as one picture.
        return {
            name: torch.from_numpy(np.stack([to_logits(planes, spec) for planes in found[name]]).astype(np.float32))
            for name, spec in self._targets.items()
        }


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
        engines=[FileEngine(exported.runtime, exported.meta, exported.stride)],
        engine_name=_RUN_BY[str(exported.about["to"])],
    )
