"""Masks of many pictures as one table of run lengths."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from limner.bundle import TargetSpec
from limner.errors import ConfigError, OutputError
from limner.images import decode_rle, write_image
from limner.inference.folder import predict_folder
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.submission import Submission
from limner.inference.wanted import Wanted

CAR = TargetSpec(task="binary", names=["background", "car"], colors=[(0, 0, 0), (255, 0, 0)])
PARTS = TargetSpec(task="multiclass", names=["background", "body", "wheel"], colors=[(0, 0, 0), (9, 0, 0), (0, 9, 0)])
PLANES = TargetSpec(task="multilabel", names=["body", "wheel"], colors=[(9, 0, 0), (0, 9, 0)])
DEPTH = TargetSpec(task="regression", names=["depth"], colors=[(0, 0, 0)])


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    ("spec", "mask", "text"),
    [
        (CAR, [[0, 1, 1], [1, 0, 0]], "img,rle_mask\na b.jpg,2 3\n"),
        (CAR, [[0, 0, 0], [0, 0, 0]], "img,rle_mask\na b.jpg,\n"),
        (PARTS, [[0, 1, 1], [2, 0, 0]], "img,class,rle_mask\na b.jpg,body,2 2\na b.jpg,wheel,4 1\n"),
        (PLANES, [[[1, 0], [1, 1]]], "img,class,rle_mask\na b.jpg,body,1 2\na b.jpg,wheel,2 1\n"),
    ],
)
def test_rows_are_those_of_kaggle_with_a_class_where_there_are_several(tmp_path, spec, mask, text):
    table = Submission.plan(tmp_path / "s.csv", {"mask": spec})
    prediction = Prediction({"mask": np.array(mask, np.uint8)}, {}, {})
    assert table.header() + table.rows("a b.jpg", prediction) == text


def test_a_model_without_one_target_of_masks_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="none"):
        Submission.plan(tmp_path / "s.csv", {"depth": DEPTH})
    with pytest.raises(ConfigError, match="car, parts"):
        Submission.plan(tmp_path / "s.csv", {"car": CAR, "parts": PARTS})
    assert Submission.plan(tmp_path / "s.csv", {"depth": DEPTH, "car": CAR}).target == "car"


@pytest.fixture
def predictor(make_meta, make_unet) -> Predictor:
    meta = make_meta(fit="resize", size=(16, 24))
    return Predictor(make_unet(meta), meta, precision="float32", batch_size=2)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, size in {"a_01.jpg": (20, 31), "a_02.jpg": (20, 31), "b_01.jpg": (7, 9)}.items():
        write_image(tmp_path / "test" / name, rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    return tmp_path / "test"


def test_the_table_holds_the_masks_at_full_size_in_order(pictures, predictor, tmp_path):
    result = predict_folder(predictor, [pictures], tmp_path / "masks", Wanted(rle=tmp_path / "s.csv"))
    header, *lines = rows(tmp_path / "s.csv")
    assert header == ["img", "rle_mask"]
    assert [name for name, _ in lines] == ["a_01.jpg", "a_02.jpg", "b_01.jpg"]
    for name, runs in lines:
        mask = predictor.predict(pictures / name).mask
        np.testing.assert_array_equal(decode_rle(runs, mask.shape, name), mask == 1)
    assert (len(result.written), result.predicted) == (3, 3)


def test_the_table_alone_writes_no_masks(pictures, predictor, tmp_path):
    result = predict_folder(predictor, [pictures], None, Wanted(rle=tmp_path / "out" / "s.csv"))
    assert list(result.written) == []
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["s.csv"]


def test_a_picture_that_fails_has_no_row(pictures, predictor, tmp_path):
    (pictures / "a_02.jpg").write_bytes(b"no picture")
    result = predict_folder(predictor, [pictures], None, Wanted(rle=tmp_path / "s.csv"))
    assert [row[0] for row in rows(tmp_path / "s.csv")[1:]] == ["a_01.jpg", "b_01.jpg"]
    assert [name for name, _ in result.failed] == ["a_02.jpg"]
    assert result.predicted == 2


def test_a_table_that_is_there_is_not_replaced_unasked(pictures, predictor, tmp_path):
    (tmp_path / "s.csv").write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        predict_folder(predictor, [pictures], None, Wanted(rle=tmp_path / "s.csv"))
    assert (tmp_path / "s.csv").read_text() == "precious"
    predict_folder(predictor, [pictures], None, Wanted(rle=tmp_path / "s.csv"), overwrite=True)
    assert len(rows(tmp_path / "s.csv")) == 4


def test_an_interruption_leaves_no_half_table(pictures, predictor, tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_folder(predictor, [pictures], None, Wanted(rle=tmp_path / "s.csv"), progress=stop)
    assert list(tmp_path.glob("*.csv")) == []


def test_somewhere_to_write_is_needed(pictures, predictor, tmp_path):
    with pytest.raises(ConfigError, match="neither was named"):
        predict_folder(predictor, [pictures], None)
    with pytest.raises(ConfigError, match="--out FOLDER"):
        predict_folder(predictor, [pictures], None, Wanted(rle=tmp_path / "s.csv", overlay=True))
