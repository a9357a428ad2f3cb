"""An exported file as an engine of the predictor."""

import json

import numpy as np
import pytest

import limner
from limner.bundle import load_bundle
from limner.exporting.engine import file_predictor
from limner.exporting.formats import write_model

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}


@pytest.mark.parametrize("to", ["onnx", "openvino", "torchscript"])
@pytest.mark.parametrize("tta", ["none", "scales"])
def test_answers_are_those_of_the_bundle(every_task, to, tta) -> None:
    """Also of a picture in tiles, seen in views, in a batch, and of a single cell."""
    for package in ("onnx", {"onnx": "onnxruntime", "openvino": "openvino"}.get(to, "torch")):
        pytest.importorskip(package)
    bundle = every_task("unet")
    loaded = load_bundle(bundle)
    path = bundle.with_name(f"engine{SUFFIXES[to]}")
    about = {"to": to, "precision": "float32", "stride": loaded.model.stride}
    texts = {"limner": loaded.meta.model_dump_json(), "limner_export": json.dumps(about)}
    write_model(path, loaded, to=to, precision="float32", about=texts)
    generator = np.random.default_rng(1)
    sizes = [(37, 51), (37, 51), (3, 2), (70, 130)]
    given = [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    exact = limner.Predictor.from_file(bundle, device="cpu", precision="float32", tta=tta).predict_many(given)
    for found, wanted in zip(file_predictor(path, tta=tta).predict_many(given), exact, strict=True):
        for name, probs in wanted.probs.items():
            np.testing.assert_allclose(found.probs[name], probs, atol=3e-4)
            assert (found.masks[name] != wanted.masks[name]).mean() < 2e-3
            # What is expected is said of a file, too.
            np.testing.assert_allclose(found.expected_dice[name], wanted.expected_dice[name], atol=2e-3)
        np.testing.assert_allclose(found.values["regression"], wanted.values["regression"], atol=1e-3)
