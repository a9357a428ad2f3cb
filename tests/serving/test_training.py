"""`/v1/train`: what clients saved becomes a further model."""

import numpy as np
import pytest

from limner.images import encode_png, read_image, read_mask


@pytest.mark.slow
def test_a_model_learns_from_what_was_saved(serve, trained, cells, tmp_path, wait):
    saved = tmp_path / "a place" / "saved"
    server = serve(models={"first": trained.folder / "model.safetensors"}, save=saved)
    for path in sorted((cells / "images").iterdir())[:6]:
        mask = (read_mask(str(cells / "masks" / path.name)).array > 0).astype(np.uint8)
        files = [("image", path.name, encode_png(read_image(str(path)))), ("mask", "m.png", encode_png(mask))]
        assert server.ask("/v1/dataset", files=files).status == 201
    started = server.ask("/v1/train", document={"epochs": 1})
    assert (started.status, started.json["state"]) == (202, "running")
    assert server.ask("/v1/train", document={"epochs": 1}).status == 409
    replies = []

    def ended():
        replies.append(server.ask("/v1/train"))
        return replies[-1].json["state"] != "running"

    for _ in range(10):
        try:
            wait(ended)
            break
        except AssertionError:
            continue
    found = replies[-1].json
    assert found["state"] == "done", found
    assert found["metrics"][0]["epoch"] == 1
    assert [model["name"] for model in server.ask("/v1/models").json] == ["first", found["model"]]
    picture = encode_png(read_image(str(path)))
    assert server.predict(picture, model=found["model"]).status == 200
    for reply in replies:
        assert str(tmp_path) not in reply.body.decode()


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({}, 422),
        ({"epochs": 1, "time": "1m"}, 422),
        ({"epochs": 0}, 422),
        ({"epochs": "1; rm"}, 422),
        ({"time": "soon"}, 422),
        ({"epochs": 1, "out": "/tmp"}, 422),
        ({"epochs": 1, "model": "other"}, 404),
        ({"epochs": 1}, 422),
    ],
)
def test_what_is_no_training_is_refused(serve, every_task, tmp_path, document, status):
    server = serve(models={"m": every_task("unet")}, save=tmp_path)
    reply = server.ask("/v1/train", document=document)
    assert reply.status == status
    assert reply.error
    assert server.ask("/v1/train").json["state"] == "idle"


def test_without_a_folder_there_is_no_training(serve, every_task):
    server = serve(models={"m": every_task("unet")})
    for reply in (server.ask("/v1/train"), server.ask("/v1/train", document={"epochs": 1})):
        assert reply.status == 404
