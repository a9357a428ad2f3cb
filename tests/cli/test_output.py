"""Places that cannot be written: refused early where that can be known, else without harm to what was there."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from limner.training.checkpoints import read_state

Limner = Callable[..., Any]
Refused = Callable[..., str]
Small = Callable[..., list[str]]
Process = Callable[..., "subprocess.Popen[str]"]


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if ".tmp" in path.name]


def test_a_folder_that_holds_files(refused: Refused, small: Small, data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")
    message = refused("train", data, "-o", tmp_path / "out", *small())
    assert f"'{tmp_path / 'out'}'" in message
    assert "--resume" not in message, "there is no run to go on with"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_the_folder_of_a_run(refused: Refused, small: Small, data: Path, trained: Any) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*")}
    message = refused("train", data, "-o", trained.folder, *small())
    assert f"limner train --resume {trained.folder}" in message
    assert {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*")} == before


def test_without_a_name_every_run_has_its_own_folder(
    limner: Limner, small: Small, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data", "data-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert limner("train", "data/", *small()).code == 0
    assert (tmp_path / "runs" / "data-3" / "model.safetensors").is_file()


def test_a_file_in_the_way(refused: Refused, small: Small, cells: Path, trained: Any, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("precious")
    for out in (taken, taken / "run"):
        assert str(taken) in refused("train", cells, "-o", out, *small())
        assert str(taken) in refused("predict", trained.folder, cells / "images", "-o", out)
        assert str(taken) in refused("evaluate", trained.folder, "-o", out)
        assert str(taken) in refused("sample", "cells", out, "--count", "2")
    assert str(taken) in refused("show", cells, "-o", taken / "sheet.png", *small())
    assert taken.read_text() == "precious"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files may not grow beyond `size` bytes; to the program that is an error like a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)


def test_no_room_for_a_checkpoint(limner: Limner, run: Path) -> None:
    last = run / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    with largest_file(len(before) - 1000):
        result = limner("train", "--resume", run, "epochs=3", "previews=0")
    assert result.code == 2, result.err
    assert "OutputError" in result.err
    assert f"'{last}'" in result.err
    assert last.read_bytes() == before
    assert not leftovers(run)
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "Ctrl-C means again what it meant"
    assert limner("train", "--resume", run, "epochs=3").code == 0
    assert read_state(last).epoch == 3


def test_checkpoints_need_no_room_elsewhere(limner: Limner, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(run / "nowhere"))
    assert limner("train", "--resume", run, "epochs=3").code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_while_logging(limner: Limner, run: Path) -> None:
    log = run / "metrics.jsonl"
    lines = log.read_text()
    log.unlink()
    log.symlink_to("/dev/full")
    result = limner("train", "--resume", run, "epochs=3")
    assert result.code == 2
    assert "the disk is full" in result.err
    assert f"'{log}'" in result.err
    log.unlink()
    log.write_text(lines)
    assert limner("train", "--resume", run, "epochs=3").code == 0
    assert len(log.read_text().splitlines()) == 3


def test_a_place_for_the_log_that_is_taken(limner: Limner, run: Path) -> None:
    shutil.rmtree(run / "tensorboard")
    (run / "tensorboard").write_text("")
    result = limner("train", "--resume", run, "epochs=3")
    assert result.code == 2
    assert f"'{run / 'tensorboard'}'" in result.err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit holds on Linux alone")
def test_too_little_memory(process: Process, small: Small, data: Path, tmp_path: Path) -> None:
    cramped = "import resource, torch\nresource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2)"
    words = small(**{"data.size": "[8192,8192]", "training.batch": 8, "data.cache": "false"})
    popen = process("train", data, "-o", tmp_path / "out", *words, before=cramped)
    _, err = popen.communicate(timeout=120)
    assert popen.returncode == 2, err
    assert "ResourceError" in err
    assert "training.batch=4" in err
    assert "data.size=[4096,4096]" in err
    assert "Traceback" not in err
