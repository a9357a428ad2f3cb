"""Other engines than torch: the same answers, chosen and refused as said."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest
import torch

import limner
from limner.errors import ConfigError, MissingExtra
from limner.inference import engines, runtimes
from limner.inference.engines import choose_engine

ARCHITECTURES = ("unet", "improved_unet", "encoder_unet")
TASKS = ("binary", "multiclass", "multilabel", "regression")
# Whole and odd, smaller than a stride, and in tiles.
SIZES = [(37, 51), (3, 2), (70, 130)]


def pictures(dtype=np.uint8, most=255, channels=3):
    generator = np.random.default_rng(1)
    return [(generator.random((*size, channels)) * most).astype(dtype) for size in SIZES]


def predictions(path, engine, given, uncertainty="single", tta="none"):
    predictor = limner.Predictor.from_file(
        path, device="cpu", precision="float32", engine=engine, uncertainty=uncertainty, tta=tta
    )
    assert predictor.engine_name == engine
    return [predictor.predict(picture) for picture in given]


def assert_same(found, wanted, name):
    for one, other in zip(found, wanted, strict=True):
        if name in other.values:
            np.testing.assert_allclose(one.values[name], other.values[name], atol=2e-4, rtol=1e-4)
        else:
            np.testing.assert_allclose(one.probs[name], other.probs[name], atol=1e-4)
            assert (one.masks[name] != other.masks[name]).mean() < 1e-3


@pytest.fixture(scope="module")
def answers():
    """What was predicted, by architecture and engine: the targets of all tasks come from one network."""
    return {}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
class TestParity:
    @pytest.mark.parametrize("task", TASKS)
    def test_predictions_are_those_of_torch(self, every_task, answers, engine, architecture, task) -> None:
        pytest.importorskip("onnx")
        pytest.importorskip(engine)
        key = architecture, engine
        if key not in answers:
            path = every_task(architecture)
            answers[key] = predictions(path, engine, pictures()), predictions(path, "torch", pictures())
        assert_same(*answers[key], task)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("dtype", "most", "inputs"),
    [
        (np.uint16, 60000, {"dtype": "uint16", "low": 100.0, "high": 40000.0, "channels": 1}),
        (np.float32, 3, {"dtype": "float32", "low": -1.0, "high": 2.0, "fit": "resize", "size": (32, 48)}),
    ],
)
def test_other_numbers_sizes_views_and_members_are_those_of_torch(every_task, engine, dtype, most, inputs) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip(engine)
    path = every_task("unet", members=2, **inputs)
    given = pictures(dtype, most, inputs.get("channels", 3))[:1]
    for uncertainty in ("members", "tta"):
        found, wanted = (predictions(path, name, given, uncertainty) for name in (engine, "torch"))
        for task in TASKS:
            assert_same(found, wanted, task)
            np.testing.assert_allclose(found[0].uncertainty[task], wanted[0].uncertainty[task], atol=1e-3)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_every_engine_sees_the_same_views(every_task, engine) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip(engine)
    path = every_task("unet", members=2)
    given = pictures()[:1]
    plain = predictions(path, "torch", given)
    for tta in ("flips", "symmetries", "scales"):
        found, wanted = (predictions(path, name, given, tta=tta) for name in (engine, "torch"))
        for task in TASKS:
            assert_same(found, wanted, task)
        assert np.abs(wanted[0].probs["binary"] - plain[0].probs["binary"]).max() > 1e-3


def test_a_graph_is_written_once(every_task, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path))
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = every_task("unet", members=2, mean=[0.4, 0.5, 0.6])
    limner.load(path, engine="onnxruntime")
    made = list(tmp_path.rglob("*.onnx"))
    assert len(made) == 2
    times = {file: file.stat().st_mtime_ns for file in made}
    limner.load(path, engine="onnxruntime")
    assert {file: file.stat().st_mtime_ns for file in made} == times


class TestChoice:
    def installed(self, monkeypatch, *packages) -> None:
        monkeypatch.setattr(engines, "is_installed", lambda package: package in packages)

    @pytest.mark.parametrize(
        ("packages", "device", "precision", "wanted"),
        [
            ({"onnx", "onnxruntime", "openvino"}, "cpu", "float32", "openvino"),
            ({"onnx", "onnxruntime", "openvino"}, "cuda", "bf16", "torch"),
            ({"onnx", "onnxruntime"}, "cpu", "float32", "onnxruntime"),
            ({"onnx", "onnxruntime"}, "cpu", "bf16", "torch"),
            ({"openvino"}, "cpu", "float32", "torch"),
            (set(), "cpu", "float32", "torch"),
        ],
    )
    def test_auto_is_the_fastest_that_is_installed(self, monkeypatch, packages, device, precision, wanted) -> None:
        self.installed(monkeypatch, *packages)
        assert choose_engine("auto", torch.device(device), precision) == wanted

    def test_unknown_and_impossible_engines_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="Did you mean 'openvino'"):
            choose_engine("openvno", torch.device("cpu"), "float32")
        with pytest.raises(ConfigError, match="--device cpu"):
            choose_engine("onnxruntime", torch.device("cuda"), "float32")

    def test_a_missing_package_is_named_with_the_line_that_installs_it(self, every_task, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "onnx", None)
        with pytest.raises(MissingExtra, match=r"pip install 'limner\[export\]'"):
            limner.load(every_task("unet"), engine="onnxruntime")

    def test_auto_goes_on_with_torch_where_a_graph_fails(self, every_task, monkeypatch, caplog) -> None:
        self.installed(monkeypatch, "onnx", "openvino")

        def fail(path, made):
            raise RuntimeError("Unsupported operator\nand a long story")

        monkeypatch.setattr(engines, "bundle_graphs", fail)
        with caplog.at_level(logging.WARNING):
            assert limner.load(every_task("unet"), engine="auto", device="cpu").engine_name == "torch"
        assert "openvino cannot run this network (Unsupported operator); torch does" in caplog.text
        with pytest.raises(ConfigError, match="Use --engine torch"):
            limner.load(every_task("unet"), engine="openvino")

    def test_dropped_features_need_torch(self, every_task) -> None:
        path = every_task("improved_unet")
        with pytest.raises(ConfigError, match="no other engine drops features"):
            limner.load(path, engine="onnxruntime", uncertainty="dropout")
        assert limner.load(path, engine="auto", uncertainty="dropout").engine_name == "torch"


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("Failed to allocate memory for requested buffer"), RuntimeError("bad_alloc")]
)
def test_too_little_memory_is_recognised(error) -> None:
    assert isinstance(runtimes._memory_error(error), runtimes.OutOfMemory)


def test_other_errors_stay_what_they_are() -> None:
    error = ValueError("Got invalid dimensions")
    assert runtimes._memory_error(error) is error
