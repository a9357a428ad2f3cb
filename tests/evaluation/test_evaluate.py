"""Evaluation with a network whose answers are known: it calls bright pixels a cell."""

import csv
import json
import os

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.errors import DataError
from limner.evaluation.evaluate import evaluate
from limner.evaluation.report import write_report
from limner.images import read_image, write_image, write_mask
from limner.metrics import POLICY, MeasureOptions

NAMES, COLORS = ["background", "cell"], [(0, 0, 0), (250, 40, 10)]


LABEL_MAP = LabelMap("binary", tuple(NAMES), tuple(COLORS), "values", ((0,), (1,)))


@pytest.fixture
def make_catalog(tmp_path):
    """Pictures of 10×10; each pair says which pixels, counted in rows, are bright and which the mask holds."""

    def make(pairs, names=None):
        images, masks = [], []
        for number, (found, there) in enumerate(pairs):
            picture, mask = np.zeros(100, np.uint8), np.zeros(100, np.uint8)
            picture[slice(*found)], mask[slice(*there)] = 200, 1
            images.append(str(tmp_path / f"{number}.png"))
            masks.append(str(tmp_path / f"{number}_mask.png"))
            write_image(images[-1], picture.reshape(10, 10, 1))
            write_mask(masks[-1], mask.reshape(10, 10), COLORS)
        names = names or [f"im{number}" for number in range(len(pairs))]
        return Catalog(names, {"image": images}, {"mask": masks})

    return make


# Prediction and truth as ranges of pixels; Dice 1, 2/3, 0 (missed), 0 (false alarm), undefined.
FIVE = [((0, 20), (0, 20)), ((0, 20), (0, 40)), ((0, 0), (0, 10)), ((50, 60), (0, 0)), ((0, 0), (0, 0))]


def test_summary_follows_from_counts_made_by_hand(bright, make_catalog, tmp_path):
    result = evaluate(bright, make_catalog(FIVE), {"mask": LABEL_MAP}, tmp_path / "out", data_hash="abc")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary == result.summary
    assert (summary["n_images"], summary["split"], summary["data_hash"]) == (5, "test", "abc")
    assert summary["policy"] == POLICY + MeasureOptions(2.0).policy
    cell = summary["targets"]["mask"]["classes"][1]
    assert cell["dice"] == pytest.approx((1 + 2 / 3 + 0 + 0) / 4)
    assert cell["iou"] == pytest.approx((1 + 1 / 2 + 0 + 0) / 4)
    assert cell["precision"] == pytest.approx((1 + 1 + 0) / 3)
    assert cell["recall"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    # Pixels of all images: tp 40, fp 10, fn 30.
    assert cell["pooled"]["dice"] == pytest.approx(80 / 120)
    counts = {key: value for key, value in cell.items() if key.startswith("n_")}
    assert counts == {"n_present": 2, "n_missed": 1, "n_false_alarm": 1, "n_both_empty": 1}
    assert summary["targets"]["mask"]["mean"]["dice"] == cell["dice"]


def test_table_of_images_is_written(bright, make_catalog, tmp_path):
    result = evaluate(bright, make_catalog(FIVE), {"mask": LABEL_MAP}, tmp_path)
    with (tmp_path / "per_image.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "cell"]
    assert list(rows[0]) == [
        *("id", "group", "target", "class", "dice", "iou", "precision", "recall", "specificity"),
        *("nsd", "hd95", "assd", "boundary_iou", "object_f1", "area_error", "area_abs_error", "expected_dice", "unit"),
        *("tp", "fp", "fn", "object_tp", "object_fp", "object_fn", "case"),
    ]
    assert [row["case"] for row in rows] == ["present", "present", "missed", "false_alarm", "both_empty"]
    assert [(row["tp"], row["fp"], row["fn"]) for row in rows][:2] == [("20", "0", "0"), ("20", "0", "20")]
    assert rows[4]["dice"] == ""
    assert len(result.rows) == 10


def test_outlines_and_objects_are_measured_by_hand(bright, make_catalog, tmp_path):
    # Rows 0 to 1 against 0 to 1, and against 0 to 3: the lower outline is two pixels off.
    cell = evaluate(bright, make_catalog(FIVE), {"mask": LABEL_MAP}, tmp_path).summary["targets"]["mask"]["classes"][1]
    diagonal = 10 * 2**0.5
    assert cell["hd95"] == pytest.approx((0 + 2 + diagonal + diagonal) / 4)
    assert cell["nsd"] == pytest.approx((1 + 1 + 0 + 0) / 4)  # within two pixels
    assert cell["object_f1"] == pytest.approx((1 + 0 + 0 + 0) / 4)  # IoU 0.5 is not more than 0.5
    assert cell["area_error"] == pytest.approx((0 - 0.5 - 1) / 3)
    assert cell["area_abs_error"] == pytest.approx((0 + 20 + 10 + 10) / 4)
    assert cell["pooled"]["object_f1"] == pytest.approx(2 * 1 / (2 * 1 + 2 + 2))
    assert cell["pooled"]["area_error"] == pytest.approx((50 - 70) / 70)
    with (tmp_path / "per_image.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "cell"]
    assert [row["hd95"] for row in rows] == ["0.0", "2.0", str(rows[2]["hd95"]), str(rows[3]["hd95"]), ""]
    assert {row["unit"] for row in rows} == {"px"}
    assert [(row["object_tp"], row["object_fp"], row["object_fn"]) for row in rows][1:4] == [
        ("0", "1", "1"),
        ("0", "0", "1"),
        ("0", "1", "0"),
    ]


def test_distances_are_in_mm_where_the_size_of_a_pixel_is_known(bright, make_catalog, tmp_path):
    label_maps = {"mask": LABEL_MAP}
    given = evaluate(bright, make_catalog(FIVE), label_maps, tmp_path / "a", spacing=(0.5, 3.0)).summary
    assert given["distances"] == {"unit": "mm", "tolerance": 2.45, "miss": "diagonal", "spacing": [0.5, 3.0]}
    cell = given["targets"]["mask"]["classes"][1]
    diagonal = (5**2 + 30**2) ** 0.5
    assert cell["hd95"] == pytest.approx((0 + 2 * 0.5 + diagonal + diagonal) / 4)
    assert cell["area_abs_error"] == pytest.approx((0 + 20 + 10 + 10) * 1.5 / 4)

    catalog = make_catalog(FIVE)
    catalog.facts["spacing"] = ["1", "0.5 3", "2x1", "1", "1"]
    options = {"tolerance": 0.5, "miss_distance": 7.0}
    each = evaluate(bright, catalog, label_maps, tmp_path / "b", **options).summary
    assert each["distances"] == {"unit": "mm", "tolerance": 0.5, "miss": 7.0, "spacing": "of each sample"}
    cell = each["targets"]["mask"]["classes"][1]
    assert cell["hd95"] == pytest.approx((0 + 2 * 0.5 + 7 + 7) / 4)
    assert cell["nsd"] < 0.5
    assert "HD95 and ASSD are 7;" in each["policy"]
    catalog.facts["spacing"][3] = ""
    with pytest.raises(DataError, match="none for sample 'im3'"):
        evaluate(bright, catalog, label_maps, tmp_path / "c")


@pytest.mark.slow
def test_intervals_are_over_groups_where_images_have_them(bright, make_catalog, tmp_path):
    pairs = [((0, 20), (0, 20 + number)) for number in range(20)]
    alone = evaluate(bright, make_catalog(pairs), {"mask": LABEL_MAP}, tmp_path).summary
    assert alone["intervals"]["over"] == "images"
    interval = alone["targets"]["mask"]["classes"][1]["intervals"]["dice"]
    assert interval["n"] == 20
    assert interval["low"] < alone["targets"]["mask"]["mean"]["dice"] < interval["high"]
    assert alone["targets"]["mask"]["intervals"]["dice"] == interval
    assert not (tmp_path / "per_group.csv").exists()

    catalog = make_catalog(pairs)
    catalog.groups = [f"p{number // 2}" for number in range(20)]
    grouped = evaluate(bright, catalog, {"mask": LABEL_MAP}, tmp_path).summary
    assert grouped["intervals"]["over"] == "groups"
    target = grouped["targets"]["mask"]
    assert target["intervals"]["dice"]["n"] == 10
    assert target["mean"] == alone["targets"]["mask"]["mean"]
    with (tmp_path / "per_group.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "cell"]
    assert [row["group"] for row in rows] == [f"p{number}" for number in range(10)]
    assert float(rows[1]["dice"]) == pytest.approx((40 / 42 + 40 / 43) / 2)
    assert rows[1]["n_images"] == "2"
    assert target["group_mean"]["dice"] == pytest.approx(np.mean([float(row["dice"]) for row in rows]))

    few = evaluate(bright, make_catalog(FIVE), {"mask": LABEL_MAP}, tmp_path).summary["targets"]["mask"]
    assert few["intervals"]["dice"] == {"low": None, "high": None, "n": 4}
    assert not (tmp_path / "per_group.csv").exists()


def read_cases(folder):
    return json.loads((folder / "cases" / "cases.json").read_text())


def test_cases_are_the_best_the_middle_and_the_worst(bright, make_catalog, tmp_path):
    # Images 0 to 9 have 10, 9, … 1 of 10 pixels right.
    catalog = make_catalog([((0, 10 - missing), (0, 10)) for missing in range(10)])
    evaluate(bright, catalog, {"mask": LABEL_MAP}, tmp_path)
    record = read_cases(tmp_path)
    found = {
        kind: [case["id"] for case in record["cases"] if case["kind"] == kind] for kind in ("best", "median", "worst")
    }
    assert found == {
        "best": ["im0", "im1", "im2"],
        "median": ["im3", "im4", "im5"],
        "worst": ["im9", "im8", "im7"],
    }
    worst = next(case for case in record["cases"] if case["id"] == "im9")
    assert (worst["rank"], worst["ranked"]) == (10, 10)
    assert worst["score"] == worst["scores"]["mask"]["cell"] == pytest.approx(2 / 11)
    shown = [part for case in record["cases"] for part in (*case["panels"], case["view"], *case["view"]["layers"])]
    files = {part["file"] for part in shown}
    assert files == {path.name for path in (tmp_path / "cases").glob("*.webp")}
    assert {"best_1_image.webp", "median_2_truth.webp", "worst_3_errors.webp"} <= files
    kinds = [layer["kind"] for layer in worst["view"]["layers"]]
    assert kinds == ["truth", "prediction", "errors", "uncertainty"]
    assert [layer["shown"] for layer in worst["view"]["layers"]] == [True, True, False, False]


def test_case_pictures_show_the_image_they_are_of(bright, make_catalog, tmp_path):
    evaluate(bright, make_catalog([((0, 50), (50, 100))]), {"mask": LABEL_MAP}, tmp_path)
    picture = read_image(str(tmp_path / "cases" / "best_1_image.webp"))
    assert picture.shape == (10, 10, 3)
    assert picture[:4].mean() > 180
    assert picture[6:].mean() < 20
    prediction = read_image(str(tmp_path / "cases" / "best_1_prediction.webp")).astype(int)
    redness = prediction[..., 0] - prediction[..., 2]
    assert redness[:4].mean() > 40
    assert abs(redness[7:]).mean() < 20


@pytest.mark.parametrize(
    ("count", "kinds"),
    [
        (0, []),
        (1, ["best"]),
        (2, ["best", "worst"]),
        (3, ["best", "median", "worst"]),
        (5, ["best", "median", "worst", "doubtful", "doubtful"]),
    ],
)
def test_few_images_give_few_cases_and_none_twice(bright, make_catalog, tmp_path, count, kinds):
    catalog = make_catalog([((0, 5 + number), (0, 10)) for number in range(count)] + [((0, 0), (0, 0))])
    evaluate(bright, catalog, {"mask": LABEL_MAP}, tmp_path)
    cases = read_cases(tmp_path)["cases"]
    assert [case["kind"] for case in cases] == kinds
    assert len({case["id"] for case in cases}) == len(cases)


def test_many_images_give_the_same_cases_as_few(bright, make_catalog, tmp_path):
    # Above 32 images pictures are drawn afterwards; each must still be of its own image.
    pairs = [((0, 1 + (7 * number) % 40), (0, 40)) for number in range(40)]
    evaluate(bright, make_catalog(pairs), {"mask": LABEL_MAP}, tmp_path)
    cases = read_cases(tmp_path)["cases"]
    assert [case["rank"] for case in cases[:9]] == [1, 2, 3, 19, 20, 21, 40, 39, 38]
    assert [case["kind"] for case in cases[9:]] == ["doubtful"] * 3
    for case in cases:
        bright = read_image(str(tmp_path / "cases" / case["panels"][0]["file"]))[..., 0] > 100
        assert bright.sum() == pytest.approx(pairs[int(case["id"][2:])][0][1], abs=3)


def test_cases_of_an_earlier_evaluation_go(bright, make_catalog, tmp_path):
    evaluate(bright, make_catalog(FIVE), {"mask": LABEL_MAP}, tmp_path)
    (tmp_path / "cases" / "my_notes.txt").write_text("mine")
    evaluate(bright, make_catalog(FIVE[:1]), {"mask": LABEL_MAP}, tmp_path)
    assert {path.name.split("_")[0] for path in (tmp_path / "cases").iterdir()} == {"best", "cases.json", "my"}


def test_large_pictures_are_drawn_small(bright, tmp_path):
    write_image(tmp_path / "a.png", np.full((400, 900, 1), 200, np.uint8))
    write_mask(tmp_path / "m.png", np.ones((400, 900), np.uint8), COLORS)
    catalog = Catalog(["a"], {"image": [str(tmp_path / "a.png")]}, {"mask": [str(tmp_path / "m.png")]})
    evaluate(bright, catalog, {"mask": LABEL_MAP}, tmp_path / "out")
    shapes = {path.stem: read_image(str(path)).shape for path in (tmp_path / "out" / "cases").glob("*.webp")}
    assert shapes.pop("best_1_picture") == (228, 512, 3)
    # What changes slowly needs half the size.
    sizes = {"uncertainty": (114, 256, 4), "layer": (228, 512, 4)}
    for name, shape in shapes.items():
        assert shape == next((size for part, size in sizes.items() if part in name), (142, 320, 3))


def test_names_of_any_kind_survive(bright, make_catalog, tmp_path):
    names = ["a,b\n<script>", os.fsdecode(b"\xff"), "ü"]
    catalog = make_catalog(FIVE[:3], names)
    run = tmp_path / "run"
    evaluate(bright, catalog, {"mask": LABEL_MAP}, run / "evaluation")
    with (run / "evaluation" / "per_image.csv").open(newline="", errors="surrogateescape") as file:
        assert [row["id"] for row in csv.DictReader(file)][::2] == names
    (run / "run.json").write_text("{}")
    html = write_report(run).read_text(encoding="utf-8")
    assert "&lt;script&gt;" in html
    assert "<script" not in html


def test_sample_without_mask_is_not_counted(bright, make_catalog, tmp_path):
    catalog = make_catalog(FIVE)
    catalog.targets["mask"][0] = ""
    summary = evaluate(bright, catalog, {"mask": LABEL_MAP}, tmp_path).summary
    assert summary["targets"]["mask"]["classes"][1]["n_present"] == 1
    assert "im0" not in {case["id"] for case in read_cases(tmp_path)["cases"]}


def test_progress_counts_the_images(bright, make_catalog, tmp_path):
    told = []
    evaluate(bright, make_catalog(FIVE), {"mask": LABEL_MAP}, tmp_path, progress=lambda *done: told.append(done))
    assert told == [(number, 5) for number in range(1, 6)]


def test_nothing_to_score_is_an_error(bright, tmp_path):
    with pytest.raises(DataError, match="no val samples"):
        evaluate(bright, Catalog([], {"image": []}, {"mask": []}), {"mask": LABEL_MAP}, tmp_path, split="val")


def test_what_the_model_expected_stands_beside_what_it_got(bright, make_catalog, tmp_path):
    catalog = make_catalog(FIVE)
    result = evaluate(bright, catalog, {"mask": LABEL_MAP}, tmp_path / "out")
    rows = [row for row in result.rows if row["class"] == "cell"]
    expected = [bright.predict(image).expected_dice["mask"][1] for image in catalog.inputs["image"]]
    assert [row["expected_dice"] for row in rows] == pytest.approx(expected)
    real = [1, 2 / 3, 0, 0]
    found = result.summary["targets"]["mask"]["expectation"]
    assert (found["n"], found["real"]) == (4, pytest.approx(np.mean(real)))
    # This model is sure of everything, so that its expectations have no order.
    assert found["spearman"] is None
    assert found["error"] == pytest.approx(np.mean(np.abs(np.subtract(expected[:4], real))))
