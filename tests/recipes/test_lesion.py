"""The lesion recipe, from drawn lesions to a table of predictions."""

from __future__ import annotations

import json

import pytest

from limner.data.catalog import Catalog
from limner.images import read_image, read_mask

pytestmark = pytest.mark.slow

TINY = [
    "data.size=[32,32]",
    "model.conv_sizes=[4,4,8,8,8]",
    "training.epochs=2",
    "training.batch=4",
    "training.steps_per_epoch=4",
    "training.device=cpu",
    "training.precision=float32",
]


def test_from_drawn_lesions_to_masks_and_a_table(limner, tmp_path):
    result = limner("sample", "lesion", tmp_path / "lesions", "--count", 20, "--size", "64x80")
    assert f"limner train --recipe lesion {tmp_path / 'lesions'}" in result.out
    result = limner("train", "--recipe", "lesion", tmp_path / "lesions", "-o", tmp_path / "run", *TINY)
    assert result.code == 0, result.err
    assert "Superpixel pictures, which were left out: 20." in result.err
    catalog = Catalog.load(tmp_path / "run" / "samples.csv")
    assert catalog.split_counts() == {"train": 16, "val": 2, "test": 2}
    assert all(name.startswith("ISIC_") for name in catalog.ids)
    summary = json.loads((tmp_path / "run" / "evaluation" / "summary.json").read_text())
    assert summary["targets"]["mask"]["classes"][-1]["name"] == "lesion"
    table = read_image(str(tmp_path / "run" / "evaluation" / "table.png"))
    assert table.shape[1] > 1200

    picture = catalog.inputs["image"][0]
    assert limner("predict", tmp_path / "run", picture, "-o", tmp_path / "masks").code == 0
    mask = read_mask(str(tmp_path / "masks" / f"{catalog.ids[0]}.png")).array
    assert mask.shape == read_image(picture).shape[:2]
