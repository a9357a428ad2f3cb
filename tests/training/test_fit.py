"""Training: what it leaves, and that stopping it loses nothing."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from limner.bundle import load_bundle, read_meta
from limner.errors import ResourceError
from limner.models import create_model
from limner.training.checkpoints import read_state
from limner.training.engine import memory_errors
from limner.training.plan import Plan
from limner.training.progress import Silent
from limner.training.state import TrainingState
from limner.workflow.train import Run

Train = Callable[..., Run]


class StopAfter(Silent):
    """Presses Ctrl-C when an epoch has ended; so the training stops one step into the next."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def epoch(self, state: TrainingState) -> None:
        if state.epoch == self._epoch:
            os.kill(os.getpid(), signal.SIGINT)


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return dict(checkpoint["state_dict"])


def test_a_run_leaves_what_the_documentation_says(trained: Run) -> None:
    names = {str(path.relative_to(trained.folder)) for path in trained.folder.rglob("*") if path.is_file()}
    expected = {
        "config.yaml",
        "plan.yaml",
        "samples.csv",
        "data.json",
        "run.json",
        "samples.png",
        "metrics.jsonl",
        "model.safetensors",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "previews/epoch_0001.png",
        "previews/epoch_0002.png",
        "evaluation/per_image.csv",
        "evaluation/summary.json",
        "report.html",
    }
    assert expected <= names
    assert any(name.startswith("tensorboard/") for name in names)
    assert not any(".tmp" in name for name in names)


def test_every_epoch_is_logged_once(trained: Run) -> None:
    lines = metrics(trained.folder)
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all({"train_loss", "val_dice", "val_iou", "lr", "images_per_s", "seconds"} <= set(line) for line in lines)


@pytest.mark.slow
def test_training_lowers_the_loss(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {"training.epochs": 6, "training.steps_per_epoch": 8, "training.lr": 0.02}
    run = small_train(cells, tmp_path / "run", settings=settings)
    losses = [line["train_loss"] for line in metrics(run.folder)]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_weights(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {"training.epochs": 3, "model.dropout": 0.2, "training.steps_per_epoch": 4}
    unbroken = small_train(cells, tmp_path / "unbroken", settings=settings)
    stopped = small_train(cells, tmp_path / "stopped", settings=settings, reporter=StopAfter(1))
    assert stopped.interrupted
    state = read_state(tmp_path / "stopped" / "checkpoints" / "last.ckpt")
    assert (state.epoch, state.batch) == (1, 1)

    resumed = small_train(None, settings=settings, resume=tmp_path / "stopped")
    assert not resumed.interrupted
    expected, actual = weights(unbroken.folder), weights(resumed.folder)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)
    assert [line["epoch"] for line in metrics(resumed.folder)] == [1, 2, 3]
    assert metrics(resumed.folder)[-1]["val_dice"] == metrics(unbroken.folder)[-1]["val_dice"]
    assert resumed.summary == unbroken.summary


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again_unless_asked_for_more(
    cells: Path, small_train: Train, tmp_path: Path
) -> None:
    run = small_train(cells, tmp_path / "run", settings={"training.epochs": 1})
    before = weights(run.folder)
    again = small_train(None, resume=run.folder, settings={"training.epochs": 1})
    assert all(torch.equal(before[name], value) for name, value in weights(again.folder).items())
    small_train(None, resume=run.folder, settings={"training.epochs": 2})
    assert [line["epoch"] for line in metrics(run.folder)] == [1, 2]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(cells: Path, small_train: Train, tmp_path: Path) -> None:
    runs = [small_train(cells, tmp_path / name, settings={"training.epochs": 1}) for name in ("a", "b")]
    first, second = (load_file(run.model) for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = small_train(cells, tmp_path / "c", settings={"training.epochs": 1, "training.seed": 1})
    third = load_file(other.model)
    assert not all(torch.equal(first[name], third[name]) for name in first)


@pytest.mark.slow
def test_the_cache_changes_nothing(cells: Path, small_train: Train, tmp_path: Path) -> None:
    cached = small_train(cells, tmp_path / "a", settings={"training.epochs": 1})
    direct = small_train(cells, tmp_path / "b", settings={"training.epochs": 1, "data.cache": False})
    first, second = load_file(cached.model), load_file(direct.model)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "settings",
    [
        {"data.fit": "native"},
        {"model.deep_supervision": True},
        {"model.norm": "instance", "training.optimizer": "sgd", "training.schedule": "polynomial"},
        {"model.up": "bilinear", "training.loss": "focal+lovasz", "training.ema": 0.0, "training.grad_clip": 0.0},
        {"training.precision": "bf16", "model.norm": "group", "model.conv_sizes": [8, 16]},
        {"model.name": "improved_unet", "model.deep_supervision": True, "model.conv_sizes": [4, 8, 16, 16]},
        {"data.size": [37, 51], "augment.preset": "strong", "training.foreground_crops": 1.0},
    ],
    ids=lambda settings: ",".join(settings),
)
@pytest.mark.slow
def test_settings_train(cells: Path, small_train: Train, tmp_path: Path, settings: dict[str, object]) -> None:
    run = small_train(cells, tmp_path / "run", settings={"training.epochs": 1} | settings)
    assert run.summary is not None
    assert run.summary["n_images"] == 2


@pytest.mark.slow
def test_a_pretrained_encoder_trains_with_the_intensities_it_wants(
    cells: Path, small_train: Train, tmp_path: Path
) -> None:
    options = {"encoder": "mobilenetv2_035", "decoder": "pix2pix", "decoder_sizes": [8, 8, 8, 8]}
    model = create_model("encoder_unet", in_channels=3, out_channels=1, **options)
    save_file(model.encoder.state_dict(), tmp_path / "encoder.safetensors")
    settings = {f"model.{name}": value for name, value in options.items()} | {
        "model.name": "encoder_unet",
        "model.conv_sizes": None,
        "model.encoder_weights": str(tmp_path / "encoder.safetensors"),
        "model.input_mean": 0.25,
        "model.input_std": 0.5,
        "model.freeze_encoder": True,
        "training.epochs": 1,
    }
    run = small_train(cells, tmp_path / "run", settings=settings)
    (tmp_path / "encoder.safetensors").unlink()
    assert (read_meta(run.model).inputs.mean, read_meta(run.model).inputs.std) == ([0.25] * 3, [0.5] * 3)
    kept = load_bundle(run.model).model.encoder.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in model.encoder.state_dict().items())
    assert not small_train(None, resume=run.folder, settings={**settings, "training.epochs": 2}).interrupted


@pytest.mark.slow
def test_a_time_budget_ends_the_training_with_a_model(cells: Path, small_train: Train, tmp_path: Path) -> None:
    run = small_train(cells, tmp_path / "run", settings={"training.epochs": None, "training.time": "3s"})
    record = json.loads((run.folder / "run.json").read_text())
    assert record["stopped"] == "time"
    assert run.model.is_file()
    rates = [line["lr"] for line in metrics(run.folder)]
    # On a busy machine the time may hold an epoch or two only, and half of it goes into validating them.
    assert len(rates) < 3 or rates[-1] < max(rates), "the schedule has run down when the time is over"


@pytest.mark.slow
def test_patience_ends_a_training_that_no_longer_improves(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {"training.epochs": 50, "training.patience": 2, "training.lr": 1e-12, "training.ema": 0.0}
    run = small_train(cells, tmp_path / "run", settings=settings)
    assert json.loads((run.folder / "run.json").read_text())["stopped"] == "patience"
    assert len(metrics(run.folder)) < 50


def test_running_out_of_memory_says_what_to_change(trained: Run) -> None:
    plan = Plan.from_yaml((trained.folder / "plan.yaml").read_text())
    with pytest.raises(ResourceError, match=r"training\.batch=2"), memory_errors(plan, TrainingState()):
        torch.empty(2**60)


class Printing(Silent):
    """Is interrupted while it prints, when nothing else can be printed."""

    def __init__(self) -> None:
        self.printing = False
        self.notes: list[str] = []

    def epoch(self, state: TrainingState) -> None:
        self.printing = True
        signal.raise_signal(signal.SIGINT)
        self.printing = False

    def note(self, text: str) -> None:
        if self.printing:
            raise RuntimeError("reentrant call")
        self.notes.append(text)


def test_a_signal_in_the_middle_of_printing_stops_as_any_other(cells: Path, small_train: Train, tmp_path: Path) -> None:
    run = small_train(cells, tmp_path / "run", settings={"training.epochs": 9}, reporter=(reporter := Printing()))
    assert run.interrupted
    assert [note for note in reporter.notes if note.startswith("Stopping")]
    assert len(metrics(run.folder)) == 1


class Listening(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.slow
def test_objects_that_resizing_makes_very_small_are_said(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {"training.epochs": 1, "data.fit": "resize", "data.size": [8, 8]}
    small_train(cells, tmp_path / "run", settings=settings, reporter=(reporter := Listening()))
    (note,) = [note for note in reporter.notes if note.startswith("Resizing")]
    assert "at 8×8" in note
    assert "data.fit=native" in note
