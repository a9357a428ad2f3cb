import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.data.labels import LabelMap
from limner.evaluation.cases import choose_cases, image_scores, write_cases
from limner.evaluation.gallery import Gallery
from limner.images import read_image
from limner.inference.prediction import Prediction
from limner.inference.scoring import ScoreTable, TargetScores


def test_score_of_an_image_is_the_mean_of_defined_classes_and_targets():
    # tp, fp, fn, tn; the first class of a multiclass target is background.
    counts = np.array(
        [
            [[9, 9, 9, 9], [1, 0, 0, 9], [1, 1, 1, 7]],  # classes 1 and 1/2
            [[9, 9, 9, 9], [0, 0, 0, 10], [0, 0, 4, 6]],  # undefined and 0
        ]
    )
    planes = np.array([[[3, 0, 2, 5]], [[0, 0, 0, 10]]])  # 3/4, undefined; samples 0 and 2
    table = ScoreTable(
        ["a", "b", "c"],
        ["", "", ""],
        {
            "mask": TargetScores("multiclass", ("ground", "tree", "car"), [0, 1], counts),
            "wall": TargetScores("multilabel", ("wall",), [0, 2], planes),
        },
    )
    scores = image_scores(table)
    assert scores[:2] == pytest.approx([((1 + 1 / 2) / 2 + 3 / 4) / 2, 0])
    assert np.isnan(scores[2])


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=40), st.integers(1, 4))
def test_cases_are_extremes_and_distinct(values, most):
    scores = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    cases = choose_cases(scores, most)
    known = np.sort(scores[~np.isnan(scores)])
    assert len({case.place for case in cases}) == len(cases)
    assert len(cases) <= min(3 * most, len(known))
    for case in cases:
        assert scores[case.place] == case.score == known[::-1][case.rank - 1]
    if len(known):
        assert cases[0].score == known[-1]
    if len(known) > 1:
        assert next(case.score for case in cases if case.kind == "worst") == known[0]
    if len(known) > 2:
        middle = [case.rank for case in cases if case.kind == "median"]
        assert abs(np.mean(middle) - (len(known) + 1) / 2) <= 0.5


def test_every_target_has_its_own_pictures(tmp_path):
    maps = {
        name: LabelMap("multilabel", ("one", "two"), ((255, 0, 0), (0, 0, 255)), "planes", ((0,), (1,)))
        for name in ("../evil", "b")
    }
    planes = np.zeros((8, 8, 2), np.uint8)
    planes[:4, :, 0] = 1
    gallery = Gallery(maps)
    gallery.draw(
        0, np.zeros((8, 8, 1), np.uint16), dict.fromkeys(maps, planes), Prediction(dict.fromkeys(maps, planes), {}, {})
    )
    counts = np.array([[[32, 0, 0, 32], [0, 0, 0, 64]]])
    table = ScoreTable(["x"], [""], {name: TargetScores("multilabel", ("one", "two"), [0], counts) for name in maps})
    write_cases(tmp_path / "cases", choose_cases(image_scores(table)), gallery, table)
    names = {path.name for path in (tmp_path / "cases").glob("*.webp")}
    assert names == {"best_1_image.webp"} | {
        f"best_1_{number}_{panel}.webp" for number in (1, 2) for panel in ("truth", "prediction", "errors")
    }
    truth = read_image(str(tmp_path / "cases" / "best_1_1_truth.webp")).astype(int)
    assert truth[:3, :, 0].mean() > truth[6:, :, 0].mean() + 40
    assert not (tmp_path / "evil").exists()
