"""Trains in processes that are killed. A program of its own: it imports once and forks, so a training costs little.

    survivor.py DATA FOLDER KILLS SEED

trains DATA into FOLDER/unbroken, then into FOLDER/killed with so many kills, every other one while a checkpoint is
written, and prints which steps the runs had reached when they were killed.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from limner.config import Config, config_from
from limner.data.prepare import Prepared
from limner.training.checkpoints import read_state
from limner.training.fit import fit
from limner.workflow.settings import prepare_data

SETTINGS: dict[str, dict[str, Any]] = {
    "training": {
        "device": "cpu",
        "precision": "float32",
        "batch": 4,
        "steps_per_epoch": 6,
        "epochs": 4,
        "save_every": "2 steps",
        "previews": 1,
    },
    "data": {"size": [32, 32], "fit": "resize"},
    "model": {"conv_sizes": [4, 8], "dropout": 0.2},
}


def start(config: Config, data: Prepared, run: Path) -> int:
    """Train in a child; its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        fit(config, data, run, resume=run.is_dir())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait_for_writing(checkpoints: Path, child: int, deadline: float) -> None:
    """Return while a checkpoint is being written."""
    while time.monotonic() < deadline:
        try:
            if any(path.name.startswith(".last") for path in checkpoints.iterdir()):
                return
        except FileNotFoundError:
            pass
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return


def main() -> None:
    place, folder, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    config = config_from(SETTINGS | {"data": SETTINGS["data"] | {"path": str(place)}})
    data = prepare_data(config, lambda *_: None)
    gc.freeze()
    begin = time.monotonic()
    assert os.waitpid(start(config, data, folder / "unbroken"), 0)[1] == 0
    whole = time.monotonic() - begin
    generator, steps = random.Random(seed), []
    run = folder / "killed"
    while True:
        child = start(config, data, run)
        if len(steps) < kills:
            moment = time.monotonic() + generator.random() * whole * 0.8
            if len(steps) % 2:
                wait_for_writing(run / "checkpoints", child, moment + 5)
            else:
                time.sleep(max(0.0, moment - time.monotonic()))
            os.kill(child, signal.SIGKILL)
        code = os.waitpid(child, 0)[1]
        if os.WIFEXITED(code):
            assert os.WEXITSTATUS(code) == 0, "it could not go on"
            if len(steps) >= kills:
                break
            # It had finished before the kill came: once more from the start.
            run = folder / f"killed-{len(steps)}"
            continue
        last = run / "checkpoints" / "last.ckpt"
        steps.append(read_state(last).step if last.exists() else None)
    json.dump({"steps": steps, "run": str(run)}, sys.stdout)


if __name__ == "__main__":
    main()
