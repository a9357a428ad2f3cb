"""`limner predict` in int8, and with exported files: the same outputs as of the bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.bundle import load_bundle, save_bundle
from limner.exporting import proof
from limner.images import read_mask

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

Limner = Callable[..., Any]
Refused = Callable[..., str]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def masks(folder: Path) -> list[np.ndarray]:
    return [read_mask(str(path)).array for path in sorted(folder.glob("*.png"))]


def assert_near(folder: Path, other: Path) -> None:
    for one, two in zip(masks(folder), masks(other), strict=True):
        assert (one != two).mean() < 0.03


class TestInt8:
    def test_a_run_is_calibrated_once_and_what_it_costs_is_said(
        self, limner: Limner, trained: Any, cells: Path, tmp_path: Path, cache: Path
    ) -> None:
        pictures = cells / "images"
        assert limner("predict", trained.folder, pictures, "-o", tmp_path / "exact").code == 0
        words = ["predict", trained.folder, pictures, "--precision", "int8", "--engine", "onnxruntime"]
        result = limner(*words, "-o", tmp_path / "small")
        assert result.code == 0
        assert "Engine: onnxruntime" in result.err
        assert "int8: Dice of mask 0." in result.err
        assert_near(tmp_path / "small", tmp_path / "exact")
        kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*int8*")}
        assert len(kept) == 2
        again = limner(*words, "-o", tmp_path / "again", "--tta", "flips", "--json")
        assert again.json["int8"][0]["problems"] == []
        assert again.json["int8"][0]["targets"]["mask"]["loss"] < 0.005
        assert {path: path.stat().st_mtime_ns for path in cache.rglob("*int8*")} == kept
        # The same bundle elsewhere needs no run any more.
        shutil.copy(trained.model, tmp_path / "copy.safetensors")
        assert limner("predict", tmp_path / "copy.safetensors", *words[2:], "-o", tmp_path / "copied").code == 0
        for one, two in zip(masks(tmp_path / "copied"), masks(tmp_path / "small"), strict=True):
            np.testing.assert_array_equal(one, two)

    def test_what_loses_too_much_is_refused_also_the_next_time(
        self, refused: Refused, trained: Any, cells: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ["predict", trained.folder, cells / "images", "--precision", "int8", "--engine", "onnxruntime"]
        with monkeypatch.context() as patch:
            patch.setattr(proof, "DICE_LIMIT", -1.0)
            assert "Dice worse by" in refused(*words, "-o", tmp_path / "out")
        assert "Dice worse by" in refused(*words, "-o", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_without_training_pictures_or_in_torch_it_says_what_to_do(
        self, refused: Refused, trained: Any, cells: Path, tmp_path: Path, cache: Path
    ) -> None:
        bundle = load_bundle(trained.model)
        save_bundle(tmp_path / "a.safetensors", bundle.model, bundle.meta)
        words = [cells / "images", "-o", tmp_path / "out", "--precision", "int8"]
        message = refused("predict", tmp_path / "a.safetensors", *words)
        assert "does not lie in a run folder" in message
        assert "limner export --int8" in message
        assert "onnxruntime or openvino" in refused("predict", trained.folder, *words, "--engine", "torch")
        assert "precision is one of" in refused("predict", trained.folder, *words[:-1], "int4")


def test_an_exported_file_predicts_with_all_outputs(
    limner: Limner, refused: Refused, trained: Any, cells: Path, tmp_path: Path
) -> None:
    file = tmp_path / "model.onnx"
    assert limner("export", trained.folder, "--to", "onnx", "-o", file).code == 0
    options = ["--overlay", "--probabilities", "--uncertainty", "tta", "--tta", "flips", "--contours", "svg"]
    for model, name in ((file, "file"), (trained.folder, "bundle")):
        result = limner("predict", model, cells / "images", "-o", tmp_path / name, *options, "--json")
        assert result.code == 0
        assert result.json["engine"] == ("onnxruntime" if model == file else "torch")
    assert_near(tmp_path / "file", tmp_path / "bundle")
    there = sorted(path.relative_to(tmp_path / "bundle") for path in (tmp_path / "bundle").rglob("*.*"))
    assert sorted(path.relative_to(tmp_path / "file") for path in (tmp_path / "file").rglob("*.*")) == there
    with_bundle = limner("predict", file, cells / "images", "--with", trained.model, "-o", tmp_path / "both", "--json")
    assert with_bundle.json["engine"] == "onnxruntime, torch"
    assert_near(tmp_path / "both", tmp_path / "bundle")
    message = refused("predict", file, cells / "images", "-o", tmp_path / "no", "--precision", "bf16")
    assert "the precision it was exported in" in message
