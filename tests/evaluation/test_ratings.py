"""Scores of single images as they were written down are those the cases were chosen by."""

import json

import numpy as np
import pytest

from limner.errors import DataError
from limner.evaluation.cases import choose_cases
from limner.evaluation.ratings import read_ratings
from limner.training.record import read_data


def test_the_ratings_are_those_of_the_cases(trained):
    split, ids, values = read_ratings(trained.folder / "evaluation")
    cases = json.loads((trained.folder / "evaluation" / "cases" / "cases.json").read_text())["cases"]
    assert split == "test"
    chosen = choose_cases(values[:, 0], expected=values[:, 1])
    assert [(case.kind, ids[case.place], case.rank) for case in chosen] == [
        (case["kind"], case["id"], case["rank"]) for case in cases
    ]
    assert [case.score for case in chosen] == pytest.approx([case["score"] for case in cases])
    expected = [np.nan if case["expected"] is None else case["expected"] for case in cases]
    assert [case.expected for case in chosen] == pytest.approx(expected, nan_ok=True)
    test = read_data(trained.folder).catalog
    assert set(ids) == {test.ids[index] for index in test.indices("test")}


def test_classes_and_numbers_are_averaged_over_targets(tmp_path):
    """By hand: a has Dice 0.5 and RMSE 1 of a range of 4, so (0.5 + 0.75) / 2; b has no mask, and RMSE 6."""
    summary = {
        "n_images": 2,
        "split": "val",
        "targets": {
            "mask": {"task": "multiclass", "classes": [{"name": n, "id": i} for i, n in enumerate(("rest", "x", "y"))]},
            "depth": {"task": "regression", "low": 1.0, "high": 5.0},
        },
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "per_image.csv").write_text(
        "id,target,class,dice,expected_dice,rmse\n"
        "a,mask,rest,1.0,,\na,mask,x,0.5,0.7,\na,mask,y,,,\na,depth,,,,1.0\nb,depth,,,,6.0\n"
    )
    split, ids, values = read_ratings(tmp_path)
    assert (split, ids) == ("val", ["a", "b"])
    assert values[:, 0] == pytest.approx([0.625, 0.0])
    assert values[:, 1] == pytest.approx([0.7, np.nan], nan_ok=True)


def test_no_evaluation_is_said(tmp_path):
    with pytest.raises(DataError, match="an evaluation"):
        read_ratings(tmp_path)
