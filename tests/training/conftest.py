"""Data with two targets: the cells, and how far inside a cell a pixel lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage


@pytest.fixture(scope="session")
def two_targets(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of the cells with the binary targets `mask` and `core`; a core is a cell without its rim."""
    folder = tmp_path_factory.mktemp("two")
    lines = ["id,input.image,target.mask,target.core"]
    for image in sorted((cells / "images").iterdir()):
        mask = next((cells / "masks").glob(f"{image.stem}*"))
        core = ndimage.binary_erosion(np.asarray(Image.open(mask)) > 0, iterations=3)
        Image.fromarray(core.astype(np.uint8) * 255).save(folder / f"{image.stem}.png")
        lines.append(f"{image.stem},{image},{mask},{folder / image.stem}.png")
    (folder / "samples.csv").write_text("\n".join(lines))
    return folder / "samples.csv"


@pytest.fixture(scope="session")
def with_depth(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of the cells with the targets `mask` and `depth`: millimetres from the rim; NaN in one corner."""
    folder = tmp_path_factory.mktemp("depth")
    lines = ["id,input.image,target.mask,target.depth"]
    for image in sorted((cells / "images").iterdir()):
        mask = next((cells / "masks").glob(f"{image.stem}*"))
        depth = ndimage.distance_transform_edt(np.asarray(Image.open(mask)) > 0).astype(np.float32) * 100
        depth[:10, :10] = np.nan
        np.save(folder / f"{image.stem}.npy", depth)
        lines.append(f"{image.stem},{image},{mask},{folder / image.stem}.npy")
    (folder / "samples.csv").write_text("\n".join(lines))
    return folder / "samples.csv"
