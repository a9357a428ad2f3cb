"""Candidates and seeds: the same samples for all, chosen in validation, scored on test, and gone on with."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import limner
from limner.data.catalog import Catalog
from limner.errors import ConfigError
from limner.evaluation.compare import compare, sentence
from limner.training.progress import Silent
from limner.training.state import TrainingState

pytestmark = pytest.mark.slow

Train = Callable[..., limner.Run]

SETTINGS = {"data.val": 4, "data.test": 3, "training.epochs": 1, "training.steps_per_epoch": 1}
NAMES = ("unet", "improved_unet-lr=0.01")


@pytest.fixture(scope="module")
def compared(cells: Path, small_train: Train, tmp_path_factory: pytest.TempPathFactory) -> limner.Run:
    """Two candidates with two seeds each; read it, do not write into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        settings = SETTINGS | {"compare": "unet, improved_unet lr=0.01", "repeats": 2, "time": "8m"}
        return small_train(cells, tmp_path_factory.mktemp("runs") / "cells", settings=settings)


@pytest.fixture
def copied(compared: limner.Run, tmp_path: Path) -> Path:
    """A copy of its folder to write into."""
    return Path(shutil.copytree(compared.folder, tmp_path / "cells"))


def rows(place: Path) -> Iterator[dict[str, str]]:
    """Lines of the cells in an evaluation."""
    with (place / "per_image.csv").open(encoding="utf-8") as file:
        yield from (row for row in csv.DictReader(file) if row["class"] == "foreground")


def mean_dice(place: Path) -> float:
    return statistics.fmean(float(row["dice"]) for row in rows(place))


def trainings(folder: Path) -> dict[str, list[Path]]:
    return {name: [folder / "candidates" / name / "repeats" / str(seed) for seed in range(2)] for name in NAMES}


def test_all_are_trained_alike_on_the_same_samples(compared: limner.Run) -> None:
    catalog = Catalog.load(compared.folder / "samples.csv")
    assert catalog.split_counts() == {"train": 5, "val": 4, "test": 3}
    for name, places in trainings(compared.folder).items():
        for seed, place in enumerate(places):
            own = Catalog.load(place / "samples.csv")
            assert (own.ids, own.splits) == (catalog.ids, catalog.splits)
            config = (place / "config.yaml").read_text()
            assert "time: 120s" in config
            assert f"seed: {seed}\n" in config
            assert ("lr: 0.01" in config) == (name != "unet")
            assert ("name: improved_unet" in config) == (name != "unet")


def test_the_verdict_is_that_of_compare_on_the_validation_samples(compared: limner.Run) -> None:
    found = compared.to_dict()["candidates"]
    places = [compared.folder / "candidates" / name for name in NAMES]
    by_hand = {name: statistics.fmean(mean_dice(place / "evaluation") for place in seeds)
               for name, seeds in trainings(compared.folder).items()}  # fmt: skip
    assert {entry["name"]: entry["mean"] for entry in found["candidates"]} == pytest.approx(by_hand)
    assert found["kept"] == max(by_hand, key=lambda name: by_hand[name])
    assert found["verdict"].startswith(sentence(compare(places)))
    assert (found["split"], found["n_images"]) == ("val", 4)
    own = {row["id"] for row in rows(trainings(compared.folder)["unet"][0] / "evaluation")}
    catalog = Catalog.load(compared.folder / "samples.csv")
    assert own == {catalog.ids[index] for index in catalog.indices("val")}


def test_only_the_one_that_is_kept_is_scored_on_test(compared: limner.Run) -> None:
    kept = compared.found["candidates"]["kept"]
    for name, places in trainings(compared.folder).items():
        assert all((place / "evaluation-test").is_dir() == (name == kept) for place in places)
    assert compared.summary is not None
    assert (compared.summary["split"], compared.summary["n_images"]) == ("test", 3)
    best = compared.folder / compared.found["repeats"]["kept"]
    assert compared.summary == json.loads((best / "evaluation-test" / "summary.json").read_text())
    assert compared.model is not None
    assert compared.model.read_bytes() == (best / "model.safetensors").read_bytes()
    assert limner.load(compared.folder).meta.data.splits == {"train": 5, "val": 4, "test": 3}


def test_only_the_one_that_is_kept_knows_the_training_pictures(compared: limner.Run) -> None:
    kept = compared.folder / compared.found["repeats"]["kept"]
    knowing = {
        place for places in trainings(compared.folder).values() for place in places if limner.load(place).meta.familiar
    }
    assert knowing == {kept}
    familiar = limner.load(compared.folder).meta.familiar
    assert familiar is not None
    assert len(familiar.features) == 5


def set_validation(folder: Path, dice: dict[str, float]) -> None:
    """Rewrite what the candidates scored in validation."""
    for name, places in trainings(folder).items():
        for place in (each / "evaluation" / "per_image.csv" for each in places):
            with place.open(encoding="utf-8") as file:
                lines = list(csv.DictReader(file))
            with place.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(lines[0]))
                writer.writeheader()
                writer.writerows(line | {"dice": str(dice[name])} for line in lines)


def test_validation_chooses_whatever_the_test_says(copied: Path) -> None:
    tested = {}
    for best, other in (NAMES, NAMES[::-1]):
        set_validation(copied, {best: 0.8, other: 0.7})
        run = limner.train(resume=copied)
        assert run.found["candidates"]["kept"] == best
        assert run.summary is not None
        tested[best] = run.summary["targets"]["mask"]["mean"]["dice"]
    # In one of the two cases the one that is worse on test was kept.
    assert len(set(tested.values())) == 2


def test_the_spread_over_seeds_is_of_test_samples_and_kept_is_the_best_in_validation(compared: limner.Run) -> None:
    found = compared.found["repeats"]
    places = trainings(compared.folder)[compared.found["candidates"]["kept"]]
    dice = [mean_dice(place / "evaluation-test") for place in places]
    assert dice[0] != dice[1]
    assert [entry["targets"]["mask"]["dice"] for entry in found["repeats"]] == pytest.approx(dice)
    expected = {"mean": statistics.fmean(dice), "std": statistics.stdev(dice), "min": min(dice), "max": max(dice)}
    assert found["spread"]["mask"]["dice"] == pytest.approx(expected)
    scores = [json.loads((place / "metrics.jsonl").read_text())["val_dice"] for place in places]
    assert compared.folder / found["kept"] == places[scores.index(max(scores))]


def test_the_report_shows_candidates_and_seeds(compared: limner.Run) -> None:
    page = (compared.folder / "report.html").read_text()
    assert compared.found["candidates"]["verdict"] in page
    for place in ("candidates/unet/report.html", "candidates/improved_unet-lr%3D0.01/report.html"):
        assert f'href="{place}"' in page
    assert "The validation samples also chose each candidate&#39;s epoch" in page
    assert 'href="#repeats">Seeds' in page
    assert "No test samples" not in (compared.folder / "candidates" / "unet" / "report.html").read_text()


def test_the_command_prints_and_gives_what_was_found(limner: Callable[..., Any], copied: Path) -> None:
    result = limner("train", "--resume", copied)
    assert result.code == 0
    assert "Candidates: mean Dice on 4 validation pictures" in result.out
    assert "seeds on the same 3 test pictures" in result.out
    assert "is finished." in result.err
    found = limner("train", "--resume", copied, "--json").json
    assert found["candidates"]["verdict"] in result.out
    assert [entry["seed"] for entry in found["repeats"]["repeats"]] == [0, 1]
    table = [copied / "candidates" / name for name in NAMES]
    assert limner("compare", *table, "--json").json["runs"][0]["run"] == found["candidates"]["kept"]


def test_a_repeat_is_what_the_seed_alone_would_give(
    cells: Path, small_train: Train, trained: limner.Run, tmp_path: Path
) -> None:
    run = small_train(cells, tmp_path / "run", settings={"repeats": 2})
    assert run.repeats[0].summary == trained.summary
    assert run.repeats[1].summary != trained.summary
    assert run.summary in [each.summary for each in run.repeats]
    known = [limner.load(each.folder).meta.familiar is not None for each in (run, *run.repeats)]
    assert known[0]
    assert sorted(known[1:]) == [False, True]
    with pytest.raises(ConfigError, match="when the run"):
        limner.train(resume=tmp_path / "run", settings={"repeats": 3})


class Hasty(Silent):
    """Stops a training: at the beginning of a part as a kill would, or with Ctrl-C after an epoch of it."""

    def __init__(self, part: str, *, within: bool) -> None:
        self.said: list[str] = []
        self.now, self.part_to_stop, self.within = "", part, within

    def part(self, title: str) -> None:
        self.now = title
        if title.startswith(self.part_to_stop) and not self.within:
            raise RuntimeError("killed")

    def epoch(self, state: TrainingState) -> None:
        if self.now.startswith(self.part_to_stop) and state.epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.slow
def test_a_stopped_comparison_goes_on_with_the_part_it_was_in(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = SETTINGS | {"compare": "unet,improved_unet,unet loss=dice", "training.epochs": 2}
    folder = tmp_path / "run"
    with pytest.raises(RuntimeError):
        small_train(cells, folder, settings=settings, reporter=Hasty("Candidate improved_unet", within=False))
    first = (folder / "candidates" / "unet" / "run.json").read_bytes()
    run = limner.train(resume=folder, reporter=Hasty("Candidate improved_unet", within=True))
    assert (run.interrupted, run.summary, len(run.candidates)) == (True, None, 2)
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    hasty = Hasty("nothing", within=False)
    run = limner.train(resume=folder, reporter=hasty)
    assert hasty.said[0] == "Candidate unet (1 of 3) is finished."
    assert (folder / "candidates" / "unet" / "run.json").read_bytes() == first
    unbroken = small_train(cells, tmp_path / "other", settings=settings)
    assert run.summary == unbroken.summary
    assert [entry["mean"] for entry in run.found["candidates"]["candidates"]] == [
        entry["mean"] for entry in unbroken.found["candidates"]["candidates"]
    ]


@pytest.mark.slow
def test_candidates_in_folds_are_compared_on_all_samples(cells: Path, small_train: Train, tmp_path: Path) -> None:
    settings = {"compare": "unet,improved_unet", "data.folds": 2, "training.epochs": 1, "time": "8m"}
    run = small_train(cells, tmp_path / "run", settings=settings)
    found = run.found["candidates"]
    assert (found["split"], found["n_images"]) == ("out-of-fold", 12)
    tables = {
        name: Catalog.load(run.folder / "candidates" / name / "samples.csv") for name in ("unet", "improved_unet")
    }
    assert tables["unet"].facts["fold"] == tables["improved_unet"].facts["fold"]
    assert "time: 120s" in (run.folder / "candidates" / "unet" / "folds" / "1" / "config.yaml").read_text()
    kept = run.folder / "candidates" / found["kept"]
    assert run.summary == json.loads((kept / "evaluation" / "summary.json").read_text())
    page = (run.folder / "report.html").read_text()
    assert f'href="candidates/{found["kept"]}/folds/1/report.html"' in page
