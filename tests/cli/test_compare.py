"""`limner compare`: a table and a sentence, or JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_run_against_itself_and_against_other_pictures(
    limner: Callable[..., Any], refused: Callable[..., str], run: Path, cells: Path, tmp_path: Path
) -> None:
    limner("evaluate", run, cells, "-o", tmp_path / "all")
    result = limner("compare", tmp_path / "all", tmp_path / "all")
    assert result.code == 0
    assert "score the same on every image" in result.out
    found = limner("compare", tmp_path / "all", tmp_path / "all", "--metric", "nsd", "--json").json
    assert [entry["mean"] for entry in found["runs"]] == [found["runs"][0]["mean"]] * 2
    assert found["n_images"] == 12
    assert "the same images" in refused("compare", run, tmp_path / "all")
