"""Several processes of Limner, as torchrun would start them. A program of its own: it imports once and forks.

    processes.py COUNT RUN ACTION ARGUMENT…

runs `limner ARGUMENT…` in COUNT processes. ACTION is `none`, `kill` (kills the last one after a few steps of RUN)
or `term` (asks all of them to stop, one after the other). Prints the exit codes as JSON on the last line.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import torch

import limner.cli.train
import limner.cli.training_view
import limner.workflow.train  # noqa: F401 - what all processes need
from limner.cli import main
from limner.training.checkpoints import read_state


def start(rank: int, count: int, port: int, arguments: list[str]) -> int:
    """Start one process; its id."""
    child = os.fork()
    if child:
        return child
    values = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_RANK": 0}
    os.environ |= {name: str(value) for name, value in values.items()}
    if count > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    sys.argv = ["limner", *arguments]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait_for_steps(run: Path) -> None:
    """Return when a run has made a few steps."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        last = run / "checkpoints" / "last.ckpt"
        if last.exists() and read_state(last).step >= 2:
            return
        time.sleep(0.05)


def run_all() -> None:
    count, run, action, arguments = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
    torch.set_num_threads(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [start(rank, count, port, arguments) for rank in range(count)]
    if action != "none":
        wait_for_steps(run)
    if action == "kill":
        os.kill(children[-1], signal.SIGKILL)
    if action == "term":
        for child in reversed(children):
            os.kill(child, signal.SIGTERM)
            time.sleep(0.1)
    json.dump([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], sys.stdout)


if __name__ == "__main__":
    run_all()
