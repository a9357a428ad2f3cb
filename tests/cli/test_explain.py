"""`limner explain`, as a user meets it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from limner.images import read_image, write_image

Limner = Callable[..., Any]
Refused = Callable[..., str]


def picture_and_mask(cells: Path) -> tuple[Path, Path]:
    picture = sorted((cells / "images").iterdir())[0]
    return picture, next((cells / "masks").glob(f"{picture.stem}*"))


def test_the_ladder_is_printed_and_a_page_written(limner: Limner, run: Path, cells: Path, tmp_path: Path) -> None:
    picture, mask = picture_and_mask(cells)
    page = tmp_path / "why.html"
    result = limner("explain", run, picture, "--mask", mask, "-o", page)
    assert result.code == 0, result.err
    for rung in ("given", "values", "channels", "detail", "size", "familiarity", "answer", "threshold", "trials"):
        assert re.search(rf"^[ !?] {rung} ", result.out, re.MULTILINE), rung
    assert "real Dice" in result.out
    html = page.read_text()
    assert html.count("data:image/webp") >= 7  # picture, four layers, as seen, probability, and the nearest
    assert "http" not in html.replace("http-equiv", "")
    assert "<script" not in html


def test_a_bundle_alone_is_enough_and_json_says_the_same(
    limner: Limner, run: Path, cells: Path, tmp_path: Path
) -> None:
    bundle = shutil.copy(run / "model.safetensors", tmp_path / "alone.safetensors")
    picture, _ = picture_and_mask(cells)
    found = limner("explain", bundle, picture, "--json").json
    assert set(found) == {"picture", "verdict", "causes", "rungs", "trials", "nearest"}
    assert found["nearest"] == []
    assert limner("explain", run, picture, "--json").json["nearest"][0]["distance"] < 1
    json.dumps(found, allow_nan=False)


def test_a_refused_picture_is_explained_and_looked_at(limner: Limner, run: Path, cells: Path, tmp_path: Path) -> None:
    picture, _ = picture_and_mask(cells)
    pixels = read_image(str(picture))
    np.save(tmp_path / "float.npy", (pixels / 255).astype(np.float32))
    result = limner("explain", run, tmp_path / "float.npy")
    assert result.code == 0, result.err
    assert "1. The model does not take such values" in result.out
    assert "Convert it: values 0 to 1 as uint8 from 0 to 255" in result.out
    write_image(tmp_path / "color.png", np.concatenate([pixels, pixels // 2, 255 - pixels], axis=2))
    result = limner("explain", run, tmp_path / "color.png")
    assert "1. The model does not take such channels" in result.out
    assert "the mean of its channels" in result.out


def test_what_cannot_be_read_or_does_not_fit_is_refused(
    limner: Limner, refused: Refused, run: Path, cells: Path, tmp_path: Path
) -> None:
    picture, mask = picture_and_mask(cells)
    assert "absent.png" in refused("explain", run, tmp_path / "absent.png")
    write_image(tmp_path / "small.png", read_image(str(mask))[:20])
    assert "a mask of the size" in refused("explain", run, picture, "--mask", tmp_path / "small.png")
    assert "masks of mask" in refused("explain", run, picture, "--mask", f"other={mask}")
    assert "pictures to predict" in refused("explain", run)
