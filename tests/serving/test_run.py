"""`/v1/run`: a run's report, its samples in their orders, and what is known of them."""

import base64
import csv
import io
import json
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

import limner
from limner.data.labels import read_target
from limner.images import read_image
from limner.training.record import read_data
from limner.workflow.open import show_run
from limner.workflow.trainer_lock import training_alone


@pytest.fixture
def run(trained, tmp_path):
    """A finished run on the cells, to do anything with."""
    return shutil.copytree(trained.folder, tmp_path / "cells run")


@pytest.fixture
def opened(serve):
    """Starts the server of a run folder."""

    def start(folder, **settings):
        shown, bundles = show_run(folder)
        return serve(models=bundles, run=shown, **settings)

    return start


def _grey(text):
    return np.array(Image.open(io.BytesIO(base64.b64decode(text))))


def _samples(server, **query):
    found = server.ask("/v1/run/samples?" + "&".join(f"{key}={quote(str(value))}" for key, value in query.items()))
    assert found.status == 200, found.body
    return found.json


def _cases(run):
    return json.loads((run / "evaluation" / "cases" / "cases.json").read_text())["cases"]


def test_the_run_is_described(opened, run):
    found = opened(run).ask("/v1/run").json
    counts = read_data(run).catalog.split_counts()
    assert (found["name"], found["status"], found["epochs"], found["measure"]) == ("cells run", "finished", 2, "Dice")
    assert [(group["name"], group["count"], group["rating"]["state"]) for group in found["groups"]] == [
        ("test", counts["test"], "done"),
        ("val", counts["val"], "idle"),
    ]
    assert found["trouble"] is found["no_model"] is None


def test_samples_come_as_the_report_ranks_them(opened, run):
    server = opened(run)
    cases = _cases(run)
    listed = _samples(server, group="test")["samples"]
    assert {(one["kind"], one["name"], one["rank"]) for one in listed} == {
        (case["kind"], case["id"], case["rank"]) for case in cases
    }
    assert listed[0]["kind"] == "worst"
    by_name = {case["id"]: case for case in cases}
    for one in listed:
        assert one["score"] == pytest.approx(by_name[one["name"]]["score"])
        assert one["expected"] == pytest.approx(by_name[one["name"]]["expected"])
    with (run / "evaluation" / "per_image.csv").open(newline="") as file:
        dice = {row["id"]: float(row["dice"]) for row in csv.DictReader(file) if row["class"] != "background"}
    for order, sign in (("worst", 1), ("best", -1)):
        found = [one["name"] for one in _samples(server, group="test", order=order)["samples"]]
        assert found == sorted(dice, key=lambda name: sign * dice[name])
    doubtful = [one["expected"] for one in _samples(server, order="doubtful")["samples"]]
    assert doubtful == sorted(doubtful)


def test_samples_are_found_and_come_in_parts(opened, run):
    server = opened(run)
    every = _samples(server, group="test", order="name")["samples"]
    part = _samples(server, group="test", order="name", offset=1, limit=1)
    assert part == {"group": "test", "total": len(every), "samples": every[1:2]}
    name = every[-1]["name"]
    assert _samples(server, name=name)["samples"] == [every[-1]]
    assert [one["name"] for one in _samples(server, order="name", find=name.upper())["samples"]] == [name]
    for query, status in (
        ("group=train", 404), ("order=random", 404), ("limit=0", 422), ("offset=-1", 422), ("name=nobody", 404),
    ):  # fmt: skip
        reply = server.ask(f"/v1/run/samples?{query}")
        assert reply.status == status
        assert reply.error


def test_a_sample_is_given_as_it_was_scored(opened, run, picture):
    """Its picture, sent to be predicted, and its truth give the Dice of the report."""
    server = opened(run)
    data = read_data(run)
    for sample in _samples(server, group="test", order="name")["samples"]:
        number = sample["number"]
        image = server.ask(f"/v1/run/picture?number={number}").body
        original = read_image(data.catalog.inputs["image"][number])
        assert np.array_equal(np.array(Image.open(io.BytesIO(image))).reshape(original.shape), original)
        found = _grey(server.predict(image, model=sample["model"]).json["targets"]["mask"]["mask"])
        truth = server.ask(f"/v1/run/sample?number={number}").json["targets"]["mask"]
        mask = _grey(truth["mask"])
        assert np.array_equal(mask, read_target(data.catalog.targets["mask"][number], data.label_maps["mask"]))
        both, either = ((found == 1) & (mask == 1)).sum(), (found == 1).sum() + (mask == 1).sum()
        assert sample["score"] == pytest.approx(2 * both / either)
        small = Image.open(io.BytesIO(server.ask(f"/v1/run/thumbnail?number={number}").body))
        assert max(small.size) <= 144


def test_only_samples_that_are_shown_are_read(opened, run):
    server = opened(run)
    (train, *_) = read_data(run).catalog.indices("train")
    for path in ("sample", "picture", "thumbnail"):
        for number in (train, 10**6):
            assert server.ask(f"/v1/run/{path}?number={number}").status == 404
        assert server.ask(f"/v1/run/{path}?number=../../etc/passwd").status == 422
    test = _samples(server)["samples"][0]["number"]
    assert server.ask(f"/v1/run/picture?number={test}&input=mask").error["remedy"] == "Name one of: image."
    assert opened(run, max_pixels=10).ask(f"/v1/run/picture?number={test}").status == 413


def test_the_report_leads_to_the_samples_and_runs_nothing(opened, run):
    server = opened(run, token="0123456789abcdef")
    said = server.ask("/v1/run", headers={"Authorization": "Bearer 0123456789abcdef"}).json
    reply = server.ask(said["report"])
    assert reply.status == 200
    page = reply.body.decode()
    links = re.findall(r'<a href="/#picture=([^"]+)" target="_top">', page)
    assert set(links) == {case["id"] for case in _cases(run)}
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-top-navigation-by-user-activation" in policy
    assert "allow-scripts" not in policy
    assert "frame-ancestors 'self'" in policy
    for other in ("/report/", said["report"][:-1], said["report"] + "x", "/report/" + "A" * 32):
        assert server.ask(other).status == 401
    assert server.ask("/v1/run").status == 401


def test_without_a_run_there_is_none(serve, every_task):
    server = serve(models={"m": every_task("unet")})
    assert server.ask("/v1/run").status == 404
    assert server.ask("/v1/run/rate", document={"group": "val"}).status == 404


def test_samples_that_the_run_left_out_are_scored(opened, run, wait):
    server = opened(run)
    assert {one["score"] for one in _samples(server, group="val", order="name")["samples"]} == {None}
    assert server.ask("/v1/run/rate", document={"group": "val"}).status == 202
    wait(lambda: server.ask("/v1/run").json["groups"][1]["rating"]["state"] == "done")
    expected = limner.evaluate(run, split="val", out=run / "other")
    dice = {row["id"]: row["dice"] for row in expected.rows if row["class"] != "background"}
    found = _samples(server, group="val", order="worst")["samples"]
    assert {one["name"]: pytest.approx(one["score"]) for one in found} == dice
    kinds = {case["id"]: case["kind"] for case in json.loads((run / "other/cases/cases.json").read_text())["cases"]}
    assert {one["name"]: one["kind"] for one in found} == kinds
    assert server.ask("/v1/run/rate", document={"group": "nothing"}).status == 404
    assert server.ask("/v1/run/rate", document={"group": ""}).status == 422


def test_a_scoring_that_fails_says_why_without_a_path(opened, run, wait, tmp_path, cells):
    """The data were moved, and one picture is damaged."""
    moved = shutil.copytree(cells, tmp_path / "new place")
    table = run / "samples.csv"
    table.write_text(table.read_text().replace(str(cells), str(moved)))
    data = read_data(run)
    (first, *_) = data.catalog.indices("val")
    damaged = Path(data.catalog.inputs["image"][first])
    damaged.write_bytes(damaged.read_bytes()[:60])
    server = opened(run)
    server.ask("/v1/run/rate", document={"group": "val"})
    wait(lambda: server.ask("/v1/run").json["groups"][1]["rating"]["state"] == "failed")
    said = json.dumps(server.ask("/v1/run").json["groups"][1]["rating"]["error"])
    assert damaged.name in said
    assert str(tmp_path) not in said
    reply = server.ask(f"/v1/run/picture?number={first}")
    assert reply.status == 400
    assert damaged.name in reply.error["found"]
    assert str(tmp_path) not in reply.body.decode()


def test_data_that_are_gone_are_said_to_be(opened, run, tmp_path, cells):
    moved = shutil.copytree(cells, tmp_path / "gone")
    table = run / "samples.csv"
    table.write_text(table.read_text().replace(str(cells), str(moved)))
    data = read_data(run)
    (one, *_) = data.catalog.indices("test")
    gone = moved / "images" / data.catalog.inputs["image"][one].rpartition("/")[2]
    gone.unlink()
    server = opened(run)
    assert server.ask("/v1/run").json["trouble"] is None
    reply = server.ask(f"/v1/run/picture?number={one}")
    assert (reply.status, reply.error["found"]) == (404, f"'{gone.name}' is no longer there")
    shutil.rmtree(moved)
    server = opened(run)
    reply = server.ask("/v1/run")
    assert "no longer there" in reply.json["trouble"]["found"]
    assert "Put the data folder back" in reply.json["trouble"]["remedy"]
    assert str(tmp_path) not in reply.body.decode()
    assert server.ask(reply.json["report"]).status == 200


def test_a_run_without_a_model_is_shown_and_the_model_comes(opened, run, wait, tmp_path, png):
    kept = (run / "model.safetensors").rename(tmp_path / "model.safetensors")
    record = json.loads((run / "run.json").read_text()) | {"status": "training"}
    (run / "run.json").write_text(json.dumps(record))
    server = opened(run, reload=0.05)
    said = server.ask("/v1/run").json
    assert said["no_model"]["found"].startswith("none yet")
    assert (said["status"], "nothing on this machine trains it" in said["note"]) == ("training", True)
    with training_alone(run):
        assert server.ask("/v1/run").json["note"] == "The training has not ended."
    assert server.ask("/v1/models").json == []
    assert server.predict(png(channels=1)).error["found"].startswith("none yet")
    assert server.ask(said["report"]).status == 200
    kept.rename(run / "model.safetensors")
    wait(lambda: server.ask("/v1/run").json["no_model"] is None)
    assert server.predict(png(channels=1)).status == 200


def test_a_model_that_cannot_be_loaded_leaves_the_report(opened, run):
    (run / "model.safetensors").write_bytes(b"of another program")
    server = opened(run)
    said = server.ask("/v1/run").json
    assert "cannot" in said["no_model"]["found"]
    assert server.ask(said["report"]).body == (run / "report.html").read_bytes()


def test_a_run_that_has_not_split_its_data_shows_its_report(opened, run):
    for name in ("data.json", "samples.csv", "metrics.jsonl", "model.safetensors"):
        (run / name).unlink()
    shutil.rmtree(run / "evaluation")
    server = opened(run)
    said = server.ask("/v1/run").json
    assert said["groups"] == []
    assert said["trouble"]["found"] == "none yet"
    assert server.ask("/v1/run/samples").status == 404
    assert server.ask(said["report"]).status == 200


@pytest.mark.slow
def test_of_folds_each_sample_is_shown_by_the_model_that_did_not_see_it(opened, cells, small_train, tmp_path):
    folder = small_train(cells, tmp_path / "folds", settings={"data.folds": 2, "training.epochs": 1}).folder
    data = read_data(folder)
    server = opened(folder)
    (group,) = (one for one in server.ask("/v1/run").json["groups"] if one["name"] == "out-of-fold")
    assert group["rating"]["state"] == "done"
    listed = _samples(server, group="out-of-fold", order="worst")["samples"]
    assert len(listed) == group["count"] == len(data.catalog)
    models = {model["name"] for model in server.ask("/v1/models").json}
    assert models == {"folds", "fold 0", "fold 1"}
    for sample in listed:
        assert sample["model"] == f"fold {data.catalog.facts['fold'][sample['number']]}"
        image = server.ask(f"/v1/run/picture?number={sample['number']}").body
        found = _grey(server.predict(image, model=sample["model"]).json["targets"]["mask"]["mask"]) == 1
        truth = _grey(server.ask(f"/v1/run/sample?number={sample['number']}").json["targets"]["mask"]["mask"]) == 1
        assert sample["score"] == pytest.approx(2 * (found & truth).sum() / (found.sum() + truth.sum()))
