"""A training in folds: a run for each, every sample scored by the model that did not see it, and going on."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import limner
from limner.data.catalog import Catalog
from limner.errors import ConfigError, DataError
from limner.evaluation.properties import read_properties
from limner.training.progress import Silent
from limner.training.state import TrainingState

pytestmark = pytest.mark.slow

Train = Callable[..., limner.Run]


@pytest.fixture(scope="module")
def in_folds(cells: Path, small_train: Train, tmp_path_factory: pytest.TempPathFactory) -> limner.Run:
    """Three folds of ten cells, two test samples apart; read it, do not write into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        settings = {"data.folds": 3, "data.test": 2, "training.epochs": 1, "time": "6m"}
        return small_train(cells, tmp_path_factory.mktemp("runs") / "cells", settings=settings)


def scores(table: Path) -> dict[str, str]:
    """Dice of the cells by sample."""
    with table.open(encoding="utf-8") as file:
        return {row["id"]: row["dice"] for row in csv.DictReader(file) if row["class"] == "foreground"}


def test_every_sample_is_scored_by_the_model_that_did_not_see_it(in_folds: limner.Run) -> None:
    catalog = Catalog.load(in_folds.folder / "samples.csv")
    assert catalog.split_counts() == {"train": 10, "val": 0, "test": 2}
    joined: dict[str, str] = {}
    for fold in range(3):
        run = in_folds.folder / "folds" / str(fold)
        own = Catalog.load(run / "samples.csv")
        val = {own.ids[index] for index in own.indices("val")}
        assert val == {
            name for name, other in zip(catalog.ids, catalog.facts["fold"], strict=True) if other == str(fold)
        }
        found = scores(run / "evaluation" / "per_image.csv")
        assert set(found) == val
        joined |= found
        assert limner.load(run).meta.data.splits == {"train": 10 - len(val), "val": len(val), "test": 2}
    assert scores(in_folds.folder / "evaluation" / "per_image.csv") == joined
    assert len(joined) == 10
    assert set(read_properties(in_folds.folder / "evaluation" / "properties.csv")) == set(joined)


def test_the_summary_is_of_all_samples_and_says_how_far_folds_differ(in_folds: limner.Run) -> None:
    summary = json.loads((in_folds.folder / "evaluation" / "summary.json").read_text())
    assert summary == in_folds.summary
    assert (summary["n_images"], summary["split"]) == (10, "out-of-fold")
    means = [fold["targets"]["mask"]["dice"] for fold in summary["folds"]]
    own = [run.summary["targets"]["mask"]["mean"]["dice"] for run in in_folds.folds]
    assert means == own
    spread = {"mean": statistics.fmean(own), "std": statistics.stdev(own), "min": min(own), "max": max(own)}
    assert summary["spread"]["mask"]["dice"] == spread
    values = [float(value) for value in scores(in_folds.folder / "evaluation" / "per_image.csv").values()]
    assert summary["targets"]["mask"]["mean"]["dice"] == pytest.approx(statistics.fmean(values))


def test_the_budget_is_divided_and_each_fold_is_a_run_of_its_own(in_folds: limner.Run) -> None:
    config = (in_folds.folder / "folds" / "1" / "config.yaml").read_text()
    assert "time: 120s" in config
    assert "folds" not in config
    page = (in_folds.folder / "report.html").read_text()
    assert 'href="folds/2/report.html"' in page
    assert "3 models were trained" in page
    assert (in_folds.folder / "folds" / "2" / "report.html").is_file()


def test_the_model_is_the_ensemble_of_the_folds(in_folds: limner.Run, cells: Path) -> None:
    assert in_folds.model == in_folds.folder / "model.safetensors"
    model = limner.load(in_folds.folder)
    assert (model.meta.model.members, model.meta.data.splits) == (3, {"train": 10, "val": 0, "test": 2})
    picture = min((cells / "images").iterdir())
    each = [limner.load(run.folder).predict(picture).probs["mask"] for run in in_folds.folds]
    assert np.abs(each[0] - each[1]).max() > 0
    np.testing.assert_allclose(model.predict(picture).probs["mask"], np.mean(each, axis=0), atol=1e-5)


def test_only_the_ensemble_knows_the_training_pictures(in_folds: limner.Run) -> None:
    whole, *folds = (limner.load(run.folder).meta for run in (in_folds, *in_folds.folds))
    assert whole.familiar is not None
    assert len(whole.familiar.features) == 10
    assert whole.planted is not None
    assert [(fold.familiar, fold.planted) for fold in folds] == [(None, None)] * 3


def test_the_ensemble_is_scored_on_samples_that_no_fold_saw_and_on_no_others(in_folds: limner.Run) -> None:
    summary = json.loads((in_folds.folder / "evaluation-test" / "summary.json").read_text())
    assert (summary["n_images"], summary["split"]) == (2, "test")
    assert "On 2 test images, which no fold saw, its mean Dice is" in (in_folds.folder / "report.html").read_text()
    with pytest.raises(DataError, match=r"(?s)no network of the ensemble.*train samples, each of them seen"):
        limner.evaluate(in_folds.folder, split="train")


def test_steps_after_the_threshold_are_tried_and_what_was_found_is_kept(in_folds: limner.Run) -> None:
    found = json.loads((in_folds.folder / "post_processing.json").read_text())
    assert found["n_images"] == 10
    assert {trial["step"] for trial in found["trials"]} == {"fill_holes", "largest", "min_area"}
    assert found["steps"] == [step.model_dump() for step in limner.load(in_folds.folder).meta.post_processing]
    assert "Steps after the threshold" in (in_folds.folder / "report.html").read_text()


def test_validation_samples_besides_folds_are_refused() -> None:
    with pytest.raises(ConfigError, match="no share of val samples"):
        limner.train("anywhere", settings={"data.folds": 3, "data.val": 0.2})


class Hasty(Silent):
    """Presses Ctrl-C after the first epoch of the second fold; keeps what is said."""

    def __init__(self, *, stop: bool) -> None:
        self.said: list[str] = []
        self.stop = stop

    def epoch(self, state: TrainingState) -> None:
        if self.stop and [text for text in self.said if text.startswith("Fold ")][-1].startswith("Fold 1"):
            self.stop = False
            os.kill(os.getpid(), signal.SIGINT)

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.slow
def test_an_interrupted_training_goes_on_with_the_fold_it_was_in(
    cells: Path, small_train: Train, tmp_path: Path
) -> None:
    settings = {"data.folds": 3, "training.epochs": 2}
    run = small_train(cells, tmp_path / "run", settings=settings, reporter=Hasty(stop=True))
    assert (run.interrupted, run.summary, len(run.folds)) == (True, None, 2)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    first = (tmp_path / "run" / "folds" / "0" / "model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "run" / "folds" / "2", ignore_errors=True)
    hasty = Hasty(stop=False)
    run = limner.train(resume=tmp_path / "run", reporter=hasty)
    assert not run.interrupted
    assert hasty.said[0] == "Fold 0 (1 of 3) is finished."
    assert (tmp_path / "run" / "folds" / "0" / "model.safetensors").read_bytes() == first
    unbroken = small_train(cells, tmp_path / "other", settings=settings)
    assert run.summary == unbroken.summary
