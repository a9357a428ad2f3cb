"""Ctrl-C and worse: what is there afterwards is whole, and the command that was printed goes on with it."""

from __future__ import annotations

import json
import random
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limner.training.checkpoints import read_state

pytestmark = pytest.mark.slow

Limner = Callable[..., Any]
Small = Callable[..., list[str]]
Process = Callable[..., "subprocess.Popen[str]"]


def wait_for(popen: subprocess.Popen[str], start: str) -> list[str]:
    """Lines of standard error up to the first that starts so."""
    assert popen.stderr is not None
    lines: list[str] = []
    for line in popen.stderr:
        lines.append(line)
        if line.startswith(start):
            return lines
    pytest.fail("".join(lines))


def endless(small: Small, **changes: object) -> list[str]:
    return small(epochs=100_000, patience=0, **changes)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_training_goes_on(
    process: Process,
    limner: Limner,
    small: Small,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    monkeypatch.chdir(tmp_path)
    popen = process("train", "data", "-o", "my run", *endless(small), cwd=tmp_path)
    wait_for(popen, "epoch   1")
    popen.send_signal(number)
    out, err = popen.communicate(timeout=60)
    assert popen.returncode == 130, err
    assert "Stopping after this step" in err
    assert "Traceback" not in err
    run = tmp_path / "my run"
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert not [path for path in run.rglob("*") if ".tmp" in path.name]

    state = read_state(run / "checkpoints" / "last.ckpt")
    assert state.epoch >= 1
    command = shlex.split(out.splitlines()[-1].partition("Go on with:")[2])
    assert command == ["limner", "train", "--resume", "my run"]
    result = limner(*command[1:], f"epochs={state.epoch + 1}")
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, state.epoch + 2))
    assert json.loads((run / "run.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_a_killed_training_goes_on(process: Process, limner: Limner, small: Small, data: Path, tmp_path: Path) -> None:
    """Three kills at any moment: while a step, a validation or a checkpoint is under way."""
    run = tmp_path / "run"
    words: list[object] = [data, "-o", run, *endless(small, previews=2)]
    generator = random.Random(0)
    for _ in range(3):
        popen = process("train", *words)
        wait_for(popen, "epoch")
        time.sleep(generator.random())
        popen.kill()
        popen.communicate()
        words = ["--resume", run]
    state = read_state(run / "checkpoints" / "last.ckpt")
    result = limner("train", "--resume", run, f"epochs={state.epoch + 1}")
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, state.epoch + 2))
    assert limner("evaluate", run, "--json").json["n_images"] == 1
    assert limner("report", run).code == 0


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(process: Process, small: Small, data: Path, tmp_path: Path) -> None:
    # Steps of seconds, so that the second comes within the first one's step; no more than surely fit in memory.
    words = [*endless(small, batch=16, pilot="false"), "data.size=[512,512]", "model.conv_sizes=[32,64]"]
    popen = process("train", data, "-o", tmp_path / "run", *words)
    wait_for(popen, "Training")
    time.sleep(2)
    popen.send_signal(signal.SIGINT)
    wait_for(popen, "Stopping")
    popen.send_signal(signal.SIGINT)
    _, err = popen.communicate(timeout=60)
    assert popen.returncode == 130, err
    assert "Interrupted." in err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
