"""`POST /v1/predict` answers as the predictor itself does."""

import base64
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import limner
from limner.images import decode_rle, encode_png
from limner.inference.object_sizes import ObjectSizes
from limner.serving.client import Client, ServerError


def _picture(text):
    return np.array(Image.open(io.BytesIO(base64.b64decode(text))))


@pytest.fixture
def bundle(every_task):
    return every_task("unet")


def test_every_answer_of_every_task_is_the_predictors(serve, bundle, png, picture):
    server = serve(models={"all": bundle})
    expected = limner.load(bundle, device="cpu").predict(picture())
    reply = server.predict(png(), answers="mask,probabilities,rle,polygons,objects,uncertainty", spacing="0.5,2")
    assert reply.status == 200
    answer = reply.json
    assert (answer["model"], answer["width"], answer["height"], answer["engine"]) == ("all", 32, 24, "torch")
    targets = answer["targets"]
    assert np.array_equal(_picture(targets["binary"]["mask"]), expected.masks["binary"])
    assert np.array_equal(_picture(targets["multiclass"]["mask"]), expected.masks["multiclass"])
    planes = [_picture(plane) for plane in targets["multilabel"]["mask"]]
    assert all(plane.dtype == bool for plane in planes)
    assert np.array_equal(np.stack(planes, -1), expected.masks["multilabel"] == 1)

    probs = targets["multiclass"]["probabilities"]
    assert probs["classes"] == [0, 1, 2]
    found = np.stack([_picture(plane) for plane in probs["png"]]) / 255
    assert np.abs(found - expected.probs["multiclass"]).max() <= 0.5 / 255 + 1e-6
    assert targets["binary"]["probabilities"]["classes"] == [1]
    unsure = _picture(targets["binary"]["uncertainty"]) / 255
    assert np.abs(unsure - expected.uncertainty["binary"]).max() <= 0.5 / 255 + 1e-6

    values = targets["regression"]["values"]
    numbers = values["low"] + _picture(values["png16"]) / 65535 * (values["high"] - values["low"])
    assert np.abs(numbers - expected.values["regression"]).max() < 1e-3

    for entry in targets["multiclass"]["rle"]:
        plane = decode_rle(entry["runs"], tuple(entry["size"]), "the answer")
        assert np.array_equal(plane, expected.masks["multiclass"] == entry["class"])
    for area in targets["multiclass"]["areas"]:
        pixels = int((expected.masks["multiclass"] == area["class"]).sum())
        assert area["pixels"] == pixels
        assert area["area"] == pixels * 1.0  # 0.5 by 2 mm
        assert area["unit"] == "mm²"
    objects = targets["binary"]["objects"]
    assert sum(one["area"] for one in objects) == pytest.approx((expected.masks["binary"] == 1).sum())
    assert objects[0].keys() >= ObjectSizes.__dataclass_fields__.keys()
    assert targets["binary"]["polygons"]["type"] == "FeatureCollection"
    assert len(targets["binary"]["polygons"]["features"]) == len(objects)


def test_json_with_base64_answers_as_a_form(serve, bundle, png):
    server = serve(models={"all": bundle})
    form = server.predict(png(), answers="mask").json
    sent = {"image": base64.b64encode(png()).decode(), "answers": ["mask"], "model": "all"}
    found = server.ask("/v1/predict", document=sent).json
    assert found["targets"] == form["targets"]


def test_the_mask_alone_is_what_comes_unasked(serve, bundle, png):
    target = serve(models={"all": bundle}).predict(png()).json["targets"]["binary"]
    assert "mask" in target
    assert not {"probabilities", "rle", "polygons", "objects", "uncertainty"} & set(target)


def test_models_are_described_and_chosen_by_name(serve, bundle, every_task, png):
    other = every_task("unet", channels=1)
    server = serve(models={"first": bundle, "grey": other})
    described = {model["name"]: model for model in server.ask("/v1/models").json}
    assert described["grey"]["inputs"]["channels"] == 1
    classes = described["first"]["targets"][1]["classes"]
    assert [(one["id"], one["name"], one["threshold"]) for one in classes] == [
        (0, "a", None), (1, "b", 0.6), (2, "c", 0.4),
    ]  # fmt: skip
    assert server.predict(png(channels=1), model="grey").json["model"] == "grey"
    assert server.predict(png()).json["model"] == "first"
    missing = server.predict(png(), model="../first")
    assert missing.status == 404
    assert "first, grey" in missing.error["remedy"]


def test_a_model_of_several_inputs_takes_a_file_for_each(serve, every_task, png):
    path = every_task("unet", channels=4, parts={"background": 3, "depth": 1})
    server = serve(models={"m": path})
    files = [("background", "b.png", png()), ("depth", "d.png", png(channels=1))]
    assert server.ask("/v1/predict", files=files).json["height"] == 24
    one = server.predict(png())
    assert one.status == 400
    assert "background" in one.error["expected"]


@pytest.fixture
def pairs(serve, every_task, picture):
    """A server whose model has two inputs, its model, and three samples of one background and of two."""
    path = every_task("unet", channels=4, parts={"background": 3, "composite": 1})
    backgrounds = [picture(seed=seed) for seed in (7, 8, 9)]
    composites = [picture(channels=1, seed=seed) for seed in (1, 2, 3)]
    return serve(models={"m": path}), limner.load(path, device="cpu"), backgrounds, composites


def _files(part, pictures):
    return [(part, f"scene{number}.png", encode_png(one)) for number, one in enumerate(pictures)]


@pytest.mark.parametrize("shared", [False, True])
def test_samples_of_several_inputs_make_a_zip(pairs, shared):
    server, model, backgrounds, composites = pairs
    backgrounds = backgrounds[:1] if shared else backgrounds
    sent = _files("composite", composites) + _files("background", backgrounds)
    reply = server.ask("/v1/batch", files=sent, fields={"answers": "mask,overlay,objects"})
    archive = zipfile.ZipFile(io.BytesIO(reply.body))
    for number, composite in enumerate(composites):
        sample = {"background": backgrounds[0 if shared else number], "composite": composite}
        found = np.array(Image.open(archive.open(f"masks/multiclass/scene{number}.png")))
        assert np.array_equal(found, model.predict(sample).masks["multiclass"])
    assert "masks/overlays/multiclass/scene2_overlay.png" in archive.namelist()
    assert "scene2.png" in archive.read("objects.csv").decode()


def test_samples_of_several_inputs_are_ranked(pairs):
    server, model, backgrounds, composites = pairs
    samples = [
        {"background": background, "composite": one} for background, one in zip(backgrounds, composites, strict=True)
    ]
    sent = _files("background", backgrounds) + _files("composite", composites)
    found = [one["name"] for one in server.ask("/v1/rank", files=sent).json["pictures"]]
    doubts = {f"scene{number}.png": 1 - model.predict(one).score for number, one in enumerate(samples)}
    assert found == sorted(doubts, key=lambda name: -doubts[name])
    client = Client(server.url)
    assert [one["score"] for one in client.rank(samples)] == [
        one["score"] for one in server.ask("/v1/rank", files=sent).json["pictures"]
    ]
    assert zipfile.ZipFile(io.BytesIO(client.batch(samples))).testzip() is None


def test_what_is_no_row_of_samples_is_refused(pairs):
    server, _, backgrounds, composites = pairs
    for path in ("/v1/batch", "/v1/rank"):
        reply = server.ask(path, files=_files("background", backgrounds[:2]) + _files("composite", composites))
        assert (reply.status, reply.error["found"]) == (422, "2 of background, 3 of composite")
        assert server.ask(path, files=_files("background", backgrounds)).status == 422
        assert "background, composite" in server.ask(path, files=_files("images", backgrounds)).error["expected"]
        assert server.ask(path, fields={"model": "m"}).status == 422


def test_the_client_gives_predictions(serve, bundle, picture, tmp_path):
    client = Client(serve(models={"all": bundle}).url)
    assert client.health()["version"] == limner.__version__
    assert client.models()[0]["name"] == "all"
    expected = limner.load(bundle, device="cpu").predict(picture())
    file = tmp_path / 'a "b" ü.png'
    file.write_bytes(encode_png(picture()))
    for given in (picture(), file, file.read_bytes()):
        found = client.predict(given, answers=("mask", "probabilities", "uncertainty"))
        assert all(np.array_equal(found.masks[name], expected.masks[name]) for name in expected.masks)
        assert found.probs["multilabel"] == pytest.approx(expected.probs["multilabel"], abs=0.002)
        assert found.values["regression"] == pytest.approx(expected.values["regression"], abs=1e-3)
        assert found.expected_dice["binary"] == pytest.approx(expected.expected_dice["binary"], nan_ok=True)
    with pytest.raises(ServerError, match="uint8") as refusal:
        client.predict(picture().astype(np.uint16))
    assert refusal.value.status == 400
    with pytest.raises(ServerError, match="refused"):
        Client("http://127.0.0.1:9").health()


def test_a_batch_is_a_zip_of_what_predict_writes(serve, bundle, png, picture):
    server = serve(models={"all": bundle})
    sent = [("images", "a/x.png", png(seed=1)), ("images", "x.jpg", png(20, 20, seed=2)), ("images", "z.png", b"no")]
    reply = server.ask("/v1/batch", files=sent, fields={"answers": "mask,overlay,coco,objects,polygons"})
    assert reply.status == 200
    archive = zipfile.ZipFile(io.BytesIO(reply.body))
    names = set(archive.namelist())
    assert {"masks/binary/x.png", "masks/multilabel/x-2/y.png", "masks/overlays/binary/x_overlay.png"} <= names
    assert {"objects.csv", "binary_annotations.json", "failed.json", "masks/geojson/binary/x.geojson"} <= names
    predictor = limner.load(bundle, device="cpu")
    for name, one in (("x", picture(seed=1)), ("x-2", picture(20, 20, seed=2))):
        found = np.array(Image.open(archive.open(f"masks/multiclass/{name}.png")))
        assert np.array_equal(found, predictor.predict(one).masks["multiclass"])
    assert json.loads(archive.read("failed.json"))["z.png"]["kind"] == "DataError"
    coco = json.loads(archive.read("binary_annotations.json"))
    assert [image["file_name"] for image in coco["images"]] == ["x.png", "x.jpg"]
    assert server.ask("/v1/batch", files=[("images", "z.png", b"no")]).status == 400


def test_rank_puts_the_least_sure_first(serve, bundle, png):
    server = serve(models={"all": bundle})
    sent = [("images", f"{seed}.png", png(seed=seed)) for seed in range(4)]
    found = server.ask("/v1/rank", files=sent).json
    scores = [one["score"] for one in found["pictures"]]
    assert scores == sorted(scores, reverse=True)
    assert {one["name"] for one in found["pictures"]} == {"0.png", "1.png", "2.png", "3.png"}
    assert found["failed"] == {}


def test_pages_of_a_tiff_are_chosen(serve, bundle, picture):
    stream = io.BytesIO()
    pages = [Image.fromarray(picture(seed=seed)) for seed in (1, 2)]
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    server = serve(models={"all": bundle})
    refused = server.predict(stream.getvalue())
    assert refused.status == 400
    assert "0 to 1" in refused.error["remedy"]
    expected = limner.load(bundle, device="cpu").predict(picture(seed=2))
    mask = server.predict(stream.getvalue(), page="1").json["targets"]["multiclass"]["mask"]
    assert np.array_equal(_picture(mask), expected.masks["multiclass"])


def test_a_preview_is_what_browsers_can_show(serve, every_task, picture):
    deep = picture(channels=1).astype(np.uint16) * 200
    server = serve(models={"m": every_task("unet", channels=1, dtype="uint16", high=65535.0)})
    answer = server.predict(encode_png(deep), answers="preview").json
    shown = _picture(answer["preview"])
    assert (shown.shape, shown.dtype) == ((24, 32, 3), np.uint8)
    assert shown.max() == 255
    assert "mask" not in answer["targets"]["binary"]


def test_masks_that_a_client_corrected_are_drawn_and_measured(serve, bundle, png):
    server = serve(models={"all": bundle})
    mask = np.zeros((24, 32), np.uint8)
    mask[4:8, 5:15] = 1
    sent = [("images", "x.png", png()), ("masks", "x.png", encode_png(mask))]
    fields = {"answers": "mask,objects,coco", "target": "binary"}
    archive = zipfile.ZipFile(io.BytesIO(server.ask("/v1/batch", files=sent, fields=fields).body))
    assert np.array_equal(np.array(Image.open(archive.open("masks/x.png"))), mask)
    assert [one["area"] for one in json.loads(archive.read("annotations.json"))["annotations"]] == [40]
    assert archive.read("objects.csv").decode().count("\n") == 2
    assert server.ask("/v1/batch", files=sent[:1], fields=fields).status == 422
    wrong = [sent[0], ("masks", "x.png", encode_png(mask[1:]))]
    assert "24×32" in server.ask("/v1/batch", files=wrong, fields=fields).error["expected"]
