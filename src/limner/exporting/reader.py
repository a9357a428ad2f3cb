"""Uses an exported file: pictures of any size in, masks and probabilities out.

Layer: exporting. Imports no torch, unless the file is TorchScript.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from limner.bundle import BundleMeta, parse_meta
from limner.errors import BundleError, LimnerError, ResourceError, first_line
from limner.exporting.answers import decide, resize, to_logits, to_probs
from limner.inference.inputs import Given, ModelInput, read_input, stack_padded
from limner.inference.postprocess import tidy
from limner.inference.prediction import Prediction
from limner.inference.runtimes import OnnxRuntime, OpenVino, OutOfMemory, Runtime
from limner.inference.tiling import plan_tiles

DESCRIPTION, EXPORT, PROOF = "limner", "limner_export", "limner_proof"
"""Names of what stands in a file besides the graph, each of them JSON."""

SUFFIXES = {".onnx": "onnx", ".xml": "openvino", ".pt": "torchscript"}


class ExportedModel:
    """A model in a file that `limner export` wrote; it predicts as `Predictor` does.

    Args:
        runtime: Maps stored pixels to probabilities, or numbers in the unit, at the pixels' size.
        meta: The description of the bundle it was made from.
        about: How it was exported: `to`, `precision`, `stride`.
        proof: What the comparison with the predictor found.
    """

    def __init__(self, runtime: Runtime, meta: BundleMeta, about: Mapping[str, Any], proof: Mapping[str, Any]) -> None:
        self.runtime = runtime
        self.meta = meta
        self.about = dict(about)
        self.proof = dict(proof)
        self.stride = int(about["stride"])

    @classmethod
    def from_file(cls, path: str | Path, *, threads: int = 0) -> ExportedModel:
        """Open a file: `.onnx` needs ONNX Runtime, `.xml` OpenVINO and its `.bin` beside it, `.pt` torch.

        Args:
            path: The file.
            threads: Most threads; 0 is as many as there are cores.

        Raises:
            BundleError: It is missing, damaged, or not written by Limner.
            MissingExtra: The program that runs it is not installed.
        """
        path = Path(path)
        if not path.is_file():
            raise BundleError(
                f"an exported model at '{path}'", "no such file", "Give the file that limner export wrote."
            )
        try:
            runtime, texts = _open(path, threads)
        except LimnerError:
            raise
        except Exception as error:  # each program raises errors of its own
            raise BundleError(
                f"'{path}' is a whole {SUFFIXES.get(path.suffix, 'exported')} file",
                first_line(error),
                "Copy the file again, or export the model again.",
            ) from error
        if DESCRIPTION not in texts or EXPORT not in texts:
            raise BundleError(
                f"'{path}' is a model that limner export wrote",
                "a file without Limner's description: a graph alone does not say how to use it",
                "Export the model with limner export.",
            )
        meta = parse_meta(texts[DESCRIPTION], path)
        return cls(runtime, meta, json.loads(texts[EXPORT]), json.loads(texts.get(PROOF, "{}")))

    def predict(self, picture: Given | Mapping[str, Given]) -> Prediction:
        """Predict one picture, or one sample of several.

        Args:
            picture: A file or another location, or an array with the values of the training pictures; by name
                where the model has several inputs.

        Raises:
            DataError: The picture cannot be read, or is of another kind than the training pictures.
            ResourceError: It does not fit in memory.
        """
        return self.predict_input(read_input(picture, self.meta.inputs))

    def predict_many(self, pictures: Iterable[Given | Mapping[str, Given]]) -> Iterator[Prediction]:
        """Predict pictures one after another. Raises as `predict` does."""
        return (self.predict(picture) for picture in pictures)

    def predict_input(self, picture: ModelInput) -> Prediction:
        """Predict what `limner.inference.inputs.read_input` gave."""
        try:
            found = self._logits(picture.pixels)
        except OutOfMemory as error:
            raise ResourceError(
                f"enough memory to predict '{picture.where}'", str(error), "Close other programs."
            ) from error
        prediction = Prediction({}, {}, {})
        for name, spec in self.meta.targets.items():
            # As the predictor does: resized first, then cut, and tempered last.
            numbers = resize(to_probs(found[name], spec), picture.size)
            if spec.task == "regression":
                prediction.values[name] = (spec.low + numbers[0] * (spec.high - spec.low)).astype(np.float32)
                continue
            steps = [step for step in self.meta.post_processing if step.target == name]
            prediction.masks[name] = tidy(decide(numbers, spec), spec, steps)
            plain = spec.model_copy(update={"temperature": 1.0})
            tempered = numbers if spec.temperature == 1 else to_probs(to_logits(numbers, plain), spec, spec.temperature)
            prediction.probs[name] = tempered
        return prediction

    def _logits(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Logits at the network's scale, whole or blended from the tiles that the predictor takes."""
        height, width = pixels.shape[:2]
        padded = _round_up(height, self.stride), _round_up(width, self.stride)
        tiling = self.meta.tiling
        tiles = plan_tiles(padded, _round_up(tiling.size, self.stride), tiling.overlap, tiling.window)
        if len(tiles) == 1:
            return self._run(pixels)
        filled = stack_padded([pixels], padded)[0]
        total: dict[str, np.ndarray] = {}
        for tile in tiles:
            for name, logits in self._run(filled[tile.index]).items():
                blended = total.setdefault(name, np.zeros((len(logits), *padded), np.float32))
                blended[:, *tile.index] += logits * tile.weights()
        return {name: logits[:, :height, :width] for name, logits in total.items()}

    def _run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        found = self.runtime.run(pixels[None])
        return {name: to_logits(found[name][0], spec) for name, spec in self.meta.targets.items()}


def _open(path: Path, threads: int) -> tuple[Runtime, dict[str, str]]:
    kind = SUFFIXES.get(path.suffix)
    if kind == "onnx":
        onnx = OnnxRuntime(path, threads=threads)
        return onnx, onnx.metadata
    if kind == "openvino":
        exact = OpenVino(path, threads=threads)
        about = json.loads(exact.metadata.get(EXPORT, "{}"))
        if about.get("precision") == "float32":
            return exact, exact.metadata
        return OpenVino(path, threads=threads, precision="bf16"), exact.metadata
    if kind == "torchscript":
        from limner.exporting.script import TorchScript

        script = TorchScript(path)
        return script, script.metadata
    raise BundleError("an exported model: .onnx, .xml or .pt", f"'{path}'", "Give the file that limner export wrote.")


def _round_up(length: int, stride: int) -> int:
    return -(-length // stride) * stride
