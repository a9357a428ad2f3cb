"""Runs that are not whole: the report says what is missing, and refuses what is damaged."""

import json
import shutil

import pytest

from limner.errors import DataError
from limner.evaluation.report import write_report


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "data.json",
        "config.yaml",
        "plan.yaml",
        "metrics.jsonl",
        "samples.csv",
        "evaluation/per_image.csv",
        "evaluation/summary.json",
        "evaluation/cases/cases.json",
    ],
)
def test_any_one_file_may_be_missing(make_run, read_page, name):
    run = make_run()
    (run / name).unlink()
    assert f"{name} is missing: " in read_page(write_report(run)).text


@pytest.mark.parametrize("kept", ["run.json", "config.yaml", "metrics.jsonl"])
def test_one_file_is_enough_for_a_report(make_run, read_page, kept):
    whole = make_run()
    run = whole.parent / "bare"
    run.mkdir()
    shutil.copy(whole / kept, run)
    page = read_page(write_report(run))
    assert "There is no score." in page.text
    assert "summary.json is missing: the model was not evaluated." in page.text


@pytest.mark.parametrize("name", ["samples.png", "previews", "evaluation/cases/best_1_image.webp"])
def test_pictures_may_be_missing(make_run, name):
    run = make_run()
    path = run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_report(run)


def test_interrupted_run_says_so(make_run, read_page):
    run = make_run()
    shutil.rmtree(run / "evaluation")
    change(run / "run.json", status="interrupted", seconds={"prepare": 1.0})
    text = read_page(write_report(run)).text
    assert "The training was interrupted" in text
    assert "The validation Dice of epoch 3 was 0.700, which is no substitute" in text
    assert "per_image.csv" not in text


def test_leftovers_of_an_unfinished_evaluation_are_not_shown(make_run, read_page):
    run = make_run()
    (run / "evaluation" / "summary.json").unlink()
    page = read_page(write_report(run))
    assert "classes" not in page.sections
    assert "There are no example cases" in page.text


def test_validation_scores_are_called_optimistic(make_run, read_page):
    run = make_run()
    change(run / "evaluation" / "summary.json", split="val")
    page = read_page(write_report(run))
    assert "mean Dice on 8 validation images" in page.facts
    assert "The test samples were left aside" in page.text
    table = run / "samples.csv"
    table.write_text(table.read_text().replace(",test,", ",val,"))
    assert "No test samples were set aside" in read_page(write_report(run)).text


def test_one_epoch_gives_points(make_run, read_page):
    run = make_run(epochs=1)
    page = read_page(write_report(run))
    assert "Only one epoch was finished: the charts show points, not curves." in page.text
    assert sum(tag == "circle" for tag, _ in page.tags) == 5


def test_no_epoch_at_all(make_run, read_page):
    run = make_run()
    (run / "metrics.jsonl").write_text("")
    assert "No epoch was finished, so there are no curves." in read_page(write_report(run)).text


def test_one_image(make_run, read_page):
    page = read_page(write_report(make_run(images=1)))
    assert "mean Dice on 1 test image" in page.facts
    assert "Median" not in page.facts


def test_undefined_scores_are_dashes_with_a_reason(make_run, read_page):
    run = make_run()
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    nothing = dict.fromkeys(("dice", "iou", "precision", "recall"))
    summary["targets"]["mask"]["mean"] = nothing
    summary["targets"]["mask"]["classes"][1].update(nothing, pooled=nothing)
    (run / "evaluation" / "summary.json").write_text(json.dumps(summary))
    page = read_page(write_report(run))
    assert page.facts["mean Dice on 8 test images"] == "–"
    assert page.tables["mask: means over images"][2] == ["cell", *"––––"]
    assert "– means that the score is undefined" in page.text


def test_nan_in_the_log_leaves_a_gap_in_the_curve(make_run, read_page):
    run = make_run()
    lines = (run / "metrics.jsonl").read_text().splitlines()
    lines[1] = lines[1].replace('"val_dice": 0.62', '"val_dice": NaN')
    lines[2] = lines[2].replace('"val_dice": 0.7', '"val_dice": null')
    (run / "metrics.jsonl").write_text("\n".join(lines))
    table = read_page(write_report(run)).tables["Numbers of every epoch"]
    assert [row[2] for row in table[1:]] == ["0.610", "–", "–", "0.640", "0.650"]


def test_cut_off_last_line_is_told(make_run, read_page):
    run = make_run()
    text = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(text + '{"epoch": 6, "tra')
    page = read_page(write_report(run))
    assert "The last line of metrics.jsonl is cut off" in page.text
    assert len(page.tables["Numbers of every epoch"]) == 6


def test_images_without_a_mask_are_counted(make_run, read_page):
    run = make_run()
    change(run / "evaluation" / "summary.json", n_images=11)
    assert "3 images without a mask of this target: not counted." in read_page(write_report(run)).text


def test_several_targets_are_told_apart(make_run, read_page):
    run = make_run()
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    summary["targets"]["second"] = summary["targets"]["mask"]
    (run / "evaluation" / "summary.json").write_text(json.dumps(summary))
    data = json.loads((run / "data.json").read_text())
    data["label_maps"]["second"] = data["label_maps"]["mask"]
    (run / "data.json").write_text(json.dumps(data))
    page = read_page(write_report(run))
    assert "second: means over images" in page.tables
    assert [row[0] for row in page.tables["Label map"][1:]] == ["mask"] * 3 + ["second"] * 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", "{"),
        ("run.json", '{"seconds": [1]}'),
        ("data.json", '{"label_maps": {"mask": {"colors": [[0, 0, 256]]}}}'),
        ("plan.yaml", "a: [1"),
        ("plan.yaml", "- 1"),
        ("metrics.jsonl", '{"epoch": 1}\n{"epo\n{"epoch": 3}\n'),
        ("metrics.jsonl", '{"loss": 1}\n'),
        ("evaluation/summary.json", "[]"),
        ("evaluation/summary.json", '{"n_images": "many"}'),
        ("evaluation/per_image.csv", "id,dice\na,high\n"),
        ("evaluation/cases/cases.json", '{"cases": [{}]}'),
        ("samples.png", "no picture"),
    ],
)
def test_damaged_files_are_named(make_run, name, content):
    run = make_run()
    (run / name).write_text(content)
    with pytest.raises(DataError) as caught:
        write_report(run)
    assert name in caught.value.found


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "foreign"])
def test_what_is_no_run_is_refused(tmp_path, kind):
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("")
    elif kind != "missing":
        place.mkdir()
        (place / "notes.txt").write_text("" if kind == "foreign" else "hello")
    with pytest.raises(DataError, match="run folder"):
        write_report(place)
    assert not (place / "report.html").exists()
