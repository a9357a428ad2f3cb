"""Small data sets, drawn and written to a temporary folder."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from limner.images import encode_png, write_image

_OPENED: list[list[str]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    # Without a mode it is `os.open`, by which `open` opens with an opener: that would count twice.
    if event == "open" and _OPENED and isinstance(arguments[0], str | os.PathLike) and arguments[1] is not None:
        _OPENED[-1].append(os.fspath(arguments[0]))


sys.addaudithook(_note)  # cannot be taken away; it does nothing while nobody asks


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """Files below `tmp_path` that this process has opened since the last call, by their names, sorted."""
    _OPENED.append([])

    def since() -> list[str]:
        names = sorted(Path(name).name for name in _OPENED[-1] if name.startswith(f"{tmp_path}/data"))
        _OPENED[-1].clear()
        return names

    yield since
    _OPENED.pop()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as unchanged for long, although the test wrote them a moment ago."""
    monkeypatch.setattr("limner.data.file_hashes._TICK", 0)


@pytest.fixture
def folder_of_pairs(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of pictures with a bright rectangle each, and masks (0 / 255) of the rectangle.

    `folder_of_pairs(count=6, images="images", masks="masks", image_name="{}.png", mask_name="{}.png",
    size=(16, 24), channels=3, empty=())` returns the folder; names are filled with 0 … count - 1, and
    the samples in `empty` have nothing on them. Each call makes another folder.
    """
    numbers = itertools.count()

    def make(
        count: int = 6,
        *,
        images: str = "images",
        masks: str = "masks",
        image_name: str = "{}.png",
        mask_name: str = "{}.png",
        size: tuple[int, int] = (16, 24),
        channels: int = 3,
        empty: tuple[int, ...] = (),
    ) -> Path:
        root = tmp_path / f"data{next(numbers)}"
        generator = np.random.default_rng(0)
        for number in range(count):
            mask = np.zeros((*size, 1), np.uint8)
            if number not in empty:
                top, left = generator.integers(0, size[0] // 2), generator.integers(0, size[1] // 2)
                mask[top : top + size[0] // 3, left : left + size[1] // 3] = 255
            image = generator.integers(0, 60, (*size, channels), np.uint8) + mask // 2
            write_image(root / images / image_name.format(number), image)
            write_image(root / masks / mask_name.format(number), mask)
        return root

    return make


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of tiny real pictures from their relative names; other files get a line of text."""
    numbers = itertools.count()
    picture = encode_png(np.zeros((2, 3, 1), np.uint8))

    def make(*names: str) -> Path:
        root = tmp_path / f"tree{next(numbers)}"
        root.mkdir()
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            is_picture = path.suffix.lower() in {".png", ".jpg", ".tif", ".gif", ".npy"}
            path.write_bytes(picture if is_picture else b"text\n")
        return root

    return make
