"""`limner show RUN`: what a run predicts, beside the truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.images import read_image, read_info

Limner = Callable[..., Any]
Refused = Callable[..., str]


def test_a_sheet_of_the_test_samples_by_default(limner: Limner, run: Path, tmp_path: Path) -> None:
    result = limner("show", run)
    assert (result.code, result.out) == (0, f"Sheet  {run / 'predictions-test.png'}\n")
    limner("show", run / "model.safetensors", "--split", "train", "-n", 1, "-o", tmp_path / "one.png")
    one, several = read_info(str(tmp_path / "one.png")).size, read_info(str(run / "predictions-test.png")).size
    assert one[1] == several[1] > 3 * 300
    assert several[0] > 1.6 * one[0]


def test_predictions_are_drawn_beside_the_truth(limner: Limner, run: Path, tmp_path: Path) -> None:
    limner("show", run, "--split", "val", "-o", tmp_path / "sheet.png", "-n", 1)
    sheet = read_image(str(tmp_path / "sheet.png"))[..., :3].astype(int)
    third = sheet.shape[1] // 3
    halves = (sheet[:, :third], sheet[:, third:])
    colored = [int((np.ptp(half, axis=2) > 60).sum()) for half in halves]
    assert colored[0] < 0.2 * colored[1]


def test_other_splits_and_settings_are_refused(refused: Refused, run: Path, data: Path) -> None:
    assert "train, val, test" in refused("show", run, "--split", "valid")
    assert "settings besides" in refused("show", run, "augment.preset=strong")
    assert "a run folder" in refused("show", data, "--split", "val")


def test_a_split_without_samples_names_the_others(refused: Refused, run: Path) -> None:
    catalog = Catalog.load(run / "samples.csv")
    catalog.splits = ["val" if split == "test" else split for split in catalog.splits]
    catalog.save(run / "samples.csv")
    message = refused("show", run, "--split", "test")
    assert "none, but" in message
    assert "val" in message


def test_data_that_moved_away_are_named(refused: Refused, run: Path) -> None:
    catalog = Catalog.load(run / "samples.csv")
    column = next(iter(catalog.inputs.values()))
    column[:] = [str(Path("/gone") / Path(location).name) for location in column]
    catalog.save(run / "samples.csv")
    message = refused("show", run)
    assert "'/gone/" in message
    assert "no longer there" in message
    assert "limner evaluate RUN DATA" in message


def test_a_run_without_a_model(refused: Refused, run: Path) -> None:
    (run / "model.safetensors").unlink()
    assert "model.safetensors" in refused("show", run)


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_model_may_be_named_by_option(limner: Limner, refused: Refused, run: Path, verb: str, tmp_path: Path) -> None:
    catalog = Catalog.load(run / "samples.csv")
    picture = next(iter(catalog.inputs.values()))[0]
    out = ["-o", tmp_path / "out"]
    words = [picture] if verb == "predict" else ["--split", "val"]
    assert limner(verb, "-k", run, *words, *out).code == 0
    assert "no model was named" in refused(verb, *out)


def test_words_too_many_or_too_few(refused: Refused, run: Path, data: Path, tmp_path: Path) -> None:
    assert "Name the model once" in refused("evaluate", run, data, "-k", run)
    assert "Name files or folders" in refused("predict", run, "-o", tmp_path / "out")


def test_colours_that_differ_do_not_become_grey(refused: Refused, data: Path, tmp_path: Path) -> None:
    message = refused("train", data, "-o", tmp_path / "run", "data.channels=1", "size=[32,32]", "conv_sizes=[4]")
    assert "channels that differ" in message
    assert not (tmp_path / "run").exists()
