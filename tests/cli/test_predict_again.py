"""`limner predict` on many pictures: killed, gone on with, in parts, and twice at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limner.images import read_mask

Limner = Callable[..., Any]
Refused = Callable[..., str]
Process = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def pictures(cells: Path, tmp_path: Path) -> Path:
    """Two hundred names of twelve pictures."""
    folder = tmp_path / "many"
    folder.mkdir()
    originals = sorted((cells / "images").iterdir())
    for number in range(200):
        (folder / f"{number}.png").hardlink_to(originals[number % len(originals)])
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def words(trained: Any, pictures: Path, out: Path) -> list[object]:
    return [trained.folder, pictures, "-o", out, "--flag-below", "0.9", "--rle", out / "runs.csv", "--batch", 4]


def wait_for(out: Path, count: int) -> None:
    end = time.monotonic() + 120
    while len(list(out.rglob("[0-9]*.png"))) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_calls_that_go_on_leave_what_one_without_a_kill_does(
    limner: Limner, process: Process, trained: Any, pictures: Path, tmp_path: Path
) -> None:
    assert limner("predict", *words(trained, pictures, tmp_path / "whole")).code == 0
    out = tmp_path / "out"
    for count in (20, 90):
        popen = process("predict", *words(trained, pictures, out), "--resume")
        wait_for(out, count)
        popen.kill()
        popen.communicate()
        # Whatever is there is whole.
        for path in out.rglob("[0-9]*.png"):
            assert read_mask(str(path)).array.size
        assert not list(out.glob("*.csv"))
    result = limner("predict", *words(trained, pictures, out), "--resume", "--json")
    assert result.code == 0
    assert 80 <= result.json["resumed"] < 200
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_in_one_folder_do_not_harm_each_other(
    limner: Limner, process: Process, trained: Any, pictures: Path, tmp_path: Path
) -> None:
    assert limner("predict", *words(trained, pictures, tmp_path / "whole")).code == 0
    out = tmp_path / "out"
    both = [process("predict", *words(trained, pictures, out), "--resume") for _ in range(2)]
    for popen in both:
        _, err = popen.communicate(timeout=120)
        # One that comes late is told that there are results.
        assert popen.returncode in (0, 2), err
        assert "Traceback" not in err
    assert 0 in {popen.returncode for popen in both}
    assert contents(out) == contents(tmp_path / "whole")
    assert not [path for path in out.rglob("*") if ".tmp" in path.name]


def test_what_is_finished_is_said_and_left_out(limner: Limner, trained: Any, pictures: Path, tmp_path: Path) -> None:
    few = [trained.folder, pictures / "1*5.png", "-o", tmp_path / "out"]
    assert limner("predict", *few, "--shard", "1/2", "--flag-below", "0.5").code == 0
    assert (tmp_path / "out" / "doubts-1-of-2.csv").is_file()
    (tmp_path / "out" / "15.png").unlink(missing_ok=True)
    (tmp_path / "out" / "doubtful" / "15.png").unlink(missing_ok=True)
    result = limner("predict", *few, "--shard", "1/2", "--flag-below", "0.5", "--resume")
    assert result.code == 0
    assert "5 pictures finished before, left out" in result.out
    assert "1 mask written" in result.out


def test_words_that_go_against_each_other(refused: Refused, trained: Any, pictures: Path, tmp_path: Path) -> None:
    few = [trained.folder, pictures / "15.png", "-o", tmp_path / "out"]
    assert "--resume and --overwrite" in refused("predict", *few, "--resume", "--overwrite")
    assert "such as 3/8" in refused("predict", *few, "--shard", "0/8")
    assert not (tmp_path / "out").exists()
