"""`train` from Python: what an error or Ctrl-C leaves behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from limner.training import fit
from limner.training.checkpoints import read_state
from limner.training.progress import Silent
from limner.training.state import TrainingState
from limner.workflow.train import Run

Train = Callable[..., Run]


class Impatient(Silent):
    """Presses Ctrl-C after an epoch, and again when told to wait."""

    def epoch(self, state: TrainingState) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def note(self, text: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)


def test_a_second_ctrl_c_is_an_interruption_like_any_other(cells: Path, small_train: Train, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        small_train(cells, tmp_path / "run", reporter=Impatient())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"


def test_no_checkpoint_speaks_of_a_model_that_was_not_kept(
    cells: Path, small_train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*arguments: object) -> None:
        raise OSError("killed")

    monkeypatch.setattr(fit, "save_bundle", kill)
    with pytest.raises(OSError, match="killed"):
        small_train(cells, tmp_path / "run")
    assert read_state(tmp_path / "run" / "checkpoints" / "last.ckpt").epoch == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"
