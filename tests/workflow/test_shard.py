"""A training from shards is that from the files they were made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import limner
from limner.errors import ConfigError

pytest.importorskip("litdata")


def test_shards_train_to_the_same_bits_as_the_folder(
    cells: Path, trained: limner.Run, small_train: Callable[..., limner.Run], tmp_path: Path
) -> None:
    result = limner.shard(cells, out=tmp_path / "shards")
    assert result.counts == {"train": 8, "val": 2, "test": 2}
    # Streamed: nothing is kept decoded.
    run = small_train(tmp_path / "shards", tmp_path / "run", settings={"data.cache": False})
    assert run.model is not None
    assert trained.model is not None
    weights, expected = load_file(run.model), load_file(trained.model)
    assert all(torch.equal(weights[name], expected[name]) for name in weights.keys() | expected.keys())
    lines = [(found.folder / "metrics.jsonl").read_text().splitlines() for found in (run, trained)]
    curves = [[(one["train_loss"], one["val_dice"]) for one in map(json.loads, text)] for text in lines]
    assert curves[0] == curves[1]
    assert run.summary is not None
    assert trained.summary is not None
    assert run.summary["targets"] == trained.summary["targets"]
    with pytest.raises(ConfigError, match=r"data\.val=5"):
        small_train(tmp_path / "shards", tmp_path / "other", settings={"data.val": 5})
