"""Two pictures in, a mask and a depth out: from a table of files to report and predictions."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import limner
from limner.cli import main
from limner.images import read_image, write_image

TARGETS = {"depth": {"task": "regression", "unit": "m", "factor": 0.001, "ignore_values": [0]}}
SIZE = 32


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine composites of a disc on three backgrounds, with masks and depths in millimetres; 0 is unknown."""
    folder = tmp_path_factory.mktemp("depths")
    rng = np.random.default_rng(0)
    down, right = np.mgrid[:SIZE, :SIZE]
    rows = [["id", "group", "input.background", "input.composite", "mask", "depth"]]
    for number in range(9):
        room = number // 3
        background = np.random.default_rng(room).integers(60, 120, (SIZE, SIZE, 3), np.uint8)
        disc = (down - rng.integers(8, 24)) ** 2 + (right - rng.integers(8, 24)) ** 2 < 36
        depth = np.where(disc, 1500, 4000 - 60 * down).astype(np.uint16)
        depth[:2, :2] = 0
        name = f"{number}.png"
        write_image(folder / "background" / f"room{room}.png", background)
        write_image(folder / "composite" / name, np.where(disc[..., None], np.uint8(230), background))
        write_image(folder / "mask" / name, disc[..., None] * np.uint8(255))
        write_image(folder / "depth" / name, depth[..., None])
        files = [f"background/room{room}.png", *(f"{kind}/{name}" for kind in ("composite", "mask", "depth"))]
        rows.append([f"s{number}", f"room{room}", *files])
    with (folder / "samples.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, small_train: Callable[..., limner.Run], tmp_path_factory: pytest.TempPathFactory) -> limner.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        out = tmp_path_factory.mktemp("runs") / "depths"
        return small_train(data / "samples.csv", out, settings={"data.targets": TARGETS, "training.lr": 1e-3})


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command in this process and gives what it printed."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["limner", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        assert not end.value.code, captured.err
        return captured.out

    return run


def test_a_run_scores_the_mask_and_the_depth(run: limner.Run) -> None:
    targets = run.summary["targets"]
    assert (targets["mask"]["task"], targets["depth"]["task"], targets["depth"]["unit"]) == (
        "binary",
        "regression",
        "m",
    )
    assert targets["depth"]["n_pixels"] == 3 * (SIZE * SIZE - 4)
    assert targets["depth"]["mean"]["rmse"] >= targets["depth"]["mean"]["mae"] > 0
    with (run.folder / "evaluation" / "per_image.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["target"] == "depth"]
    assert [row["class"] for row in rows] == [""] * 3
    mean = np.mean([float(row["rmse"]) for row in rows])
    assert mean == pytest.approx(targets["depth"]["mean"]["rmse"])
    assert targets["depth"]["intervals"]["rmse"] == {"low": None, "high": None, "n": 1}  # a single room


def test_epochs_are_compared_by_both_targets(run: limner.Run) -> None:
    epochs = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert {"val_dice", "val_iou", "val_rmse", "val_mae", "val_score"} <= set(epochs[0])
    best = max(epochs, key=lambda epoch: epoch["val_score"])
    assert epochs[-1]["best_epoch"] == best["epoch"]


def test_the_report_has_the_errors_with_their_unit(run: limner.Run) -> None:
    page = run.report.read_text()
    for words in (
        "RMSE in m on 3 test images",
        "δ &lt; 1.25",
        "depth: mean over images",
        "errors of depth",
        "× 0.001 m",
    ):
        assert words in page
    assert page.count("<figcaption>truth of depth") == page.count("<figcaption>background") == 3


def test_a_model_knows_its_inputs_and_answers_in_metres(run: limner.Run, data: Path) -> None:
    model = limner.load(run.folder)
    assert model.meta.inputs.parts == {"background": 3, "composite": 3}
    spec = model.meta.targets["depth"]
    assert (spec.unit, spec.high) == ("m", 4.0)
    assert 1.4 < spec.low < 2.2
    given = {"background": data / "background" / "room0.png", "composite": data / "composite" / "0.png"}
    prediction = model.predict(given)
    assert prediction.mask.shape == prediction.values["depth"].shape == (SIZE, SIZE)


def test_the_command_line_predicts_with_one_file_for_all(
    run: limner.Run, data: Path, tmp_path: Path, command: Callable[..., str]
) -> None:
    room, composites = data / "background" / "room1.png", data / "composite"
    inputs = ["--input", f"background={room}", "--input", f"composite={composites}"]
    assert "18 files written" in command("predict", run.folder, *inputs, "-o", tmp_path / "out", "--overlay")
    depth = read_image(str(tmp_path / "out" / "depth" / "4.tif"))
    assert depth.dtype == np.float32
    drawn = read_image(str(tmp_path / "out" / "overlays" / "depth" / "4_overlay.png"))
    assert drawn.shape[0] == SIZE
    assert drawn.shape[1] > SIZE


def test_the_training_data_can_be_named_as_they_are(run: limner.Run, data: Path, tmp_path: Path) -> None:
    result = limner.predict(run.folder, [data / "samples.csv"], tmp_path / "out")
    assert len(result.written) == 18
    assert (tmp_path / "out" / "mask" / "s8.png").is_file()


def test_other_data_are_scored_as_the_model_learned_them(
    run: limner.Run, data: Path, tmp_path: Path, command: Callable[..., str]
) -> None:
    found = limner.evaluate(run.folder, data / "samples.csv", out=tmp_path / "out")
    assert found.summary["n_images"] == 9
    assert found.summary["targets"]["depth"]["n_unknown"] == 0
    said = command("evaluate", run.folder, data / "samples.csv", "-o", tmp_path / "again")
    assert "RMSE (m)" in said
    assert "δ < 1.25" in said


def test_augmentation_is_shown_of_both_targets(data: Path, tmp_path: Path) -> None:
    sheet = limner.show(
        data / "samples.csv", out=tmp_path / "sheet.png", count=1, overrides=[f"data.targets={json.dumps(TARGETS)}"]
    )
    height, width = read_image(str(sheet)).shape[:2]
    assert 0.4 < height / width < 0.8


def test_numbers_alone_can_be_learned(data: Path, small_train: Callable[..., limner.Run], tmp_path: Path) -> None:
    lines = ["image,depth"] + [f"composite/{number}.png,depth/{number}.png" for number in range(9)]
    (data / "depths.csv").write_text("\n".join(lines))
    run = small_train(data / "depths.csv", tmp_path / "run", settings={"data.targets": TARGETS, "training.epochs": 1})
    assert set(run.summary["targets"]) == {"depth"}
    assert "Dice" not in run.summary["policy"]
    assert "Errors</h2>" in run.report.read_text()
