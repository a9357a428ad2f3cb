"""The collapse guard: what it measures, when it speaks, and what beginning once more gives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import limner as package
from limner.errors import ConfigError, TrainingError
from limner.training.collapse import Seen, has_collapsed
from limner.training.progress import Silent
from limner.workflow import attempts
from limner.workflow.train import Run

Train = Callable[..., Run]


def history(*predicted: float, losses: tuple[float, float] = (0.05, 0.05), true: float = 0.01) -> list[Seen]:
    both = zip(predicted, np.linspace(*losses, len(predicted)), strict=True)
    return [Seen(number, float(share), true, loss=float(loss)) for number, (share, loss) in enumerate(both, 1)]


@pytest.mark.parametrize(
    ("seen", "done", "steps", "expected"),
    [
        (history(0, 0, 0), 0.2, 500, True),
        (history(0.00009, 0.00005, 0.00001), 0.2, 500, True),
        (history(1, 1, 0.995), 0.2, 500, True),
        (history(1, 1, 1, true=0.98), 0.2, 500, False),  # pictures that are nearly all foreground
        (history(0, 0, 0, true=0.0), 0.2, 500, False),  # and those without any
        (history(0, 0, 0.0002), 0.2, 500, False),
        (history(0, 0, 0), 0.1, 500, False),  # the rate is still rising
        (history(0, 0, 0), 0.2, 99, False),
        (history(0, 0, 0, losses=(0.05, 0.04)), 0.2, 500, False),  # it still learns
        (history(0, 0, 0, losses=(0.05, 0.04)), 0.5, 500, True),  # but does not in half the time
        (history(0, 0, 0, losses=(0.05, 0.0495)), 0.2, 500, True),
    ],
)
def test_when_it_speaks(seen: list[Seen], done: float, steps: int, expected: bool) -> None:
    assert has_collapsed(seen, done, steps) is expected


def test_what_is_measured_is_what_was_predicted(trained: Run, cells: Path) -> None:
    lines = [json.loads(line) for line in (trained.folder / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((trained.folder / "data.json").read_text())
    with (trained.folder / "samples.csv").open() as file:
        names = [line.split(",")[0] for line in file if ",val," in line]
    masks = [np.asarray(Image.open(next((cells / "masks").glob(f"{name}*")))) > 0 for name in names]
    assert len(names) == summary["counts"]["val"]
    assert all(line["foreground_true"] == pytest.approx(np.mean(masks)) for line in lines)
    assert all(line["head_gradient"] > 0 and line["head_spread"] > 0 for line in lines)
    # `best.ckpt` is the model; at a threshold of one half it predicts what was counted.
    best = lines[lines[-1]["best_epoch"] - 1]
    model = package.load(trained.folder)
    probs = [model.predict(next((cells / "images").glob(f"{name}*"))).probs["mask"] for name in names]
    assert best["foreground_predicted"] == pytest.approx(np.mean([one >= 0.5 for one in probs]), abs=0.002)


def tiny_objects(folder: Path) -> Path:
    """Two squares of sixteen pixels in each picture: 0.8 % of it."""
    random = np.random.default_rng(0)
    for number in range(24):
        mask, image = np.zeros((64, 64), np.uint8), random.normal(60, 12, (64, 64))
        for top, left in random.integers(0, 60, (2, 2)):
            mask[top : top + 4, left : left + 4] = 255
            image[top : top + 4, left : left + 4] += 120
        for name, array in (("images", np.clip(image, 0, 255).astype(np.uint8)), ("masks", mask)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / name / f"{number:02}.png")
    return folder


COLLAPSING: dict[str, Any] = {
    "training.epochs": 8,
    "training.steps_per_epoch": 25,
    "training.loss": "bce",
    "training.lr": 3.0,
    "training.schedule": "constant",
    "training.previews": 0,
    "data.size": [64, 64],
}
"""A rate at which the network dies, and a loss that is small where nothing is predicted."""


class Heard(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.slow
def test_a_collapse_stops_the_training_and_beginning_again_helps(small_train: Train, tmp_path: Path) -> None:
    data, run = tiny_objects(tmp_path / "data"), tmp_path / "run"
    with pytest.raises(TrainingError, match=r"0\.00% of the pixels .* where 0\.\d\d% are") as error:
        small_train(data, run, settings=COLLAPSING)
    assert "the loss bce is small already" in error.value.found
    assert "1,500 times the usual one" in error.value.found
    assert """--auto-fix, which tries 'training.loss={"mask": "bce+dice"}' training.lr=0.002""" in error.value.remedy
    assert json.loads((run / "run.json").read_text())["status"] == "collapsed"
    epochs = len((run / "metrics.jsonl").read_text().splitlines())
    assert 4 <= epochs < 8
    assert (run / "report.html").is_file()
    with pytest.raises(TrainingError, match="a collapse"):
        small_train(None, resume=run, settings={"training.epochs": 8})
    assert len((run / "metrics.jsonl").read_text().splitlines()) == epochs

    # The same run, begun once more.
    fixed = small_train(None, resume=run, settings={"training.epochs": 8, "training.auto_fix": True})
    first, second = (
        [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
        for place in (run / "attempts" / "1", run)
    )
    assert (len(first), len(second)) == (epochs, 8)
    assert max(line["val_dice"] for line in second) > 0.5 > 10 * first[-1]["val_dice"]
    assert fixed.summary is not None
    assert fixed.summary["n_images"] == 4
    assert "value: bce+dice" not in (run / "attempts" / "1" / "plan.yaml").read_text()
    assert not (run / "collapse.json").exists()
    assert "auto_fix: true" in (run / "config.yaml").read_text()
    assert "lr: 3.0" in (run / "config.yaml").read_text(), "what the user said is kept"
    assert package.verify(run).same

    # Both attempts are in the report, each with the numbers of its own files.
    page = (run / "report.html").read_text()
    section = page[page.index("<h3>Attempts</h3>") : page.index("<h3>The last attempt</h3>")]
    cells = [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>.*?</t[hd]>", section)]
    kept = [max(lines, key=lambda line: line["val_dice"]) for lines in (first, second)]
    assert cells[5:10] == ["1", str(epochs), f"{kept[0]['val_dice']:.3f}", "mask: bce", "3"]
    assert cells[10:12] == ["2", "8"]
    assert cells[12] == f"{kept[1]['val_dice']:.3f}"
    assert cells[13] == "mask: bce+dice"
    assert float(cells[14]) == 0.002
    assert json.loads((run / "attempts" / "1" / "attempt.json").read_text())["diagnosis"] in section.replace(
        "&#39;", "'"
    )


def test_a_kill_while_the_first_attempt_is_put_aside_is_made_good(tmp_path: Path) -> None:
    place = tmp_path / "attempts" / "1"
    place.mkdir(parents=True)
    (tmp_path / "metrics.jsonl").write_text("{}")
    (tmp_path / "collapse.json").write_text("of the second attempt")
    (place / "collapse.json").write_text("of the first")
    assert not attempts._interrupted(tmp_path)
    (tmp_path / "collapse.json").write_text("of the first")
    assert attempts._interrupted(tmp_path)
    attempts._clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["attempts"]
    assert not attempts._interrupted(tmp_path)


def test_phases_have_losses_of_their_own(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {"training.phases": [{"epochs": 1}], "training.epochs": None, "training.auto_fix": True}
    with pytest.raises(ConfigError, match=r"auto_fix and training\.phases"):
        small_train(cells, tmp_path / "run", settings=settings)
