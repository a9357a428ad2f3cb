"""Model card and data card, read line by line as a renderer of Markdown does."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt  # which rich brings

import limner
from limner.errors import DataError, OutputError
from limner.evaluation.card import write_cards
from limner.evaluation.markdown import code, escape, table

HOSTILE = "a|b*c_d_`e`<img src=x>[l](http://x)\n# head &amp; ~~x~~"


def parts(path: Path) -> tuple[dict, str]:
    """Front matter and body of a card."""
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


def facts(body: str) -> dict[str, str]:
    """Lines such as `- **Name:** value`."""
    return dict(re.findall(r"^- \*\*(.+?):\*\* (.*)$", body, re.MULTILINE))


def rows(body: str, heading: str) -> list[list[str]]:
    """Cells of the table whose first heading is this."""
    lines = body.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    found = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    assert len({len(row) for row in found}) == 1, found
    return [found[0], *found[2:]]


def rendered(body: str) -> tuple[list[str], list[str], list[str]]:
    """Texts, links and headings as a renderer of Markdown makes them; HTML that it would let through fails."""
    texts, links, headings = [], [], []
    found = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(body)
    for place, token in enumerate(found):
        assert token.type != "html_block", token.content
        if token.type != "inline":
            continue
        parts = token.children or []
        assert not {"html_inline", "image", "s_open"} & {part.type for part in parts}, token.content
        links += [str(part.attrs["href"]) for part in parts if part.type == "link_open"]
        texts.append("".join("\n" if part.type == "softbreak" else part.content for part in parts))
        if found[place - 1].type == "heading_open":
            headings.append(texts[-1])
    return texts, links, headings


def samples(run: Path) -> list[dict[str, str]]:
    with (run / "samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def change(path: Path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_model_card_of_a_real_run(trained, tmp_path):
    cards = limner.card(trained.folder, tmp_path)
    head, body = parts(cards.model)
    assert head["library_name"] == "limner"
    assert (head["license"], head["pipeline_tag"], head["metrics"]) == (
        "unknown",
        "image-segmentation",
        ["dice", "iou"],
    )
    assert "model-index" not in head  # it would have to name a data set of the hub
    known = facts(body)
    model = trained.folder / "model.safetensors"
    assert hashlib.sha256(model.read_bytes()).hexdigest() in known["File"]
    assert (known["Channels"], known["Seed"], known["Epochs"]) == ("1", "0", "2")
    assert "32 × 32" in known["Size"]
    assert known["Parameters"] == f"{json.loads((trained.folder / 'run.json').read_text())['parameters']:,}"
    means = rows(body, "Class")
    dice = trained.summary["targets"]["mask"]["classes"][1]["dice"]
    assert means[2][:2] == ["foreground", f"{dice:.3f}"]
    tests = sum(row["split"] == "test" for row in samples(trained.folder))
    assert f"The scores rest on {tests} test image" in body
    assert "No groups were given" in body
    assert "limner predict model.safetensors NEW_PICTURES" in body


def test_the_example_of_a_card_runs(trained, tmp_path, cells, monkeypatch):
    text = limner.card(trained.folder, tmp_path).model.read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    shutil.copy(trained.folder / "model.safetensors", tmp_path)
    picture = sorted((cells / "images").iterdir())[0]
    shutil.copy(picture, tmp_path / f"new{picture.suffix}")
    values: dict = {}
    exec(example.replace("new.png", f"new{picture.suffix}"), values)  # what a reader would do
    assert set(values["mask"].ravel()) <= {0, 1}


def test_data_card_of_a_real_run(trained, tmp_path):
    head, body = parts(limner.card(trained.folder, tmp_path).data)
    assert head["size_categories"] == ["n<1K"]
    found = samples(trained.folder)
    table = {row[0]: row[1] for row in rows(body, "Split")[1:]}
    for split, word in (("train", "training"), ("val", "validation"), ("test", "test")):
        assert table[word] == str(sum(sample["split"] == split for sample in found))
    data = json.loads((trained.folder / "data.json").read_text())
    assert facts(body)["mask"] == escape(data["label_maps"]["mask"]["because"])
    assert facts(body)["Pairs"] == str(len(found))
    assert "licence of the data is not stated" in body


def test_caveats_are_computed(make_run):
    run = make_run()
    lines = ["group,target,class,n_images,dice", *(f"g{n},mask,cell,2,{0.9 if n else 0.3}" for n in range(5))]
    (run / "evaluation" / "per_group.csv").write_text("\n".join(lines) + "\n")
    body = parts(write_cards(run).model)[1].split("## What it is not known to do")[1].split("## How it was trained")[0]
    said = [line[2:] for line in body.splitlines() if line.startswith("- ")]
    assert "The scores rest on 8 test images: other images may give quite other scores." in said
    # Of eight images two hold no nucleus and are answered so, one is a false alarm, one is missed.
    assert "nucleus: only 5 of 8 evaluated images hold it." in said
    assert "nucleus: missed altogether in 1 of 5 images with it." in said
    assert "nucleus: predicted in 1 of 3 images without it." in said
    assert "Groups differ: the mean Dice is 0.300 in g0, 0.900 in the median group." in said
    assert "mask: what its probabilities are worth was not measured." in said
    assert not any(line.startswith("No groups were given") for line in said)  # the samples have some


def test_validation_scores_and_wide_intervals_are_caveats(make_run):
    run = make_run()
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    summary["targets"]["mask"]["intervals"] = {"dice": {"low": 0.4, "high": 0.75, "n": 8}}
    summary |= {"split": "val", "intervals": {"level": 0.9}}
    (run / "evaluation" / "summary.json").write_text(json.dumps(summary))
    text = write_cards(run).model.read_text()
    assert "These are the validation samples, by which the best epoch was chosen" in text
    assert "mean Dice: the 90 % interval is wide, 0.400 to 0.750." in text


def test_groups_not_parted_and_seed_given(make_run):
    run = make_run()
    (run / "config.yaml").write_text("data:\n  seed: 7\n  group: ^(p[0-9]+)_\ntraining:\n  seed: 11\n")
    cards = write_cards(run)
    known = facts(cards.data.read_text())
    assert (known["Seed"], known["Setting data.group"]) == ("7", r"^(p\[0-9\]+)\_")
    assert facts(cards.model.read_text())["Seed"] == "11"


@pytest.mark.parametrize(
    "name",
    ["run.json", "config.yaml", "plan.yaml", "metrics.jsonl", "samples.csv", "data.json", "evaluation/summary.json"],
)
def test_what_is_missing_is_said(make_run, name):
    run = make_run()
    (run / name).unlink()
    cards = write_cards(run)
    assert f"{escape(name)} is missing" in cards.model.read_text()
    assert cards.data.read_text().startswith("---\nlicense: unknown\n")


def test_interrupted_run(make_run):
    run = make_run()
    shutil.rmtree(run / "evaluation")
    change(run / "run.json", status="interrupted")
    text = write_cards(run).model.read_text()
    assert "The training was interrupted" in text
    assert "The model was not evaluated: how good it is, is unknown." in text
    assert "There is no model file to use." in text


def test_folds_have_a_model_each(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(
        trained.folder, run, ignore=shutil.ignore_patterns("model.safetensors", "metrics.jsonl", "plan.yaml")
    )
    for fold in ("0", "1"):
        shutil.copytree(trained.folder, run / "folds" / fold, ignore=shutil.ignore_patterns("evaluation", "previews"))
    text = write_cards(run).model.read_text()
    assert facts(text)["Models"] == "2, each without one fold of the samples"
    assert "`folds/0/model.safetensors`" in text
    assert "`folds/1/model.safetensors`" in text
    assert "limner predict folds/0/model.safetensors NEW_PICTURES" in text
    # Since there is an ensemble of the folds, that is the model.
    shutil.copy(run / "folds" / "0" / "model.safetensors", run)
    shutil.copytree(trained.folder / "evaluation", run / "evaluation-test")
    text = write_cards(run, overwrite=True).model.read_text()
    assert "limner predict model.safetensors NEW_PICTURES" in text
    score = json.loads((run / "evaluation-test" / "summary.json").read_text())["targets"]["mask"]["mean"]["dice"]
    assert facts(text.split("### The ensemble of all folds")[1])["mask, mean Dice"].startswith(f"{score:.3f}")


def test_numbers_have_a_unit_and_a_range(make_run):
    run = make_run()
    data = json.loads((run / "data.json").read_text())
    data["label_maps"] = {"depth": {"task": "regression", "unit": "m", "factor": 0.001, "low": 0.5, "high": 9.25}}
    (run / "data.json").write_text(json.dumps(data))
    errors = {"rmse": 0.25, "mae": 0.125, "abs_rel": 0.0625, "silog": None, "delta": 0.75}
    target = {"task": "regression", "unit": "m", "mean": errors, "pooled": errors, "n_pixels": 9}
    change(run / "evaluation" / "summary.json", targets={"depth": target})
    (run / "evaluation" / "per_image.csv").write_text("id,group,target,rmse\na,,depth,0.25\nb,,depth,0.75\n")
    cards = write_cards(run)
    head, body = parts(cards.model)
    assert head["metrics"] == ["rmse", "mae"]
    assert rows(body, "Error")[1:3] == [["RMSE (m)", "0.25", "0.25"], ["MAE (m)", "0.125", "0.125"]]
    assert "depth: it learned from values from 0.5 to 9.25 alone m" not in body
    assert "depth: it learned from values from 0.5 to 9.25 m alone." in body
    assert facts(cards.data.read_text())["depth"] == "stored as number × 0.001 m; 0.5 to 9.25 m"


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("", {"license": "unknown"}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("Hospital use: only *here*", {"license": "other", "license_name": "hospital-use-only-here"}),
    ],
)
def test_licence_is_named_as_hubs_know_it(make_run, licence, expected):
    run = make_run()
    change(run / "run.json", licence=licence)
    head, body = parts(write_cards(run).model)
    assert {name: value for name, value in head.items() if name.startswith("license")} == expected
    assert facts(body)["Licence"] == escape(licence or "none was given")


def test_names_cannot_break_a_card(make_run):
    run = make_run()
    data = json.loads((run / "data.json").read_text())
    data["label_maps"]["mask"]["names"][1] = HOSTILE
    data["label_maps"][HOSTILE] = data["label_maps"].pop("mask")
    data |= {"notes": [f"- {HOSTILE}", "1. one\n2. two"], "dropped": [HOSTILE], "layout": "---"}
    data["pairing"]["unmatched_images"] = [HOSTILE]
    (run / "data.json").write_text(json.dumps(data))
    text = (run / "evaluation" / "summary.json").read_text()
    summary = json.loads(text)
    summary["targets"]["mask"]["classes"][1]["name"] = HOSTILE
    summary["targets"][HOSTILE] = summary["targets"].pop("mask")
    (run / "evaluation" / "summary.json").write_text(json.dumps(summary))
    hostile = run.rename(run.with_name("c|e`l_l_s\n# *x*"))
    cards = write_cards(hostile)
    shown = HOSTILE.replace("\n", "␊")
    for path in (cards.model, cards.data):
        head, body = parts(path)
        assert head["license"] == "unknown"
        texts, links, headings = rendered(body)
        assert shown in texts  # a name in a cell of its own is shown as it is
        assert any("c|e`l_l_s␊# *x*" in heading for heading in headings)
        assert all(link.startswith("https://arxiv.org/") or link in ("DATA_CARD.md", "MODEL_CARD.md") for link in links)
    assert parts(cards.data)[0]["pretty_name"] == hostile.name
    assert f"- {shown}" in rendered(parts(cards.data)[1])[0]
    assert "1. one␊2. two" in rendered(parts(cards.data)[1])[0]


def test_a_name_that_is_not_text(make_run):
    run = make_run()
    data = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps(data | {"notes": ["\udcff.png"]}))
    assert "?.png" in write_cards(run).data.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", "a_b"),
        ("_a_", r"\_a\_"),
        ("a|b", r"a\|b"),
        ("a\\", r"a\\"),
        ("1. x", r"1\. x"),
        ("0.5", "0.5"),
        ("-3.5 %", "-3.5 %"),
        ("- x", r"\- x"),
        ("---", r"\---"),
        ("# x", r"\# x"),
        ("< 0.1 %", "< 0.1 %"),
        ("<b>", "&lt;b>"),
        ("&lt;", "&amp;lt;"),
        ("a\nb", "a␊b"),
        ("x\u202egnp", "x\ufffdgnp"),
    ],
)
def test_escape(text, expected):
    assert escape(text) == expected


def test_code_and_table():
    assert code("a b") == "`a b`"
    assert code("a|b") == r"a\|b"
    assert table(["x|y", "n"], [["p|q", "1"]]) == "| x\\|y | n |\n|---|--:|\n| p\\|q | 1 |"


def test_cards_are_not_replaced_unasked(make_run, tmp_path):
    run = make_run()
    cards = write_cards(run)
    cards.model.unlink()
    cards.data.write_text("completed by hand")
    with pytest.raises(OutputError, match="DATA_CARD"):
        write_cards(run)
    assert not cards.model.exists()
    assert cards.data.read_text() == "completed by hand"
    assert write_cards(run, tmp_path / "new").data.parent == tmp_path / "new"
    assert write_cards(run, overwrite=True).data.read_text() != "completed by hand"


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="run folder"):
        write_cards(tmp_path)
    assert not list(tmp_path.iterdir())
