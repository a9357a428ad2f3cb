"""Several processes train one network as one process would, and end together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from limner.training.checkpoints import read_state

_PROGRAM = Path(__file__).with_name("processes.py")
_SETTINGS = [
    "training.device=cpu",
    "training.precision=float32",
    "training.batch=5",  # parts of three and two
    "training.steps_per_epoch=3",
    "training.class_weights=[1,3]",
    "training.loss=bce+dice",
    "training.previews=1",
    # Adam would blow up what rounding leaves of the gradients of biases before a norm, which are 0.
    "training.optimizer=sgd",
    "data.size=[32,32]",
    "data.fit=resize",
    "model.conv_sizes=[4,8]",
]

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Ended:
    """How processes ended: exit codes by rank, and all they said."""

    codes: list[int]
    err: str
    out: str


def start(program: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", *program],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def limner(count: int, run: Path, *arguments: str, action: str = "none") -> Ended:
    done = start([str(_PROGRAM), str(count), str(run), action, "train", *arguments])
    assert done.stdout, done.stderr
    return Ended(json.loads(done.stdout.splitlines()[-1]), done.stderr, done.stdout)


def losses(run: Path) -> list[float]:
    return [json.loads(line)["train_loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def largest_difference(one: Path, other: Path) -> float:
    first, second = (load_file(run / "model.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


@pytest.fixture(scope="module")
def alone(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    run = tmp_path_factory.mktemp("alone") / "run"
    ended = limner(1, run, str(cells), "--out", str(run), "epochs=3", *_SETTINGS)
    assert ended.codes == [0], ended.err
    return run


def test_torchrun_gives_the_curve_of_one_process(cells: Path, tmp_path: Path, alone: Path) -> None:
    run = tmp_path / "run"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "limner"]
    done = start([*launcher, "train", str(cells), "--out", str(run), "epochs=3", *_SETTINGS])
    assert done.returncode == 0, done.stderr
    assert losses(run) == pytest.approx(losses(alone), rel=1e-5)
    assert largest_difference(run, alone) < 1e-5
    assert (run / "report.html").is_file()
    assert json.loads((run / "run.json").read_text())["processes"] == 2
    # One process speaks, the other is silent.
    assert done.stderr.count("Split:") == 1
    assert done.stdout.count("Reproducible:") == 1


def test_statistics_of_each_process_alone_give_another_curve(cells: Path, tmp_path: Path, alone: Path) -> None:
    run = tmp_path / "run"
    ended = limner(2, run, str(cells), "--out", str(run), "epochs=3", *_SETTINGS, "training.sync_batchnorm=false")
    assert ended.codes == [0, 0], ended.err
    assert losses(run) != pytest.approx(losses(alone), rel=1e-4)


def test_a_killed_process_ends_the_other_which_goes_on_alone_or_together(
    cells: Path, tmp_path: Path, alone: Path
) -> None:
    run = tmp_path / "run"
    ended = limner(2, run, str(cells), "--out", str(run), "epochs=500", "save_every=2 steps", *_SETTINGS, action="kill")
    assert ended.codes == [2, -9], ended.err
    assert "another process" in ended.err
    assert "limner train --resume" in ended.err
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    assert not [path for path in run.rglob("*") if ".tmp" in path.name]
    state = read_state(run / "checkpoints" / "last.ckpt")
    assert state.step >= 2
    for count in (1, 2):
        epochs = state.epoch + 1 + count
        ended = limner(count, run, "--resume", str(run), f"epochs={epochs}")
        assert ended.codes == [0] * count, ended.err
        assert read_state(run / "checkpoints" / "last.ckpt").epoch == epochs


def test_a_signal_to_all_saves_once_and_ends_all(cells: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = limner(2, run, str(cells), "--out", str(run), "epochs=500", "save_every=2 steps", *_SETTINGS, action="term")
    assert ended.codes == [130, 130], ended.err
    assert ended.out.count("Go on with:  limner train --resume") == 1
    assert read_state(run / "checkpoints" / "last.ckpt").step >= 2
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert not [path for path in run.rglob("*") if ".tmp" in path.name]


def test_a_loss_that_is_not_finite_ends_all_and_is_told_once(cells: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = limner(2, run, str(cells), "--out", str(run), "epochs=3", *_SETTINGS, "lr=1e30", "grad_clip=0")
    assert ended.codes == [2, 2], ended.err
    assert ended.err.count("NaN or infinity in step") == 1
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["limner"]["state"]["step"] <= 3
