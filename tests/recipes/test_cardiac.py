"""The cardiac recipe, from experts' traced copies to overlapping masks."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from limner.images import read_mask

pytestmark = pytest.mark.slow

TINY = ["size=[32,32]", "conv_sizes=[2,4]", "steps_per_epoch=1", "batch=2", "epochs=1", "device=cpu", "previews=0"]
STRUCTURES = ["heart", "left ventricle", "right ventricle"]


def test_traced_copies_become_a_model_of_three_overlapping_masks(limner, tmp_path):
    limner("sample", "hearts", tmp_path / "hearts", "--count", 4)
    assert (tmp_path / "hearts" / "Traced" / "SQ" / "Traced 4 chamber" / ".DS_Store").exists()

    trained = limner("train", tmp_path / "hearts", "--recipe", "cardiac", "-o", tmp_path / "run", "val=1", *TINY)
    assert trained.code == 0, trained.err
    assert all(name in trained.out for name in STRUCTURES)
    data = json.loads((tmp_path / "run" / "data.json").read_text())
    assert data["layout"] == "traces"
    assert data["label_maps"]["mask"]["task"] == "multilabel"
    with (tmp_path / "run" / "samples.csv").open(newline="") as file:
        both = [line for line in csv.DictReader(file) if line["group"] == "heart_003"]
    assert [line["id"] for line in both] == ["heart_003", "heart_003_SQ"]
    assert len({line["split"] for line in both}) == 1

    pictures = tmp_path / "hearts" / "Traced" / "PI" / "Original Untraced"
    assert limner("predict", tmp_path / "run", pictures, "-o", tmp_path / "masks").code == 0
    masks = {name: read_mask(str(tmp_path / "masks" / "heart_002" / f"{name}.png")).array for name in STRUCTURES}
    assert all(mask.shape == (208, 174) for mask in masks.values())
    assert all(set(np.unique(mask)) <= {0, 1} for mask in masks.values())


def test_a_second_training_uses_the_masks_made_before(limner, tmp_path):
    limner("sample", "hearts", tmp_path / "hearts", "--count", 2)
    limner("traces", tmp_path / "hearts", "-o", tmp_path / "out", "--ink", "blue=heart", "--ink", "green=lv")

    trained = limner("train", tmp_path / "out", "-o", tmp_path / "run", "val=1", "test=0", *TINY)
    assert trained.code == 0, trained.err
    assert "lv" in trained.out
