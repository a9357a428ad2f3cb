import csv
import json
import re
import statistics
import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from limner.errors import DataError
from limner.evaluation.report import write_report
from limner.images import write_image


def change(path: Path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def per_image(run: Path):
    with (run / "evaluation" / "per_image.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_headline_is_the_mean_of_the_test_split(make_run, read_page):
    run = make_run()
    page = read_page(write_report(run))
    rows = per_image(run)
    means = [
        statistics.fmean(float(row["dice"]) for row in rows if row["class"] == name and row["dice"])
        for name in ("cell", "nucleus")
    ]
    assert page.facts["mean Dice on 8 test images"] == f"{statistics.fmean(means):.3f}"


def test_class_table_repeats_the_summary(make_run, read_page):
    run = make_run()
    tables = read_page(write_report(run)).tables
    table = tables["mask: means over images"]
    rows = per_image(run)
    for line, name in zip(table[1:4], ("background", "cell", "nucleus"), strict=True):
        own = [row for row in rows if row["class"] == name]
        expected = [
            f"{statistics.fmean(float(row[metric]) for row in own if row[metric]):.3f}"
            for metric in ("dice", "iou", "precision", "recall")
        ]
        assert line[0].startswith(name)
        assert line[1:] == expected
    assert "not in the mean" in table[1][0]
    assert table[4][0] == "Mean"
    assert [line[1:] for line in tables["mask: all images together"][1:]] == [["0.625", "0.625"]] * 3


def test_intervals_distances_and_groups_are_shown(make_run, read_page):
    run = make_run()
    path = run / "evaluation" / "summary.json"
    summary = json.loads(path.read_text())
    summary["distances"] = {"unit": "mm", "tolerance": 1.5, "miss": "diagonal", "spacing": [0.75, 0.75]}
    made = {"level": 0.95, "over": "groups", "method": "BCa bootstrap", "fewest": 8, "rough": 20}
    summary["intervals"] = made
    target = summary["targets"]["mask"]
    for entry in (target, *target["classes"]):
        entry["intervals"] = {
            "dice": {"low": 0.5123, "high": 0.9, "n": 10},
            "hd95": {"low": 3.21, "high": 12.3456, "n": 10},
            "nsd": {"low": None, "high": None, "n": 10},
        }
        entry["group_mean"] = {"dice": 0.75, "iou": 0.7}
    for entry in (target["mean"], *target["classes"]):
        entry |= {"nsd": 0.8, "hd95": 7.654321, "area_error": -0.0512, "boundary_iou": 0.4}
    path.write_text(json.dumps(summary))
    lines = ["group,target,class,n_images,dice,iou,nsd,hd95"]
    for group, dice in (("a", 0.9), ("b", 0.2)):
        lines += [f"{group},mask,{name},4,{dice},0.5,0.5,2" for name in ("background", "cell", "nucleus")]
    (run / "evaluation" / "per_group.csv").write_text("\n".join(lines) + "\n")
    page = read_page(write_report(run))
    main = page.tables["mask: means over images"]
    assert main[0] == ["Class", "Dice", "IoU", "NSD at 1.5 mm", "HD95 (mm)"]
    assert main[2][1].endswith(" [0.512, 0.900]")
    assert main[2][3:] == ["0.800", "7.654 [3.21, 12.35]"]
    assert "-5.1 %" in page.tables["mask: further means over images"][2]
    assert page.facts["NSD at 1.5 mm"] == "0.800"
    assert (
        "95 % intervals of the means, over 10 groups (BCa bootstrap). With fewer than 20 they are rough." in page.text
    )
    assert [row[:3] for row in page.tables["mask: groups, the lowest Dice first"][1:]] == [
        ["b", "4", "0.200"],
        ["a", "4", "0.900"],
    ]
    assert page.tables["mask: all images together, and means over groups"][2][-2:] == ["0.750", "0.700"]


def test_too_few_images_for_intervals_are_said(make_run, read_page):
    run = make_run()
    path = run / "evaluation" / "summary.json"
    summary = json.loads(path.read_text())
    summary["intervals"] = {"level": 0.95, "over": "images", "method": "BCa bootstrap", "fewest": 8, "rough": 20}
    summary["targets"]["mask"]["intervals"] = {"dice": {"low": None, "high": None, "n": 7}}
    path.write_text(json.dumps(summary))
    assert "No intervals are given: at least 8 images are needed, there are 7." in read_page(write_report(run)).text


def test_empty_cases_are_counted_out_loud(make_run, read_page):
    page = read_page(write_report(make_run()))
    assert page.tables["mask: images in which each class is"][1:] == [
        ["cell", "8", "0", "0", "0"],
        ["nucleus", "4", "1", "1", "2"],
    ]
    assert "nucleus: missed altogether in 1 of the 5 images with it; predicted in 1 image without it" in page.text
    assert "cell: predicted in each of the 8 images with it, and in no other." in page.text
    assert "Absent on both sides: undefined." in page.text


def test_distribution_is_of_the_foreground_means(make_run, read_page):
    run = make_run()
    path = write_report(run)
    page = read_page(path)
    scores = {}
    for row in per_image(run):
        if row["class"] != "background" and row["dice"]:
            scores.setdefault(row["id"], []).append(float(row["dice"]))
    dice = [statistics.fmean(values) for values in scores.values()]
    assert page.facts["Median"] == f"{np.median(dice):.3f}"
    assert page.facts["Lower quartile"] == f"{np.quantile(dice, 0.25):.3f}"
    assert page.facts["Upper quartile"] == f"{np.quantile(dice, 0.75):.3f}"
    assert (page.facts["Lowest"], page.facts["Highest"]) == (f"{min(dice):.3f}", f"{max(dice):.3f}")
    counts, edges = np.histogram(dice, bins=20, range=(0, 1))
    drawn = re.findall(r"<title>(\S+) to (\S+): (\d+) images?</title>", path.read_text())
    assert drawn == [
        (f"{low:.2f}", f"{high:.2f}", str(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        if count
    ]


def test_images_without_foreground_are_said_to_be_left_out(make_run, read_page):
    run = make_run()
    lines = (run / "evaluation" / "per_image.csv").read_text().splitlines()
    empty = [f"void,,mask,{name},,,,,0,0,0,both_empty" for name in ("cell", "nucleus")]
    (run / "evaluation" / "per_image.csv").write_text("\n".join([*lines, *empty]))
    page = read_page(write_report(run))
    assert "Left out: 1 image with no foreground" in page.text
    assert page.facts["Images"] == "8"


def test_data_section_repeats_the_files(make_run, read_page):
    page = read_page(write_report(make_run()))
    assert page.tables["Samples by split"][1:] == [
        ["Training", "12", "50.0 %", "6"],
        ["Validation", "4", "16.7 %", "2"],
        ["Test", "8", "33.3 %", "4"],
    ]
    assert page.tables["Label map"][1:] == [
        ["background", "0", "90.0 %"],
        ["cell", "128", "8.8 %"],
        ["nucleus", "255", "1.2 %"],
    ]
    assert page.facts["Images without mask"] == "1"
    assert page.facts["Median image (height × width)"] == "480 × 640"
    assert "two pictures were rotated" in page.sections["data"]
    assert "only 0, 128 and 255 occur" in page.sections["data"]


def test_epochs_and_times_repeat_the_files(make_run, read_page):
    run = make_run()
    page = read_page(write_report(run))
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    table = page.tables["Numbers of every epoch"][1:]
    assert [int(row[0]) for row in table] == [1, 2, 3, 4, 5]
    for row, epoch in zip(table, epochs, strict=True):
        assert float(row[1]) == pytest.approx(epoch["train_loss"], rel=1e-3)
        assert row[2:4] == [f"{epoch['val_dice']:.3f}", f"{epoch['val_iou']:.3f}"]
        assert float(row[4]) == pytest.approx(epoch["lr"], rel=1e-3)
        assert float(row[5]) == epoch["images_per_s"]
    assert page.facts["Training"] == "1 min 15 s"
    assert page.facts["Together"] == "1 min 20 s"
    assert page.facts["Parameters"] == "1,928,433"
    assert "1.9 million parameters was trained for 5 epochs in 1 min 15 s." in page.text


def test_plan_settings_machine_and_versions_are_there(make_run, read_page):
    page = read_page(write_report(make_run()))
    assert page.tables["Choices"][1:] == [["Batch", "8", "it fits"], ["Learning rate", "0.002", "set by hand"]]
    assert "epochs: 5" in page.sections["settings"]
    assert (page.facts["Processor"], page.facts["Torch"]) == ("Abacus 9", "2.15.0")
    assert "GPU" not in page.facts
    assert page.facts["Licence of the model"] == "none was given"


def test_long_choices_stand_below_their_reason(make_run, read_page):
    run = make_run()
    choice = {"value": {"flip_h": True, "rotate": 15.0, "scale": [0.8, 1.25], "blur": 1.0}, "because": "usual"}
    (run / "plan.yaml").write_text(json.dumps({"augment": choice}))
    row = read_page(write_report(run)).tables["Choices"][1]
    assert row == ["Augment", "4 values", "usualflip_h: yes · rotate: 15 · scale: 0.8, 1.25 · blur: 1"]


def test_page_is_complete_in_itself(make_run):
    html = write_report(make_run()).read_text()
    assert "default-src 'none'" in html
    for address in re.findall(r"(?:src|href|srcset|action|data|xlink:href)\s*=\s*[\"']([^\"']*)", html):
        assert address.startswith(("data:image/", "#"))
    assert not re.findall(r"url\(|@import|<script|<link|<iframe|<object", html)
    assert not re.findall(r"(?<![\w-])https?://", html)


def test_every_picture_has_words_and_a_size(make_run, read_page):
    page = read_page(write_report(make_run()))
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 1 + 3 + 12
    assert all(picture["alt"] and int(picture["width"]) and int(picture["height"]) for picture in pictures)
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(charts) == 5
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)


def test_headings_and_tables_are_for_everyone(make_run, read_page):
    page = read_page(write_report(make_run()))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    headers = [attributes for tag, attributes in page.tags if tag == "th"]
    assert all(header.get("scope") in ("col", "row") for header in headers)
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags)
    anchors = {attributes["href"][1:] for tag, attributes in page.tags if tag == "a"}
    assert anchors <= {attributes.get("id") for _, attributes in page.tags}
    assert ("html", {"lang": "en"}) in page.tags


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_hostile_names_are_inert(make_run, read_page):
    run = make_run(sample=HOSTILE)
    change(run / "data.json", notes=[HOSTILE], layout=HOSTILE)
    change(run / "run.json", status=HOSTILE, versions={HOSTILE: HOSTILE}, licence=HOSTILE)
    (run / "config.yaml").write_text(f"data:\n  path: '{HOSTILE}'\n")
    (run / "plan.yaml").write_text(json.dumps({HOSTILE: {"value": HOSTILE, "because": HOSTILE}}))
    text = (run / "data.json").read_text().replace("nucleus", json.dumps(HOSTILE)[1:-1])
    (run / "data.json").write_text(text)
    page = read_page(write_report(run))
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert all(dict(attributes)["src"].startswith("data:") for tag, attributes in page.tags if tag == "img")
    assert page.text.count("<script>alert(1)</script>") >= 8


def test_names_that_are_not_utf8_do_not_stop_the_report(make_run, read_page):
    run = make_run()
    for name in ("samples.csv", "evaluation/per_image.csv"):
        path = run / name
        path.write_bytes(path.read_bytes().replace(b"im1,", b"im\xff1,"))
    change(run / "data.json", notes=["a name: \udcff"])
    assert "a name: ?" in read_page(write_report(run)).text


def test_colours_that_are_no_colours_are_refused(make_run):
    run = make_run()
    cases = run / "evaluation" / "cases" / "cases.json"
    change(cases, legend=[{"name": "hit", "color": "red;background:url(//x)"}])
    with pytest.raises(DataError, match=r"cases\.json"):
        write_report(run)


def test_cases_cannot_reach_outside_their_folder(make_run, read_page):
    run = make_run()
    write_image(run.parent / "secret.png", np.zeros((4, 4, 3), np.uint8))
    record = json.loads((run / "evaluation" / "cases" / "cases.json").read_text())
    record["cases"][0]["panels"] = [{"name": "image", "file": "../../../secret.png"}]
    (run / "evaluation" / "cases" / "cases.json").write_text(json.dumps(record))
    assert "The picture is missing." in read_page(write_report(run)).text


def test_large_pictures_are_made_small(make_run):
    run = make_run()
    noise = np.random.default_rng(1).integers(0, 255, (1500, 2000, 3), dtype=np.uint8)
    write_image(run / "samples.png", noise)
    assert (run / "samples.png").stat().st_size > 8e6
    assert write_report(run).stat().st_size < 3e6


def test_of_many_previews_a_few_are_shown_with_first_and_last(make_run, read_page):
    run = make_run()
    for epoch in range(1, 61):
        write_image(run / "previews" / f"epoch_{epoch:04d}.png", np.zeros((10, 20, 3), np.uint8))
    text = read_page(write_report(run)).sections["training"]
    shown = [int(epoch) for epoch in re.findall(r"Epoch (\d+)", text)]
    assert len(shown) == 6
    assert (shown[0], shown[-1]) == (1, 60)


def test_report_is_the_same_twice(make_run):
    run = make_run()
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_expected_scores_are_judged(make_run, read_page):
    run = make_run()
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    found = {"n": 40, "spearman": 0.71, "expected": 0.9, "real": 0.85, "error": 0.06}
    for spearman, verdict in (
        (0.71, "mostly knows"),
        (0.4, "knows somewhat"),
        (-0.1, "does not know"),
        (None, "score alike"),
    ):
        summary["targets"]["mask"]["expectation"] = found | {"spearman": spearman}
        (run / "evaluation" / "summary.json").write_text(json.dumps(summary))
        page = read_page(write_report(run))
        assert verdict in page.sections["expectation"]
    assert page.facts["Dice expected, mean"] == "0.900"
    summary["targets"]["mask"]["expectation"] = found | {"n": 4}
    (run / "evaluation" / "summary.json").write_text(json.dumps(summary))
    assert "4 images are too few" in read_page(write_report(run)).sections["expectation"]


def test_runs_of_before_have_no_expectation(make_run, read_page):
    assert "expectation" not in read_page(write_report(make_run())).sections


def test_sections_stand_in_the_order_of_the_work(make_run, draw_cases, read_page):
    run = make_run()
    draw_cases(run)
    page = read_page(write_report(run))
    order = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert order == [
        *("data", "plan", "training", "score", "classes", "distribution"),
        *("examples", "failures", "settings", "record"),
    ]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a" and attributes.get("class") != "skip"]
    assert links[: len(order)] == [f"#{anchor}" for anchor in order]


def test_headline_licences_and_hashes_are_said(make_run, read_page):
    run = make_run()
    change(run / "data.json", licence="CC0-1.0")
    change(run / "run.json", licence="MIT")
    page = read_page(write_report(run))
    score = page.facts["mean Dice on 8 test images"]
    assert f"Mean Dice {score} on 8 test images." in page.text
    assert (page.facts["Licence of the model"], page.facts["Licence of the data"]) == ("MIT", "CC0-1.0")
    assert page.facts["Evaluated data"] == "0123456789abcdef0123"
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert page.facts["Licence of Limner"] == project["license"]


def test_cases_have_layers_and_doubtful_ones_what_was_expected(make_run, draw_cases, read_page):
    run = make_run()
    draw_cases(run)
    page = read_page(write_report(run))
    layers = [attributes for _, attributes in page.tags if (attributes.get("class") or "").startswith("layer ")]
    assert len(layers) == 12 * 4
    words = " ".join(page.sections["examples"].split())
    assert re.search(r"Doubtful im\d+Dice 0\.\d+rank \d+ of 16 · expected 0\.\d+", words)
    assert "Uncertainty 0 1" in words
    assert words.count("Zoom") == 12
    # What the layers show is not shown again beside them.
    assert len([1 for tag, _ in page.tags if tag == "img"]) == 1 + 3 + 12 * 5


def test_without_the_files_of_layers_the_panels_are_shown(make_run, draw_cases, read_page):
    run = make_run()
    draw_cases(run)
    for path in (run / "evaluation" / "cases").glob("*_picture.webp"):
        path.unlink()
    page = read_page(write_report(run))
    assert len([1 for tag, _ in page.tags if tag == "img"]) == 1 + 3 + 12 * 4
    assert "Zoom" not in page.text


@pytest.mark.slow
def test_a_page_of_500_images_is_less_than_10_mb(make_run, draw_cases):
    run = make_run(images=500, epochs=300)
    draw_cases(run, images=500, size=(512, 512), noise=True)  # nothing takes more bytes than noise
    lines = ["group,target,class,n_images,dice,iou"]
    lines += [f"group-{number},mask,{name},1,0.5,0.4" for number in range(500) for name in ("cell", "nucleus")]
    (run / "evaluation" / "per_group.csv").write_text("\n".join(lines) + "\n")
    path = run / "evaluation" / "per_image.csv"
    missed = [f"a-rather-long-name-{number:05},,mask,cell,0,0,0,0,0,1,2,missed" for number in range(500)]
    path.write_text(path.read_text() + "\n".join(missed) + "\n")
    generator = np.random.default_rng(0)
    for name in ("samples.png", "previews/epoch_0001.png"):
        write_image(run / name, generator.integers(0, 255, (1000, 1400, 3), dtype=np.uint8))
    page = write_report(run)
    assert page.stat().st_size < 10e6
    assert "And 300 more groups: evaluation/per_group.csv has them all." in page.read_text()


def test_steps_after_the_threshold_are_shown_with_their_evidence(make_run, read_page):
    run = make_run()
    (run / "folds" / "0").mkdir(parents=True)
    trial = {"target": "mask", "class": "cell", "step": "min_area", "area": 1200, "n": 40}
    trials = [
        {**trial, "better": 0.0213, "low": 0.01, "high": 0.03, "taken": True},
        {**trial, "step": "fill_holes", "better": 0.001, "low": -0.002, "high": 0.003, "taken": False},
        {**trial, "step": "largest", "better": -0.5, "low": -0.6, "high": -0.4, "taken": False},
    ]
    (run / "post_processing.json").write_text(json.dumps({"n_images": 40, "trials": trials}))
    tables = read_page(write_report(run)).tables
    (found,) = [rows for title, rows in tables.items() if title.startswith("Steps after the threshold")]
    assert found[1:] == [
        ["cell", "leave out objects below 1,200 pixels", "+0.0213 +0.0100 to +0.0300", "40", "taken up"],
        ["cell", "fill holes", "+0.0010 −0.0020 to +0.0030", "40", "no evidence"],
        ["cell", "keep the largest object", "−0.5000 −0.6000 to −0.4000", "40", "harms"],
    ]
