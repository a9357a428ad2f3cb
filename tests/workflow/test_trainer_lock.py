"""One process trains a run at a time, and others can tell."""

import shutil
import signal
import subprocess
import sys

import pytest

import limner
from limner.errors import OutputError
from limner.workflow.trainer_lock import is_trained_now, training_alone

HOLD = """
import sys, time
from pathlib import Path
from limner.workflow.trainer_lock import training_alone
with training_alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "run")


@pytest.fixture
def other(run):
    """Another process that trains the run."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_run_that_is_being_trained_is_left_alone(run, other, small_train):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert is_trained_now(run)
    with pytest.raises(OutputError, match="a process that trains it"):
        small_train(None, resume=run, settings={"epochs": 3})
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_what_a_killed_process_left_keeps_nobody_away(run, other, small_train):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert not is_trained_now(run)
    assert not small_train(None, resume=run, settings={"epochs": 3}).interrupted
    assert not list(run.glob(".training*"))


def test_a_part_is_trained_while_the_whole_is(tmp_path):
    fold = tmp_path / "run/candidates/unet/folds/0"
    fold.mkdir(parents=True)
    with training_alone(tmp_path / "run"):
        assert is_trained_now(fold)
        with pytest.raises(OutputError, match="a process that trains it"), training_alone(fold):
            pass
    assert not is_trained_now(fold)


def test_one_more_training_of_a_process_is_no_exception(run):
    with training_alone(run), pytest.raises(OutputError, match="a process that trains it"):
        limner.train(resume=run, settings={"epochs": 3})
    assert not is_trained_now(run)
