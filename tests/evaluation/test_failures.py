"""Where a model fails: found where it was planted, and not where nothing was."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.evaluation.evaluate import evaluate
from limner.evaluation.failures import find_failures
from limner.evaluation.properties import Properties
from limner.evaluation.report import write_report
from limner.images import write_image, write_mask

COLORS = ((0, 0, 0), (250, 40, 10))
LABEL_MAP = LabelMap("binary", ("background", "cell"), COLORS, "values", ((0,), (1,)))


def pictures(count, seed=0):
    random = np.random.default_rng(seed)
    return [
        Properties(64, 64, *(float(number) for number in numbers))
        for numbers in zip(
            random.uniform(0.01, 0.5, count),
            random.integers(1, 6, count),
            random.integers(0, 2, count),
            *random.uniform(0, 1, (3, count)),
            strict=True,
        )
    ]


def found(record):
    return [(entry["property"], entry["part"]) for entry in record["compared"] if entry["stands_out"]]


def test_small_objects_are_found_with_their_numbers_by_hand():
    properties = pictures(60)
    scores = np.random.default_rng(1).beta(20, 2, 60)
    small = np.argsort([one.area for one in properties])[:20]
    scores[small] -= 0.3
    record = find_failures(scores, properties, [""] * 60)
    assert found(record) == [("area", "low")]
    first = record["compared"][0]
    others = np.setdiff1d(np.arange(60), small)
    assert first["n_images"] == 20
    assert first["limit"] == pytest.approx(max(properties[place].area for place in small))
    assert first["mean"] == pytest.approx(scores[small].mean())
    assert first["difference"] == pytest.approx(scores[small].mean() - scores[others].mean())
    assert first["low"] < first["difference"] < first["high"] < 0


def test_nothing_is_found_where_nothing_is_planted():
    for seed in range(8):
        scores = np.random.default_rng(100 + seed).beta(5, 1, 60)
        record = find_failures(scores, pictures(60, seed), [""] * 60)
        assert found(record) == []
        assert len(record["compared"]) == 11  # five numbers at both ends, and the border
        assert record["each_level"] == pytest.approx(1 - 0.05 / 11)


def test_a_part_is_told_of_its_worse_side():
    properties = [replace(one, border=float(place % 2)) for place, one in enumerate(pictures(60))]
    scores = np.random.default_rng(1).beta(20, 2, 60)
    scores[::2] -= 0.3  # those that keep off the border
    entries = {entry["property"]: entry for entry in find_failures(scores, properties, [""] * 60)["compared"]}
    assert (entries["border"]["part"], entries["border"]["n_images"]) == ("no", 30)
    assert entries["border"]["stands_out"]


def test_one_object_nearly_everywhere_makes_two_parts():
    properties = [replace(one, objects=float(1 if place < 48 else place)) for place, one in enumerate(pictures(60))]
    scores = np.where(np.arange(60) < 48, 0.9, 0.6) + np.random.default_rng(0).normal(0, 0.02, 60)
    entries = [
        entry for entry in find_failures(scores, properties, [""] * 60)["compared"] if entry["property"] == "objects"
    ]
    assert [(entry["part"], entry["limit"], entry["n_images"]) for entry in entries] == [("high", 1, 12)]
    alike = [replace(one, objects=1.0) for one in properties]
    names = {entry["property"] for entry in find_failures(scores, alike, [""] * 60)["compared"]}
    assert "objects" not in names
    assert "pixels" not in names


def test_images_of_a_few_patients_are_no_evidence_but_a_patient_is_named():
    properties = pictures(80)
    scores = np.random.default_rng(1).beta(20, 2, 80)
    scores[:10] -= 0.4
    # One patient's pictures are the darkest, and badly segmented.
    properties = [
        replace(one, brightness=place / 200 if place < 10 else 0.5 + one.brightness)
        for place, one in enumerate(properties)
    ]
    groups = ["p0"] * 10 + [f"p{1 + place // 10}" for place in range(70)]
    record = find_failures(scores, properties, groups)
    assert record["over"] == "groups"
    assert found(record) == [("group", "group")]
    assert record["compared"][0]["group"] == "p0"


def test_few_images_and_none_with_a_score_say_so():
    assert find_failures(np.full(7, 0.5), pictures(7), [""] * 7)["compared"] == []
    empty = find_failures(np.full(30, np.nan), pictures(30), [""] * 30)
    assert (empty["compared"], empty["n_images"]) == ([], 0)


def test_a_predictor_that_is_bad_on_dark_pictures(bright, tmp_path, read_page):
    # It calls pixels above half of the light a cell: in dark pictures most of the cell stays below.
    random = np.random.default_rng(0)
    images, masks = [], []
    for number in range(36):
        dark = number < 12
        mask = np.zeros((32, 32), np.uint8)
        row, column = random.integers(4, 12, 2)
        mask[row : row + 14, column : column + 14] = 1
        cell = random.integers(100, 145, (32, 32)) if dark else random.integers(125, 240, (32, 32))
        picture = np.where(mask, cell, random.integers(10, 40) if dark else random.integers(50, 100))
        images.append(str(tmp_path / f"{number}.png"))
        masks.append(str(tmp_path / f"{number}_mask.png"))
        write_image(images[-1], picture[..., None].astype(np.uint8))
        write_mask(masks[-1], mask, COLORS)
    catalog = Catalog([f"im{number}" for number in range(36)], {"image": images}, {"mask": masks})
    run = tmp_path / "run"
    result = evaluate(bright, catalog, {"mask": LABEL_MAP}, run / "evaluation")
    assert ("brightness", "low") in found(result.summary["failures"])
    with (run / "evaluation" / "properties.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["objects"] for row in rows] == ["1.0"] * 36
    assert max(float(row["brightness"]) for row in rows[:12]) < min(float(row["brightness"]) for row in rows[12:])
    (run / "run.json").write_text("{}")
    page = read_page(write_report(run))
    lines = page.tables["Groups that stand out"]
    assert lines[0] == ["Images", "How many", "Dice", "Elsewhere", "Difference"]
    dark = next(line for line in lines if line[0].startswith("Dark pictures, at most 0."))
    scores = [float(row["score"]) for row in rows]
    assert dark[1:4] == ["12", f"{np.mean(scores[:12]):.3f}", f"{np.mean(scores[12:]):.3f}"]
    assert f"{dark[0]}: 12 images, Dice {dark[2]}, elsewhere {dark[3]}, difference {dark[4]}." in page.text


def test_the_report_says_when_nothing_stands_out_or_it_cannot_tell(make_run, read_page):
    run = make_run()
    path = run / "evaluation" / "summary.json"
    summary = json.loads(path.read_text())
    assert "failures" not in summary
    for count, said in ((60, "No group of images stands out, of 11"), (7, "Too few images (7) to tell")):
        summary["failures"] = find_failures(np.random.default_rng(0).beta(5, 1, count), pictures(count), [""] * count)
        path.write_text(json.dumps(summary))
        assert said in read_page(write_report(run)).sections["failures"]


def test_missed_and_made_up_images_are_listed_and_lead_to_their_cases(make_run, read_page):
    page = read_page(write_report(make_run()))
    text = " ".join(page.sections["failures"].split())
    assert "nucleus: missed altogether in 1 image im3" in text
    assert "nucleus: predicted without being there in 1 image im5" in text
    assert "cell" not in text


def test_long_lists_of_images_are_cut(make_run, read_page):
    run = make_run(images=4)
    path = run / "evaluation" / "per_image.csv"
    lines = [f"more{number},,mask,nucleus,0,0,0,0,0,1,2,missed" for number in range(99)]
    path.write_text(path.read_text() + "\n".join(lines) + "\n")
    text = " ".join(read_page(write_report(run)).sections["failures"].split())
    assert "missed altogether in 100 images" in text
    assert "and 40 more: see evaluation/per_image.csv" in text
