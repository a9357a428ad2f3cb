"""`--json`: one document on standard output and nothing else, for results and for errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Limner = Callable[..., Any]
Small = Callable[..., list[str]]


@pytest.mark.slow
def test_results(limner: Limner, small: Small, data: Path, cells: Path, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    commands: dict[str, list[object]] = {
        "summary": ["train", data, "-o", out, *small()],
        "targets": ["evaluate", run],
        "written": ["predict", run, cells / "images", "-o", tmp_path / "masks"],
        "report": ["report", run],
        "sheet": ["show", data, "-o", tmp_path / "sheet.png"],
        "folder": ["sample", "coins", tmp_path / "coins", "--count", "2"],
    }
    for key, words in commands.items():
        result = limner(*words, "--json")
        assert result.code == 0, result
        assert result.err == "", "nothing besides"
        assert key in result.json


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["train", "nothing"],
        ["train", "--resume", "nothing"],
        ["train", "nothing", "epoch=1"],
        ["train", "--epochs", "many"],
        ["train", "--foo"],
        ["evaluate"],
        ["evaluate", "nothing"],
        ["predict", "nothing", "nothing"],
        ["predict", "nothing", "nothing", "-o", "out"],
        ["report"],
        ["report", "nothing"],
        ["review"],
        ["review", "nothing"],
        ["show"],
        ["show", "nothing"],
        ["show", "nothing", "--count", "0"],
        ["sample", "cells"],
        ["sample", "nothing", "out"],
        ["trian", "nothing"],
    ],
    ids=" ".join,
)
def test_errors(limner: Limner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    result = limner(*words, "--json")
    assert result.code == 2
    assert result.err == ""
    assert set(result.json) == {"error", "expected", "found", "remedy", "details"}
    assert result.json["error"].endswith("Error")
    assert result.json["found"]
    assert list(tmp_path.iterdir()) == []
