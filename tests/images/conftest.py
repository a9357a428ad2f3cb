from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]
Save = Callable[..., str]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def encode() -> Encode:
    """Encode an array (or a Pillow picture) with Pillow, the way other programs write files."""

    def encode(picture: Image.Image | np.ndarray, file_format: str, **options: Any) -> bytes:
        if isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture)
        stream = io.BytesIO()
        picture.save(stream, format=file_format, **options)
        return stream.getvalue()

    return encode


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write bytes as a file in a temporary folder and give its location."""

    def save(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    return save


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[[dict[str, bytes]], str]:
    """Write a zip file of the given members and give its path."""

    def make_zip(members: dict[str, bytes], name: str = "pictures.zip") -> str:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return str(path)

    return make_zip


@pytest.fixture
def color(rng: np.random.Generator) -> np.ndarray:
    """A 5 × 7 picture of random colours: no two rows, columns or channels alike."""
    return rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.fixture
def indexed() -> Image.Image:
    """A 2 × 3 palette picture: background black, 1 red, 2 green."""
    picture = Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], dtype=np.uint8))
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    return picture
