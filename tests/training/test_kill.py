"""Killed at any moment, a training goes on to the bits of one that never was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

_PROGRAM = Path(__file__).with_name("survivor.py")
_TIMES = ("seconds", "train_seconds", "images_per_s")


def different(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two checkpoints, or parts of them, are not bit for bit the same, but for what a clock says."""
    if place.rsplit(".", 1)[-1] in _TIMES:
        return []
    if isinstance(one, torch.Tensor):
        first, second = (tensor.reshape(-1).view(torch.uint8) for tensor in (one, other))
        return [] if one.dtype == other.dtype and torch.equal(first, second) else [place]
    if isinstance(one, list | tuple):
        one, other = dict(enumerate(one)), dict(enumerate(other))
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [place]
        return [found for name in one for found in different(one[name], other[name], f"{place}.{name}")]
    return [] if one == other else [place]


@pytest.mark.parametrize(
    ("kills", "seed"), [(2, 0), pytest.param(20, 1, marks=pytest.mark.slow)], ids=["two", "twenty"]
)
def test_a_killed_training_goes_on_to_the_same_bits(cells: Path, tmp_path: Path, kills: int, seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", _PROGRAM, cells, tmp_path, str(kills), str(seed)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["steps"]) == kills
    unbroken, killed = tmp_path / "unbroken", Path(answer["run"])
    expected, found = (load_file(run / "model.safetensors") for run in (unbroken, killed))
    assert not different(expected, found)
    for name in ("last.ckpt", "best.ckpt"):
        first, second = (torch.load(run / "checkpoints" / name, weights_only=True) for run in (unbroken, killed))
        assert not different(first, second)
    assert not [path for path in killed.rglob("*") if ".tmp" in path.name]
    texts = [(run / "metrics.jsonl").read_text() for run in (unbroken, killed)]
    logs = [[json.loads(line) for line in text.splitlines()] for text in texts]
    assert [line["epoch"] for line in logs[1]] == [1, 2, 3, 4]
    assert not different(*logs)
