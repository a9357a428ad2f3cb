"""Exported files answer as the predictor does, and are read without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import limner
from limner.bundle import load_bundle
from limner.errors import BundleError, ConfigError, DataError
from limner.exporting.formats import check_format, write_model
from limner.exporting.reader import ExportedModel
from limner.inference.predictor import Predictor

NEEDS = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino"), "torchscript": ()}
SUFFIX = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}
# Odd, smaller than a stride, and in tiles.
SIZES = [(37, 51), (3, 2), (70, 130)]


def written(bundle: Path, to: str) -> Path:
    for package in NEEDS[to]:
        pytest.importorskip(package)
    loaded = load_bundle(bundle)
    path = bundle.with_name(f"model{SUFFIX[to]}")
    first = getattr(loaded.model, "members", [loaded.model])[0]
    about = {
        "limner": loaded.meta.model_dump_json(),
        "limner_export": json.dumps({"to": to, "precision": "float32", "stride": first.stride}),
    }
    write_model(path, loaded, to=to, precision="float32", about=about)
    return path


def assert_same(found: limner.Prediction, wanted: limner.Prediction) -> None:
    assert found.masks.keys() == wanted.masks.keys()
    for name, probs in wanted.probs.items():
        np.testing.assert_allclose(found.probs[name], probs, atol=3e-4)
        assert (found.masks[name] != wanted.masks[name]).mean() < 2e-3
    for name, values in wanted.values.items():
        np.testing.assert_allclose(found.values[name], values, atol=1e-3)


@pytest.mark.parametrize(
    ("to", "architecture"),
    [("onnx", name) for name in ("unet", "improved_unet", "encoder_unet")]
    + [("openvino", "improved_unet"), ("torchscript", "unet")],
)
def test_a_file_answers_as_the_predictor_does(every_task, to, architecture) -> None:
    bundle = every_task(architecture)
    model = limner.load(written(bundle, to))
    predictor = Predictor.from_file(bundle, device="cpu", precision="float32")
    generator = np.random.default_rng(1)
    for size in SIZES:
        picture = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
        assert_same(model.predict(picture), predictor.predict(picture))


@pytest.mark.parametrize("to", NEEDS)
def test_resized_pictures_of_16_bits_and_members_are_answered_alike(every_task, to) -> None:
    bundle = every_task(
        "unet", members=2, dtype="uint16", low=100.0, high=40000.0, channels=1, fit="resize", size=(32, 44)
    )
    picture = np.random.default_rng(1).integers(0, 60000, (50, 41), dtype=np.uint16)
    wanted = Predictor.from_file(bundle, device="cpu", precision="float32").predict(picture)
    assert_same(limner.load(written(bundle, to)).predict(picture), wanted)


def test_other_programs_need_nothing_but_the_graph(every_task) -> None:
    runtime = pytest.importorskip("onnxruntime")
    bundle = every_task("unet")
    session = runtime.InferenceSession(str(written(bundle, "onnx")))
    picture = np.random.default_rng(1).integers(0, 256, (2, 33, 50, 3), dtype=np.uint8)
    found = dict(
        zip([output.name for output in session.get_outputs()], session.run(None, {"pixels": picture}), strict=True)
    )
    wanted = Predictor.from_file(bundle, device="cpu", precision="float32").predict(picture[1])
    for name, probs in wanted.probs.items():
        np.testing.assert_allclose(found[name][1], probs, atol=3e-4)
    np.testing.assert_allclose(found["regression"][1, 0], wanted.values["regression"], atol=1e-3)
    described = json.loads(session.get_modelmeta().custom_metadata_map["limner"])
    assert described["targets"]["binary"]["thresholds"] == [0.5, 0.4]


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_the_reader_loads_no_torch(every_task, to) -> None:
    path = written(every_task("unet"), to)
    code = (
        "import sys, numpy as np, limner\n"
        f"model = limner.load({str(path)!r})\n"
        "found = model.predict(np.zeros((20, 90, 3), np.uint8))\n"
        "print(found.masks['binary'].shape, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[0] == "(20, 90) False"


class TestRefusals:
    def test_pictures_of_another_kind(self, every_task) -> None:
        model = ExportedModel.from_file(written(every_task("unet"), "onnx"))
        with pytest.raises(DataError, match="holds uint8 values"):
            model.predict(np.zeros((4, 4, 3), np.float32))

    @pytest.mark.parametrize(("to", "name"), [("onnx", "a.onnx"), ("openvino", "a.xml"), ("torchscript", "a.pt")])
    def test_damaged_files(self, tmp_path, to, name) -> None:
        for package in NEEDS[to]:
            pytest.importorskip(package)
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(BundleError, match=f"is a whole {to} file"):
            limner.load(tmp_path / name)
        with pytest.raises(BundleError, match="no such file"):
            limner.load(tmp_path / f"b{name}")

    def test_files_of_other_programs(self, tmp_path) -> None:
        onnx = pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
        graph = onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["" : 18]> a (float[1] x) => (float[1] y) {y = Relu(x)}'
        )
        onnx.save(graph, str(tmp_path / "relu.onnx"))
        with pytest.raises(BundleError, match="without Limner's description"):
            limner.load(tmp_path / "relu.onnx")

    def test_choices_that_a_file_does_not_leave(self, tmp_path) -> None:
        with pytest.raises(ConfigError, match="without further choices"):
            limner.load(tmp_path / "a.onnx", uncertainty="tta")

    def test_what_cannot_be_written(self) -> None:
        with pytest.raises(ConfigError, match="Use --to openvino --bf16"):
            check_format("onnx", "bf16")
        with pytest.raises(ConfigError, match="calibrated for int8"):
            check_format("torchscript", "int8")
