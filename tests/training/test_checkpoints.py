"""Checkpoints that are damaged, and trainings that end where nobody expected it: nothing is lost but what is said."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from limner.errors import DataError
from limner.training.checkpoints import find_checkpoint, read_state
from limner.training.progress import Silent
from limner.training.state import TrainingState
from limner.workflow.train import Run

Train = Callable[..., Run]


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextmanager
def harmless(number: int) -> Iterator[Callable[..., None]]:
    """Give a signal a meaning that ends nothing: by default it would end the process of the tests, if unheard."""

    def ignore(*_: object) -> None:
        pass

    before = signal.signal(number, ignore)
    try:
        yield ignore
    finally:
        signal.signal(number, before)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"])


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Path:
    """A finished run of two epochs of two steps, to do anything with."""
    return Path(shutil.copytree(trained.folder, tmp_path / "run"))


def flip(path: Path) -> None:
    """Turn one bit in the middle of a file, where weights are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # `best.ckpt` is the same file
    path.write_bytes(content)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    "damage", [flip, *(pytest.param(other, marks=pytest.mark.slow) for other in (cut, Path.unlink))]
)
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(
    run: Path, small_train: Train, damage: Callable[[Path], None]
) -> None:
    expected = weights(run)
    damage(run / "checkpoints" / "last.ckpt")
    small_train(None, resume=run, reporter=(heard := Heard()))
    (said,) = [note for note in heard.notes if "damaged" in note]
    assert "last.ckpt" in said
    assert "goes on from previous.ckpt, after 1 epoch and 2 steps. 2 steps are done again" in said
    assert equal(weights(run), expected)
    assert [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert (run / "checkpoints" / "damaged.ckpt").exists() == (damage is not Path.unlink)
    small_train(None, resume=run, reporter=(again := Heard()))
    assert not [note for note in again.notes if "damaged" in note]


def test_where_all_are_damaged_each_is_named(run: Path, small_train: Train) -> None:
    for name in ("last.ckpt", "previous.ckpt", "best.ckpt"):
        cut(run / "checkpoints" / name)
    with pytest.raises(DataError, match=r"last\.ckpt(.|\n)*previous\.ckpt(.|\n)*best\.ckpt(.|\n)*--from") as error:
        small_train(None, resume=run)
    assert error.value.found == "all are damaged"


def test_a_run_stopped_before_its_first_step_begins(run: Path, small_train: Train) -> None:
    expected = weights(run)
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(DataError, match="though epochs were finished"):
        find_checkpoint(run)
    for name in ("metrics.jsonl", "model.safetensors"):
        (run / name).unlink()
    small_train(None, resume=run, reporter=(heard := Heard()))
    assert any("it begins now" in note for note in heard.notes)
    assert equal(weights(run), expected)


@pytest.mark.slow
def test_a_picture_that_vanishes_is_named_and_the_steps_before_are_kept(
    cells: Path, small_train: Train, tmp_path: Path
) -> None:
    class Vanish(Silent):
        def epoch(self, state: TrainingState) -> None:
            if state.epoch == 1:
                (data / "images" / "gone").mkdir()
                for path in (data / "images").glob("*.png"):
                    path.rename(data / "images" / "gone" / path.name)

    data = Path(shutil.copytree(cells, tmp_path / "data"))
    settings = {"data.cache": False, "training.steps_per_epoch": 4, "model.dropout": 0.2}
    unbroken = small_train(data, tmp_path / "unbroken", settings=settings)
    run = tmp_path / "run"
    # Two batches are read ahead; whatever was read is trained on and saved.
    with pytest.raises(DataError, match=r"cells_\d+\.png"):
        small_train(data, run, settings=settings, reporter=Vanish())
    state = read_state(run / "checkpoints" / "last.ckpt")
    assert (state.epoch, state.step) == (1, 4 + state.batch)
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    for path in (data / "images" / "gone").glob("*.png"):
        path.rename(data / "images" / path.name)
    small_train(None, resume=run, settings=settings)
    assert equal(weights(run), weights(unbroken.folder))


def test_a_damaged_picture_stops_validation_and_the_epoch_is_kept(
    cells: Path, small_train: Train, tmp_path: Path
) -> None:
    class Overwrite(Silent):
        def stage(self, name: str, done: int, total: int) -> None:
            if name == "cache" and done == total:  # validation alone reads the files after that
                for path in (data / "images").glob("*.png"):
                    path.write_bytes(path.read_bytes()[:100])

    data = Path(shutil.copytree(cells, tmp_path / "data"))
    settings = {"data.cache_dir": str(tmp_path / "cache")}
    with pytest.raises(DataError, match=r"cells_\d+\.png"):
        small_train(data, tmp_path / "run", settings=settings, reporter=Overwrite())
    state = read_state(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert (state.epoch, state.batch) == (0, 2)


@pytest.mark.parametrize(
    "name", ["SIGTERM", *(pytest.param(other, marks=pytest.mark.slow) for other in ("SIGUSR1", "SIGHUP"))]
)
def test_what_a_queue_sends_saves_first_even_while_validating(
    cells: Path, small_train: Train, tmp_path: Path, name: str
) -> None:
    class Asked(Heard):
        def stage(self, name: str, done: int, total: int) -> None:
            if name == "validate" and done == 1:
                os.kill(os.getpid(), number)

    number = getattr(signal, name)
    with harmless(number) as before:
        run = small_train(cells, tmp_path / "run", reporter=(asked := Asked()))
        assert signal.getsignal(number) is before
    assert run.interrupted
    assert [note for note in asked.notes if note.startswith("Stopping")]
    state = read_state(run.folder / "checkpoints" / "last.ckpt")
    assert (state.epoch, state.batch) == (0, 2)
    assert not (run.folder / "metrics.jsonl").exists()
    if name == "SIGUSR1":
        small_train(None, resume=run.folder)
        unbroken = small_train(cells, tmp_path / "unbroken")
        assert equal(weights(run.folder), weights(unbroken.folder))
        texts = [(one / "metrics.jsonl").read_text() for one in (run.folder, unbroken.folder)]
        lines = [[json.loads(line) for line in text.splitlines()] for text in texts]
        assert [line["train_loss"] for line in lines[0]] == [line["train_loss"] for line in lines[1]]


@pytest.mark.slow
def test_more_epochs_go_on_as_if_they_had_been_asked_for_at_once(
    cells: Path, small_train: Train, tmp_path: Path
) -> None:
    settings = {"training.schedule": "constant", "model.dropout": 0.2, "training.epochs": 1}
    run = small_train(cells, tmp_path / "run", settings=settings)
    small_train(None, resume=run.folder, settings={"training.epochs": 2})
    unbroken = small_train(cells, tmp_path / "unbroken", settings=settings | {"training.epochs": 2})
    assert equal(weights(run.folder), weights(unbroken.folder))
