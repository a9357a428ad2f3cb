"""`/v1/dataset`: pairs that are whole or absent, under names that are harmless."""

import io

import numpy as np
import pytest
from PIL import Image

from limner.bundle import TargetSpec
from limner.data.labels import read_target
from limner.data.layouts import find_samples
from limner.images import encode_png, read_image, read_mask
from limner.serving.saving import Dataset


@pytest.fixture
def server(serve, trained, every_task, tmp_path):
    models = {"m": trained.folder / "model.safetensors", "all": every_task("unet")}
    return serve(models=models, save=tmp_path / "saved")


def _pair(png, ids=None, **fields):
    ids = np.tile(np.arange(32, dtype=np.uint8) // 16, (24, 1)) if ids is None else ids
    return {
        "files": [("image", "shot 1.png", png()), ("mask", "m.png", encode_png(ids))],
        "fields": fields,
    }


def test_a_pair_is_saved_as_training_reads_it(server, png, picture, tmp_path):
    reply = server.ask("/v1/dataset", **_pair(png))
    assert (reply.status, reply.json) == (201, {"name": "shot_1"})
    assert np.array_equal(read_image(str(tmp_path / "saved/images/shot_1.png")), picture())
    stored = read_mask(str(tmp_path / "saved/masks/shot_1.png"))
    assert np.unique(stored.array).tolist() == [0, 1]
    assert stored.palette is not None
    assert server.ask("/v1/dataset").json == {"count": 1, "names": ["shot_1"]}


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/cron", "cron"), ("/abs/a", "a"), ("..\\..\\b.png", "b"), (".hidden", "hidden"), ("a\0b", "a_b")],
)
def test_names_are_sanitised(server, png, tmp_path, name, safe):
    assert server.ask("/v1/dataset", **_pair(png, name=name)).json == {"name": safe}
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == [f"saved/images/{safe}.png", f"saved/masks/{safe}.png"]


def test_nothing_is_replaced_unless_asked(server, png, tmp_path):
    assert server.ask("/v1/dataset", **_pair(png, name="a")).status == 201
    before = (tmp_path / "saved/masks/a.png").read_bytes()
    other = np.zeros((24, 32), np.uint8)
    for name in ("a", "A"):
        reply = server.ask("/v1/dataset", **_pair(png, other, name=name))
        assert reply.status == 409
        assert "replace=true" in reply.error["expected"]
    assert (tmp_path / "saved/masks/a.png").read_bytes() == before
    assert server.ask("/v1/dataset", **_pair(png, other, name="a", replace="true")).status == 201
    assert not read_mask(str(tmp_path / "saved/masks/a.png")).array.any()


@pytest.mark.parametrize(
    ("fields", "ids", "status"),
    [
        ({}, np.zeros((24, 31), np.uint8), 400),
        ({}, np.full((24, 32), 3, np.uint8), 400),
        ({}, np.zeros((24, 32, 3), np.uint8), 400),
        ({"target": "regression", "model": "all"}, None, 422),
        ({"target": "nothing"}, None, 404),
        ({"name": "///"}, None, 422),
        ({"replace": "perhaps"}, None, 422),
        ({"folder": "/tmp"}, None, 422),
    ],
)
def test_what_is_no_pair_is_refused(server, png, tmp_path, fields, ids, status):
    reply = server.ask("/v1/dataset", **_pair(png, ids, **fields))
    assert reply.status == status
    assert reply.error
    assert not [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]


def test_of_a_file_nothing_but_pixels_is_kept(server, picture, tmp_path):
    stream = io.BytesIO()
    Image.fromarray(picture()).save(stream, "JPEG", comment=b"a comment of the camera", exif=Image.Exif())
    files = [("image", "a.jpg", stream.getvalue()), ("mask", "m.png", encode_png(np.zeros((24, 32), np.uint8)))]
    assert server.ask("/v1/dataset", files=files, fields={}).status == 201
    assert b"a comment" not in (tmp_path / "saved/images/a.png").read_bytes()


def test_without_a_folder_nothing_is_saved(serve, every_task, png):
    server = serve(models={"m": every_task("unet")})
    for reply in (server.ask("/v1/dataset"), server.ask("/v1/dataset", **_pair(png))):
        assert reply.status == 404
        assert "--save" in reply.error["remedy"]


def test_what_a_killed_server_left_is_finished_or_thrown_away(tmp_path, picture):
    dataset = Dataset(tmp_path)
    specs = {"mask": TargetSpec(task="binary", names=["rest", "cell"], colors=[(0, 0, 0), (9, 9, 9)])}
    dataset.save("whole", {"image": picture()}, "mask", np.zeros((24, 32), np.uint8), specs, replace=False)
    # Killed after the pair was there, with one of its files at its place already.
    ready = tmp_path / ".saving/ready-late"
    for kind in ("images", "masks"):
        (ready / kind).mkdir(parents=True)
    (ready / "images/late.png").write_bytes(encode_png(picture()))
    (tmp_path / "masks/late.png").write_bytes(encode_png(picture(channels=1)))
    # Killed while it was written.
    half = tmp_path / ".saving/new-abc/images"
    half.mkdir(parents=True)
    (half / "half.png").write_bytes(b"\x89PNG")
    assert Dataset(tmp_path).names() == ["late", "whole"]
    assert not list((tmp_path / ".saving").iterdir())


@pytest.fixture
def pairs(serve, every_task, tmp_path):
    """A server whose model has two inputs."""
    path = every_task("unet", channels=4, parts={"background": 3, "composite": 1})
    return serve(models={"m": path}, save=tmp_path / "saved")


def _sample(png, target, mask, **fields):
    files = [("composite", "shot.png", png(channels=1)), ("background", "b.png", png(seed=5))]
    return {"files": [*files, ("mask", "m.png", encode_png(mask))], "fields": {"target": target} | fields}


def test_samples_of_several_inputs_are_saved_as_training_reads_them(pairs, png, picture, tmp_path):
    ids = np.tile(np.arange(32, dtype=np.uint8) // 11, (24, 1))
    assert pairs.ask("/v1/dataset", **_sample(png, "multiclass", ids)).json == {"name": "shot"}
    cell = (ids == 1).astype(np.uint8)
    assert pairs.ask("/v1/dataset", **_sample(png, "binary", cell)).status == 201
    found = find_samples(tmp_path / "saved")
    assert found.catalog.ids == ["shot"]
    pictures = {name: read_image(column[0]) for name, column in found.catalog.inputs.items()}
    assert list(pictures) == ["background", "composite"]
    assert np.array_equal(pictures["background"], picture(seed=5))
    assert np.array_equal(pictures["composite"], picture(channels=1))
    for target, mask in (("multiclass", ids), ("binary", cell)):
        assert np.array_equal(read_target(found.catalog.targets[target][0], found.labels[target]), mask)
    assert pairs.ask("/v1/dataset").json == {"count": 1, "names": ["shot"]}


def test_a_sample_of_several_inputs_is_told_from_another_of_its_name(pairs, png):
    mask = np.zeros((24, 32), np.uint8)
    assert pairs.ask("/v1/dataset", **_sample(png, "binary", mask)).status == 201
    assert pairs.ask("/v1/dataset", **_sample(png, "binary", mask)).status == 409
    other = _sample(png, "multiclass", mask)
    other["files"][1] = ("background", "b.png", png(seed=6))
    assert pairs.ask("/v1/dataset", **other).status == 409
    assert pairs.ask("/v1/dataset", files=other["files"], fields=other["fields"] | {"replace": "true"}).status == 201


def test_what_is_no_sample_of_several_inputs_is_refused(pairs, png, tmp_path):
    whole = _sample(png, "binary", np.zeros((24, 32), np.uint8))
    for missing in range(3):
        files = [one for number, one in enumerate(whole["files"]) if number != missing]
        assert "background" in pairs.ask("/v1/dataset", files=files, fields=whole["fields"]).error["expected"]
    sizes = [("background", "b.png", png(20, 32)), *whole["files"][::2]]
    reply = pairs.ask("/v1/dataset", files=sizes, fields=whole["fields"])
    assert (reply.status, reply.error["found"]) == (400, "'background' is 20×32, 'composite' is 24×32")
    assert not [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]
