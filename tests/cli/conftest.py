"""The `limner` command, run as a user runs it, on small drawn data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.images import write_image

SETTINGS = {
    "training.device": "cpu",
    "training.precision": "float32",
    "training.batch": "4",
    "training.steps_per_epoch": "2",
    "training.previews": "0",
    "training.epochs": "1",
    "data.size": "[32,32]",
    "data.fit": "resize",
    "model.conv_sizes": "[4,8]",
}
"""Settings of a training of a second."""


@pytest.fixture
def run(trained: Any, tmp_path: Path) -> Path:
    """A finished run of two epochs on the cells, to do anything with."""
    return Path(shutil.copytree(trained.folder, tmp_path / "run"))


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """Words for a training of a second, with changes: `small(epochs=2)`, `small(**{"data.seed": 1})`."""

    def words(**changes: object) -> list[str]:
        named = {f"training.{name}" if "." not in name else name: str(value) for name, value in changes.items()}
        return [f"{name}={value}" for name, value in (SETTINGS | named).items()]

    return words


@pytest.fixture
def listening() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts a command that serves, on a free port; gives process and URL."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: object, **environment: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "limner", *map(str, words), "--port", "0", "--json"]
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | environment, text=True)
        processes.append(popen)
        assert popen.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = popen.stdout.readline()
            assert line, popen.wait()
            text += line
        return popen, json.loads(text)["url"]

    yield start
    for popen in processes:
        popen.kill()
        popen.wait()
        assert popen.stdout is not None
        popen.stdout.close()


@pytest.fixture
def process() -> Callable[..., subprocess.Popen[str]]:
    """Starts the command as a process of its own, one thread wide; output is captured as text."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: object, before: str = "", cwd: Path | None = None) -> subprocess.Popen[str]:
        code = f"{before}\nfrom limner.cli import main\nmain()"
        popen = subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", "-c", code, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"},
        )
        started.append(popen)
        return popen

    yield start  # type: ignore[misc]
    for popen in started:
        if popen.poll() is None:
            popen.kill()
        popen.communicate()


@dataclass(frozen=True)
class Pair:
    """A drawn picture and its mask."""

    image: np.ndarray
    mask: np.ndarray


@pytest.fixture
def draw() -> Callable[..., list[Pair]]:
    """Draws pictures of a bright rectangle: `height width channels` uint8, and `height width` ids 0 … classes - 1."""

    def pairs(
        count: int = 8, *, size: tuple[int, int] = (40, 56), channels: int = 3, classes: int = 2, seed: int = 0
    ) -> list[Pair]:
        generator = np.random.default_rng(seed)
        drawn = []
        for number in range(count):
            mask = np.zeros(size, np.uint8)
            for class_id in range(1, classes):
                top, left = generator.integers(0, (size[0] // 2, size[1] // 2))
                mask[top : top + size[0] // 3, left : left + size[1] // 3] = 1 + (class_id + number) % (classes - 1)
            image = generator.integers(0, 50, (*size, channels), np.uint8) + (200 // classes) * mask[..., np.newaxis]
            drawn.append(Pair(image.astype(np.uint8), mask))
        return drawn

    return pairs


@pytest.fixture
def data(tmp_path: Path, draw: Callable[..., list[Pair]]) -> Path:
    """Eight pictures in `data/images`, masks of 0 and 255 in `data/masks`."""
    folder = tmp_path / "data"
    for number, pair in enumerate(draw()):
        write_image(folder / "images" / f"{number}.png", pair.image)
        write_image(folder / "masks" / f"{number}.png", pair.mask * 255)
    return folder
