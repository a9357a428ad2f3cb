"""Phases, frozen branches and several targets: what is carried over, and what stands still."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

import limner
from limner.bundle import read_meta
from limner.errors import ConfigError
from limner.training.phases import Course, Phase
from limner.training.progress import Silent
from limner.training.state import TrainingState
from limner.workflow.train import Run

pytestmark = pytest.mark.slow

Train = Callable[..., Run]

PHASES: dict[str, Any] = {
    "training.epochs": None,
    "training.batch": None,
    "data.size": None,
    "training.phases": [
        {"size": 16, "batch": 4, "epochs": 2},
        {"size": [32, 24], "batch": 2, "epochs": 2, "lr": 0.001},
    ],
}
BRANCHES = {"model.shared_levels": 1, "model.dropout": 0.2}


class StopAfter(Silent):
    """Presses Ctrl-C when an epoch has ended; so the training stops one step into the next."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def epoch(self, state: TrainingState) -> None:
        if state.epoch == self._epoch:
            os.kill(os.getpid(), signal.SIGINT)


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    checkpoint = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return dict(checkpoint["state_dict"])


def phase(**changes: object) -> Phase:
    values = {"size": (8, 8), "batch": 2, "passes": 1, "steps": 4, "epochs": 2, "lr": 0.1, "losses": {}}
    return Phase(**(values | {"target_weights": {}, "freeze": ()} | changes))


def test_an_epoch_belongs_to_the_phase_it_lies_in() -> None:
    course = Course((phase(epochs=2), phase(epochs=1), phase(epochs=3)))
    assert [course.number(epoch) for epoch in range(8)] == [0, 0, 1, 2, 2, 2, 2, 2]
    assert [course.begin(number) for number in range(3)] == [0, 2, 3]
    assert (course.epochs, course.steps) == (6, 24)


def test_the_schedule_runs_once_in_each_phase() -> None:
    course = Course((phase(lr=0.1), phase(lr=0.5, epochs=1)))
    rates = [course.rate(lambda done, epoch: 1 - done, TrainingState(epoch=step // 4, step=step)) for step in range(12)]
    assert rates == pytest.approx([*(0.1 * (1 - step / 8) for step in range(8)), 0.5, 0.375, 0.25, 0.125])


def test_phases_carry_everything_over_and_the_bundle_is_of_the_last(
    cells: Path, small_train: Train, tmp_path: Path
) -> None:
    run = small_train(cells, tmp_path / "run", settings=PHASES)
    lines = metrics(run.folder)
    assert [line["phase"] for line in lines] == [1, 1, 2, 2]
    assert [line["step"] for line in lines] == [2, 4, 8, 12], "9 training samples in batches of 4, then of 2"
    assert lines[-1]["best_epoch"] > 2, "the second phase has a best of its own"
    meta = read_meta(run.model)
    assert meta.inputs.size == (32, 24)
    assert meta.scores["epoch"] == lines[-1]["best_epoch"]
    optimizer = torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"][0]
    assert {int(state["step"]) for state in optimizer["state"].values()} == {12}, "one optimiser, for all phases"
    plan = yaml.safe_load((run.folder / "plan.yaml").read_text())
    assert [item["size"] for item in plan["phases"]["value"]] == [[16, 16], [32, 24]]
    assert "go" in plan["phases"]["because"]
    assert plan["epochs"] == {"value": 4, "because": "of all phases"}


def frozen_in_the_second() -> dict[str, Any]:
    first, second = PHASES["training.phases"]
    return PHASES | BRANCHES | {"training.phases": [first, {**second, "freeze": ["mask"]}]}


@pytest.fixture(scope="module")
def unbroken(two_targets: Path, small_train: Train, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_train(two_targets, tmp_path_factory.mktemp("phases") / "run", settings=frozen_in_the_second())


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_run_stopped_in_any_phase_goes_on_to_the_same_weights(
    two_targets: Path, unbroken: Run, small_train: Train, tmp_path: Path, epoch: int
) -> None:
    settings = frozen_in_the_second()
    stopped = small_train(two_targets, tmp_path / "run", settings=settings, reporter=StopAfter(epoch))
    assert stopped.interrupted
    resumed = small_train(None, settings=settings, resume=tmp_path / "run")
    expected, actual = weights(unbroken.folder), weights(resumed.folder)
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)
    assert metrics(resumed.folder)[-1]["val_dice"] == metrics(unbroken.folder)[-1]["val_dice"]
    assert resumed.summary == unbroken.summary


def test_a_frozen_branch_stays_bit_for_bit_while_the_rest_learns(
    two_targets: Path, small_train: Train, tmp_path: Path
) -> None:
    class KeepFirstPhase(Silent):
        def epoch(self, state: TrainingState) -> None:
            if state.epoch == 2:
                before["model"] = load_file(tmp_path / "run" / "model.safetensors")

        def stage(self, name: str, done: int, total: int) -> None:
            # The validation of the third epoch: the checkpoint of the second is still there.
            if name == "validate" and before and "last" not in before and (tmp_path / "run/checkpoints").is_dir():
                before["last"] = weights(tmp_path / "run")

    before: dict[str, dict[str, torch.Tensor]] = {}
    phases = [{"size": 16, "batch": 4, "epochs": 2}, {"size": 32, "batch": 2, "epochs": 2, "freeze": ["mask"]}]
    settings = PHASES | BRANCHES | {"training.phases": phases, "training.weight_decay": 0.1}
    run = small_train(two_targets, tmp_path / "run", settings=settings, reporter=KeepFirstPhase())
    after = weights(run.folder)
    frozen = [name for name in after if ".branches.to_mask." in name]
    others = [name for name in after if ".to_mask." not in name and after[name].is_floating_point()]
    assert any("running_mean" in name for name in frozen)
    assert any(name.startswith("average.") for name in frozen)
    assert all(torch.equal(after[name], before["last"][name]) for name in frozen)
    assert not any(torch.equal(after[name], before["last"][name]) for name in others)
    assert all(line["train_loss_mask"] is not None for line in metrics(run.folder)), "it is told all the same"
    third = metrics(run.folder)[2]
    assert third["train_loss"] == pytest.approx(third["train_loss_core"])


def test_weights_of_targets_weigh_their_losses(two_targets: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {"training.epochs": 1, "training.target_weights": {"core": 0.25}, "training.loss": {"core": "focal"}}
    run = small_train(two_targets, tmp_path / "run", settings=settings)
    line = metrics(run.folder)[0]
    assert line["train_loss"] == pytest.approx(line["train_loss_mask"] + 0.25 * line["train_loss_core"], rel=1e-5)
    plan = yaml.safe_load((run.folder / "plan.yaml").read_text())
    assert plan["losses"]["value"] == {"mask": "bce+dice", "core": "focal"}


def test_a_frozen_encoder_keeps_its_weights(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {
        "model.name": "encoder_unet",
        "model.encoder": "mobilenetv2_035",
        "model.decoder_sizes": [8, 8, 8, 8, 8],
        "model.conv_sizes": None,
        "model.pretrained": False,
        "training.epochs": None,
        "training.phases": [{"epochs": 1}, {"epochs": 1, "freeze": ["encoder"]}],
    }
    kept: list[dict[str, torch.Tensor]] = []

    class Keep(Silent):
        def stage(self, name: str, done: int, total: int) -> None:
            if name == "validate" and done == 1:
                kept.append(weights(tmp_path / "run"))

    run = small_train(cells, tmp_path / "run", settings=settings, reporter=Keep())
    # Checkpoints from before the first step, and of the first epoch.
    _, before = kept
    after = weights(run.folder)
    assert all(torch.equal(before[name], after[name]) for name in before if ".encoder." in name)
    assert not torch.equal(before["model.heads.0.convs.to_mask.weight"], after["model.heads.0.convs.to_mask.weight"])


def test_depth_learns_beside_the_mask_and_comes_out_in_its_unit(
    with_depth: Path, small_train: Train, tmp_path: Path
) -> None:
    settings = {
        **BRANCHES,
        "model.up": "bilinear",
        "data.targets": {"depth": {"task": "regression", "unit": "mm", "factor": 0.01}},
        "training.optimizer": "sgd",
        "training.target_weights": {"depth": 4.0},
        **PHASES,
        "training.phases": [{"size": 32, "batch": 4, "epochs": 6}, {"size": 48, "batch": 4, "epochs": 1, "lr": 0.01}],
    }
    run = small_train(with_depth, tmp_path / "run", settings=settings)
    lines = metrics(run.folder)
    assert lines[5]["train_loss_depth"] < 0.9 * lines[0]["train_loss_depth"]
    assert lines[0]["train_loss_depth"] < 1, "compared on the scale 0 to 1, and what is unknown takes no part"
    assert all(line["val_mae"] > 0 and line["val_score"] <= 1 for line in lines)
    plan = yaml.safe_load((run.folder / "plan.yaml").read_text())
    assert plan["losses"]["value"] == {"mask": "bce+dice", "depth": "l1"}
    image = next(line.split(",")[1] for line in with_depth.read_text().splitlines()[1:])
    depth = limner.load(run.folder).predict(image).values["depth"]
    assert depth.shape == (256, 256)
    assert -20 < depth.mean() < 60, "millimetres, not the hundred times larger stored numbers"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"training.freeze": ["mask"]}, r"model\.shared_levels"),
        ({"training.freeze": ["maks"], **BRANCHES}, "Did you mean 'mask'"),
        ({"training.freeze": ["mask", "core"], **BRANCHES}, "a target that learns"),
        ({"training.freeze": ["encoder"]}, "encoder_unet"),
        ({"training.target_weights": {"dept": 1.0}}, "training.target_weights names targets"),
        ({"training.loss": {"depth": "bce"}}, "training.loss names targets"),
        ({**PHASES, "training.epochs": 3}, "epochs"),
        ({**PHASES, "training.batch": 3}, "batch"),
        ({**PHASES, "training.time": "5m"}, "time"),
        ({**PHASES, "training.phases": [{"epochs": 1, "freeze": ["mask"]}]}, r"model\.shared_levels"),
        ({**PHASES, "training.phases": [{"epoch": 1}]}, "epoch"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_before_anything_is_written(
    two_targets: Path, small_train: Train, tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        small_train(two_targets, tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()
