"""Fixtures for tests that run the whole of Limner."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

import limner

# A change is judged by the same examples each time; at home, new ones are tried.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

SMALL = {
    "training.device": "cpu",
    "training.precision": "float32",
    "training.batch": 4,
    "training.steps_per_epoch": 2,
    "data.size": [32, 32],
    "data.fit": "resize",
    "model.conv_sizes": [4, 8],
}
"""Settings of a training of a second or two."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawn pictures of cells with masks."""
    return Path(limner.sample("cells", tmp_path_factory.mktemp("data") / "cells", count=12))


@pytest.fixture(scope="session")
def small_train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "limner.Run"]:
    """`train` with settings that take a second or two; further settings by name."""

    def run(data: Path | None, out: Path | None = None, **arguments: object) -> "limner.Run":
        settings = SMALL | {"training.epochs": 2} | dict(arguments.pop("settings", {}))  # type: ignore[arg-type]
        return limner.train(data, out=out, settings=settings, **arguments)  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def trained(
    cells: Path, small_train: Callable[..., "limner.Run"], tmp_path_factory: pytest.TempPathFactory
) -> "limner.Run":
    """A finished run on the cells; read it, do not write into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return small_train(cells, tmp_path_factory.mktemp("runs") / "cells")
