import json

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
from limner.render import color_stops


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


def test_doubtful_cases_are_those_of_which_least_was_expected_among_the_others():
    scores = np.linspace(1, 0, 20)
    expected = np.full(20, np.nan)
    expected[[0, 5, 6, 12, 14, 19]] = [0.0, 0.5, 0.2, 0.3, 0.4, 0.0]  # the first and the last are taken
    doubtful = [case for case in choose_cases(scores, expected=expected) if case.kind == "doubtful"]
    assert [(case.place, case.number, case.expected) for case in doubtful] == [(6, 1, 0.2), (12, 2, 0.3), (14, 3, 0.4)]
    assert [case.rank for case in doubtful] == [7, 13, 15]
    assert not [case for case in choose_cases(scores) if case.kind == "doubtful"]
    assert not [case for case in choose_cases(scores[:3], expected=np.zeros(3)) if case.kind == "doubtful"]


def score_table(names, targets, numbers=None):
    return ScoreTable(names, [""] * len(names), targets, numbers or {})


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
    table = score_table(["x"], {name: TargetScores("multilabel", ("one", "two"), [0], counts) for name in maps})
    write_cases(tmp_path / "cases", choose_cases(image_scores(table)), gallery, table)
    names = {path.name for path in (tmp_path / "cases").glob("*.webp")}
    parts = ("truth", "prediction", "errors")
    assert names == {"best_1_image.webp", "best_1_picture.webp"} | {
        f"best_1_{number}_{layer}{part}.webp" for number in (1, 2) for part in parts for layer in ("", "layer_")
    }
    truth = read_image(str(tmp_path / "cases" / "best_1_1_truth.webp")).astype(int)
    assert truth[:3, :, 0].mean() > truth[6:, :, 0].mean() + 40
    assert not (tmp_path / "evil").exists()
    record = json.loads((tmp_path / "cases" / "cases.json").read_text())
    layers = record["cases"][0]["view"]["layers"]
    assert [(layer["name"], layer["shown"]) for layer in layers[2:5]] == [
        ("errors of ../evil", False),
        ("truth of b", False),
        ("prediction of b", False),
    ]
    # Both classes keep their colours: they are told apart by these, truth and prediction by the line.
    assert [line["color"] for line in record["lines"]] == [None, None]
    outline = read_image(str(tmp_path / "cases" / "best_1_1_layer_truth.webp"))
    assert {tuple(color) for color in outline[outline[..., 3] == 255][:, :3]} == {(255, 0, 0)}


def test_a_single_class_has_a_colour_for_truth_and_one_for_prediction(tmp_path):
    mask = np.zeros((60, 90), np.uint8)
    mask[20:40, 20:60] = 1
    label_map = LabelMap("binary", ("ground", "cell"), ((0, 0, 0), (250, 40, 10)), "values", ((0,), (1,)))
    gallery = Gallery({"mask": label_map})
    unsure = np.zeros((60, 90), np.float32)
    unsure[:, 45:] = 1
    gallery.draw(
        0, np.zeros((60, 90, 3), np.uint8), {"mask": mask}, Prediction({"mask": mask}, {}, {}), {"mask": unsure}
    )
    table = score_table(["x"], {"mask": TargetScores("binary", ("ground", "cell"), [0], np.ones((1, 2, 4), int))})
    write_cases(tmp_path, choose_cases(image_scores(table), expected=np.array([0.25])), gallery, table)
    record = json.loads((tmp_path / "cases.json").read_text())
    case = record["cases"][0]
    assert case["expected"] == 0.25
    assert [layer["kind"] for layer in case["view"]["layers"]] == ["truth", "prediction", "errors", "uncertainty"]
    assert [panel["beside"] for panel in case["panels"]] == [False] * 4
    for line, layer in zip(record["lines"], case["view"]["layers"], strict=False):
        drawn = read_image(str(tmp_path / layer["file"]))
        assert drawn.shape == (240, 360, 4)  # four times as large: the lines are thin
        colors = {"#{:02x}{:02x}{:02x}".format(*color) for color in drawn[drawn[..., 3] == 255][:, :3]}
        assert colors - {"#000000"} == {line["color"]}
        assert ("#000000" in colors) == (line["style"] == "dashed")
    assert read_image(str(tmp_path / case["view"]["file"])).shape == (60, 90, 3)
    opacity = read_image(str(tmp_path / case["view"]["layers"][3]["file"]))[..., 3]
    assert opacity[:, :40].max() < 20
    assert opacity[:, 50:].min() > 200
    assert record["scales"] == [
        {"name": "uncertainty", "low": 0.0, "high": 1.0, "unit": "", "colors": color_stops("magma")}
    ]


def test_numbers_and_further_inputs_stand_beside_the_layers(tmp_path):
    maps = {
        "mask": LabelMap("binary", ("ground", "cell"), ((0, 0, 0), (250, 40, 10)), "values", ((0,), (1,))),
        "depth": LabelMap("regression", (), (), unit="m", low=0.0, high=10.0),
    }
    mask, depth = np.eye(20, dtype=np.uint8), np.ones((20, 20), np.float32)
    prediction = Prediction({"mask": mask}, {}, {"depth": depth})
    gallery = Gallery(maps, {"background": 3, "composite": 3})
    gallery.draw(0, np.zeros((20, 20, 6), np.uint8), {"mask": mask, "depth": depth}, prediction)
    shown = [panel.name for panel in gallery.panels(0) if panel.beside]
    assert shown == ["background", "truth of depth", "prediction of depth", "errors of depth"]
    picture, layers = gallery.view(0)
    assert picture.name == "composite"
    assert {layer.name for layer in layers} == {"truth of mask", "prediction of mask", "errors of mask"}
    alone = Gallery({"depth": maps["depth"]})
    alone.draw(0, np.zeros((20, 20, 3), np.uint8), {"depth": depth}, prediction)
    assert alone.view(0) is None
    assert [panel.beside for panel in alone.panels(0)] == [True] * 4
