"""Volumes from `limner train` to the masks of `limner predict`."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.bundle import load_bundle
from limner.images import read_mask

Limner = Callable[..., Any]


@pytest.mark.slow
def test_volumes_end_to_end(
    limner: Limner, small: Callable[..., list[str]], scans: Any, draw: Any, tmp_path: Path
) -> None:
    for number in range(5):
        pairs = draw(4, channels=1, seed=number)
        voxels = np.stack([pair.image[..., 0].astype(np.int16) * 5 for pair in pairs])
        scans.nifti(tmp_path / "data" / "imagesTr" / f"p{number}_0000.nii.gz", voxels)
        scans.nifti(tmp_path / "data" / "labelsTr" / f"p{number}.nii.gz", np.stack([pair.mask for pair in pairs]))
    out = tmp_path / "run"
    result = limner("train", tmp_path / "data", "-o", out, *small())
    assert result.code == 0, result.err
    splits = defaultdict(set)
    with (out / "samples.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            splits[row["group"]].add(row["split"])
    assert {len(found) for found in splits.values()} == {1}
    assert set(splits) == {f"p{number}" for number in range(5)}
    assert any("axial slices" in note for note in json.loads((out / "data.json").read_text())["notes"])
    assert load_bundle(out / "model.safetensors").meta.inputs.plane == "axial"

    masks = tmp_path / "masks"
    assert limner("predict", out, tmp_path / "data" / "imagesTr" / "p0_0000.nii.gz", "-o", masks).code == 0
    assert sorted(path.name for path in masks.glob("*.png")) == [f"p0_0000_s{page:03}.png" for page in range(4)]
    assert read_mask(str(masks / "p0_0000_s002.png")).array.shape == (40, 56)

    scans.series(tmp_path / "series", voxels, ["IM0", "IM1", "IM2", "IM3"])
    assert limner("predict", out, tmp_path / "series", "-o", tmp_path / "more").code == 0
    assert len(list((tmp_path / "more").glob("*.png"))) == 4
    assert limner("evaluate", out, tmp_path / "data").code == 0
    assert limner("show", tmp_path / "data", "-o", tmp_path / "sheet.png", *small()).code == 0
