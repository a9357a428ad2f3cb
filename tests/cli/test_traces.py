from __future__ import annotations

import json
import subprocess
import sys

import pytest

from limner.examples.traced_hearts import write_traced_hearts


def run(*words):
    """The command in a process of its own, as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "limner", *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    write_traced_hearts(folder, count=1)
    return folder


@pytest.mark.slow
def test_one_command_makes_masks(hearts, tmp_path):
    result = run("traces", hearts, "-o", tmp_path / "out", "--json")
    assert result.returncode == 0, result.stderr
    assert [tracing["state"] for tracing in json.loads(result.stdout)["tracings"]] == ["used"]
    assert (tmp_path / "out" / "images" / "red" / "heart_001.png").exists()


def test_a_structure_without_ink_ends_with_exit_code_1(hearts, tmp_path):
    result = run("traces", hearts, "-o", tmp_path / "out", "--ink", "yellow=valve", "--ink", "blue=heart")
    assert result.returncode == 1
    assert "unfinished heart_001: yellow" in " ".join(result.stderr.split())
