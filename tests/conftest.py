"""Fixtures for tests that run the whole of Limner."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import limner
from limner.cli import main

# A change is judged by the same examples each time; at home, new ones are tried.
# Machines are busy at times, so no example has a deadline.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "home")


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


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


@pytest.fixture(name="limner")
def _command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs the command in this process; a traceback fails the test."""

    def run(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["limner", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Result(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def refused(limner: Callable[..., Result]) -> Callable[..., str]:
    """Runs a command that must end with exit code 2; gives the block that it printed."""

    def run(*words: object) -> str:
        result = limner(*words)
        assert (result.code, result.out) == (2, ""), result
        for label in ("Error\n", "Expected  ", "Found     ", "To do     "):
            assert label in result.err, result.err
        return result.err

    return run
