"""`limner export`: a file, its proof, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limner as package
from limner.exporting import proof
from limner.images import read_image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

Limner = Callable[..., Any]
Refused = Callable[..., str]


def test_a_run_becomes_a_file_with_its_proof(limner: Limner, trained: Any, cells: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells.onnx"
    found = limner("export", trained.folder, "--to", "onnx", "-o", out, "--json").json
    assert found["path"] == str(out)
    target = found["proof"]["targets"]["mask"]
    assert target["mean_difference"] < 1e-4
    assert target["dice"] == pytest.approx(target["dice_exported"], abs=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["cells.onnx"]
    model = package.load(out)
    assert model.proof == found["proof"]
    picture = str(sorted((cells / "images").iterdir())[0])
    mask = package.load(trained.folder, device="cpu").predict(picture).mask
    assert mask.shape == read_image(picture).shape[:2]
    assert (model.predict(picture).mask != mask).mean() < 0.01


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_int8_is_calibrated_and_proven(limner: Limner, trained: Any, tmp_path: Path, to: str) -> None:
    pytest.importorskip(to)
    out = tmp_path / f"a{'.onnx' if to == 'onnx' else '.xml'}"
    found = limner("export", trained.folder, "--to", to, "--int8", "-o", out, "--json").json
    assert found["proof"]["targets"]["mask"]["loss"] < 0.005
    assert package.load(out).about["precision"] == "int8"


def test_bf16_torchscript_from_a_bundle_on_named_data(
    limner: Limner, trained: Any, cells: Path, tmp_path: Path
) -> None:
    shutil.copy(trained.model, tmp_path / "model.safetensors")
    result = limner("export", tmp_path / "model.safetensors", "--to", "torchscript", "--bf16", "--data", cells)
    assert result.code == 0, result
    assert "Proof on 12 pictures" in result.out
    assert np.isfinite(package.load(tmp_path / "model-bf16.pt").proof["targets"]["mask"]["max_difference"])


def test_a_failed_proof_leaves_no_file(
    refused: Refused, trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "DICE_LIMIT", -1.0)
    message = refused("export", trained.folder, "--to", "onnx", "-o", tmp_path / "a.onnx")
    assert "Dice worse by" in message
    assert not list(tmp_path.iterdir())


def test_refusals(refused: Refused, trained: Any, tmp_path: Path) -> None:
    assert "ends in .onnx" in refused("export", trained.folder, "--to", "onnx", "-o", tmp_path / "a.bin")
    (tmp_path / "a.onnx").touch()
    assert "--overwrite" in refused("export", trained.folder, "--to", "onnx", "-o", tmp_path / "a.onnx")
    assert "one precision" in refused("export", trained.folder, "--to", "openvino", "--bf16", "--int8")
    shutil.copy(trained.model, tmp_path / "model.safetensors")
    assert "--data" in refused("export", tmp_path / "model.safetensors", "--to", "onnx")
