"""Masks of several planes, and of several targets of a picture: saved as training reads them, whole or absent."""

import csv
import io
import json
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from PIL import Image

from limner.bundle import TargetSpec, read_meta
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap, read_target
from limner.data.layouts import find_samples
from limner.data.samples import Decoding
from limner.errors import DataError
from limner.images import encode_png, read_image, write_image
from limner.serving.client import Client
from limner.serving.refusals import Refusal
from limner.serving.saving import Dataset
from limner.training.progress import Silent
from limner.types import IGNORE

HEART = {
    "mask": TargetSpec(
        task="multilabel", names=["heart", "left ventricle"], colors=[(0, 0, 255), (0, 255, 0)], thresholds=[0.5, 0.5]
    )
}


def planes(seed=0, count=2, size=(24, 32)):
    return np.random.default_rng(seed).integers(0, 2, (*size, count), dtype=np.uint8)


def read(folder):
    """What training reads: picture and masks of each sample, by id; a target without a mask is all `IGNORE`."""
    found = find_samples(folder)
    pictures = found.catalog.inputs["image"]
    decoding = Decoding(channels=3, dtype="uint8", size=None)
    samples = [decoding.sample(found.catalog, found.labels, index) for index in range(len(pictures))]
    return found, dict(zip(found.catalog.ids, samples, strict=True))


@pytest.fixture
def server(serve, every_task, tmp_path):
    return serve(models={"m": every_task("unet")}, save=tmp_path / "saved")


def send(server, png, masks, target="multilabel", name="a", seed=0, **fields):
    files = [("image", "a.png", png(seed=seed)), *(("mask", "m.png", encode_png(mask)) for mask in masks)]
    return server.ask("/v1/dataset", files=files, fields={"target": target, "name": name} | fields)


def split(array):
    return list(np.moveaxis(array, -1, 0))


def test_planes_are_saved_as_training_reads_them(tmp_path, picture):
    folder = tmp_path / "saved"
    mask = planes()
    # Planes that are full, empty or complete one another mean what they say all the same.
    odd = np.stack([np.ones((24, 32), np.uint8), np.zeros((24, 32), np.uint8)], axis=-1)
    dataset = Dataset(folder)
    dataset.save("a", {"image": picture()}, "mask", mask, HEART, replace=False)
    dataset.save("b", {"image": picture(seed=1)}, "mask", odd, HEART, replace=False)
    assert dataset.names() == ["a", "b"]
    found, samples = read(folder)
    assert found.layout == "converted"
    label_map = found.labels["mask"]
    assert (label_map.task, label_map.names) == ("multilabel", ("heart", "left ventricle"))
    assert label_map.colors == ((0, 0, 255), (0, 255, 0))
    for name, seed, expected in (("a", 0, mask), ("b", 1, odd)):
        image, targets = samples[name]
        assert np.array_equal(image, picture(seed=seed))
        assert np.array_equal(targets["mask"], expected)
    plane = Image.open(folder / "masks/left_ventricle/a.png")
    assert set(np.unique(plane)) == {0, 255}, "people see it, too"
    assert find_samples(folder / "samples.csv").labels == found.labels


def test_a_client_saves_planes_and_single_masks_of_one_picture(server, png, picture, tmp_path):
    client = Client(server.url)
    mask, ids = planes(), np.tile(np.arange(32, dtype=np.uint8) // 11, (24, 1))
    ids[0, 0] = IGNORE
    assert client.save(picture(), split(mask), "a", target="multilabel") == "a"
    assert client.save(picture(), ids, "A", target="multiclass") == "a", "a further mask of the same picture"
    assert client.save(picture(seed=1), (ids == 1).astype(np.uint8), "b", target="binary") == "b"
    assert server.ask("/v1/dataset").json == {"count": 2, "names": ["a", "b"]}
    found, samples = read(tmp_path / "saved")
    assert {name: one.task for name, one in found.labels.items()} == {
        "binary": "binary",
        "multiclass": "multiclass",
        "multilabel": "multilabel",
    }
    assert np.array_equal(samples["a"][1]["multilabel"], mask)
    assert np.array_equal(samples["a"][1]["multiclass"], ids)
    assert (samples["a"][1]["binary"] == IGNORE).all(), "nobody said anything of it"
    assert np.array_equal(samples["b"][1]["binary"], ids == 1)
    assert (samples["b"][1]["multilabel"] == IGNORE).all()


def test_nothing_is_replaced_unless_asked(server, png, tmp_path):
    mask, other = planes(1), planes(2)
    ones = np.ones((24, 32), np.uint8)
    assert send(server, png, split(mask)).status == 201
    assert send(server, png, [ones], "binary").status == 201
    for reply in (send(server, png, split(other), name="A"), send(server, png, [ones], "multiclass", seed=3)):
        assert reply.status == 409
        assert "replace=true" in reply.error["expected"]
    assert np.array_equal(read(tmp_path / "saved")[1]["a"][1]["multilabel"], mask)
    assert send(server, png, split(other), replace="true").status == 201
    targets = read(tmp_path / "saved")[1]["a"][1]
    assert np.array_equal(targets["multilabel"], other)
    assert targets["binary"].all(), "of the same picture, it stays"
    # Of another picture of that name, what was said of the old one is gone.
    assert send(server, png, split(mask), seed=3, replace="true").status == 201
    image, targets = read(tmp_path / "saved")[1]["a"]
    assert encode_png(image) == png(seed=3)
    assert np.array_equal(targets["multilabel"], mask)
    assert (targets["binary"] == IGNORE).all()


@pytest.mark.parametrize(
    ("masks", "status", "said"),
    [
        ([np.zeros((24, 32), np.uint8)], 422, "a plane for each of x, y: 2"),
        ([np.zeros((24, 32), np.uint8)] * 3, 422, "a plane for each of x, y: 2"),
        ([np.zeros((24, 32), np.uint8), np.zeros((24, 31), np.uint8)], 400, "size of its image"),
        ([np.zeros((24, 32), np.uint8), np.full((24, 32), 2, np.uint8)], 400, "a plane of 'y'"),
        ([np.arange(768, dtype=np.uint8).reshape(24, 32) % 2 * 254 + 1, np.zeros((24, 32), np.uint8)], 400, "of 'x'"),
    ],
    ids=["few", "many", "size", "value", "two values"],
)
def test_what_are_no_planes_is_refused(server, png, tmp_path, masks, status, said):
    reply = send(server, png, masks)
    assert reply.status == status
    assert said in reply.error["expected"]
    assert not [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]


def test_masks_of_other_classes_do_not_get_into_the_folder(tmp_path, picture):
    dataset = Dataset(tmp_path / "planes")
    dataset.save("a", {"image": picture()}, "mask", planes(), HEART, replace=False)
    swapped = {"mask": HEART["mask"].model_copy(update={"names": ["left ventricle", "heart"]})}
    plain = {"mask": TargetSpec(task="binary", names=["rest", "heart"], colors=[(0, 0, 0), (255, 0, 0)])}
    for specs, mask in ((swapped, planes()), (plain, planes()[..., 0])):
        with pytest.raises(Refusal) as refusal:
            dataset.save("b", {"image": picture()}, "mask", mask, specs, replace=False)
        assert "mask (multilabel: heart, left ventricle)" in refusal.value.expected
    pairs = Dataset(tmp_path / "pairs")
    pairs.save("a", {"image": picture()}, "mask", planes()[..., 0], plain, replace=False)
    with pytest.raises(Refusal):
        pairs.save("b", {"image": picture()}, "mask", planes(), HEART, replace=False)
    assert pairs.names() == ["a"]


def test_a_table_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "conversion.json").write_text(json.dumps({"format": "limner conversion", "version": 1, "classes": []}))
    (tmp_path / "samples.csv").write_text("id,image,mask\na,images/a.png,masks/a.png\n")
    write_image(tmp_path / "masks/a.png", planes()[..., 0])
    with pytest.raises(DataError, match="another folder"):
        Dataset(tmp_path)
    assert (tmp_path / "masks/a.png").exists()


def test_what_was_replaced_goes_when_the_server_starts_and_all_else_stays(tmp_path, picture):
    dataset = Dataset(tmp_path)
    for seed in (1, 2, 3):
        dataset.save("a", {"image": picture()}, "mask", planes(seed), HEART, replace=seed > 1)
    table = tmp_path / "samples.csv"
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert rows[0]["target.mask"] == "masks/heart/a~3.png | masks/left_ventricle/a~3.png"
    # Somebody adds a column, a picture, and notes.
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "patient"])
        writer.writeheader()
        writer.writerow({**rows[0], "patient": "P7"})
    kept = [tmp_path / "images/more.png", tmp_path / "masks/notes.txt"]
    for path in kept:
        path.write_bytes(b"mine")
    again = Dataset(tmp_path)
    assert all(path.exists() for path in kept)
    assert [path.name for path in (tmp_path / "masks/heart").iterdir()] == ["a~3.png"]
    again.save("b", {"image": picture(seed=1)}, "mask", planes(4), HEART, replace=False)
    found, samples = read(tmp_path)
    assert np.array_equal(samples["a"][1]["mask"], planes(3))
    assert np.array_equal(samples["b"][1]["mask"], planes(4))
    assert found.catalog.groups == ["P7", ""]


SAVES = """
    import os, signal, sys
    import numpy as np
    from limner.bundle import TargetSpec
    from limner.serving.saving import Dataset

    def main(folder, left):
        specs = {"mask": TargetSpec(task="multilabel", names=["a", "b", "c"], colors=[(9, 9, 9)] * 3)}
        image = np.full((8, 8, 3), 7, np.uint8)
        dataset = Dataset(folder)

        def die(event, arguments):
            nonlocal left
            if event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "open"):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(die)
        for value in (0, 1):
            mask = np.full((8, 8, 3), value, np.uint8)
            dataset.save("sample", {"image": image}, "mask", mask, specs, replace=True)
            print(value, flush=True)

    from pathlib import Path
    folder = Path(sys.argv[1])
    folder.mkdir()
    # What is imported late is there before processes part.
    main(Path(sys.argv[2]), 10**9)
    number = 0
    while True:
        place = folder / str(number)
        child = os.fork()
        if not child:
            sys.stdout = open(folder / f"{number}.txt", "w")
            main(place, number)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break
        number += 1
"""


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_all_planes_or_none(tmp_path):
    """A process that saves a sample, then replaces it, is killed before each of its dealings with files in turn."""
    places = [tmp_path / "killed", tmp_path / "whole"]
    subprocess.run([sys.executable, "-c", textwrap.dedent(SAVES), *places], check=True, timeout=300)
    places = [path for path in (tmp_path / "killed").iterdir() if path.is_dir()]
    assert len(places) > 60
    seen = set()
    for place in places:
        told = place.with_suffix(".txt").read_text().split()
        before = _value(place)
        Dataset(place)
        after = _value(place)
        assert not list((place / ".saving").iterdir())
        # Killed while it saved the first, then while it saved the second: never less than was promised.
        assert before in {(): (None, 0), ("0",): (0, 1), ("0", "1"): (1,)}[tuple(told)], place
        assert after in {None: (None, 0), 0: (0, 1), 1: (1,)}[before], place
        seen |= {(before, after)}
    assert seen >= {(None, None), (None, 0), (0, 0), (0, 1), (1, 1)}


def _value(place):
    """The one value of all planes of the one sample; None where there is no sample."""
    if not (place / "samples.csv").exists():
        return None
    found = find_samples(place)
    (location,) = found.catalog.targets["mask"]
    (value,) = np.unique(read_target(location, found.labels["mask"])).tolist()
    assert np.array_equal(read_image(found.catalog.inputs["image"][0]), np.full((8, 8, 3), 7))
    return value


def test_corrected_planes_are_drawn_and_measured_in_place_of_predictions(server, png):
    mask = np.zeros((24, 32, 2), np.uint8)
    mask[2:6, 3:9, 0] = 1
    mask[4:10, 3:9, 1] = 1
    sent = [("images", "a.png", png()), ("images", "b.png", png(seed=1))]
    sent += [("masks", "m.png", encode_png(plane)) for plane in (*split(mask), *split(1 - mask))]
    reply = server.ask("/v1/batch", files=sent, fields={"target": "multilabel", "answers": "mask,objects"})
    assert reply.status == 200, reply.body
    with zipfile.ZipFile(io.BytesIO(reply.body)) as found:
        for name, expected in (("a", mask), ("b", 1 - mask)):
            for index, label in enumerate("xy"):
                stored = np.array(Image.open(io.BytesIO(found.read(f"masks/{name}/{label}.png"))))
                assert np.array_equal(stored > 0, expected[..., index] == 1)
        table = next(name for name in found.namelist() if name.endswith(".csv"))
        assert "24" in found.read(table).decode()
    assert server.ask("/v1/batch", files=sent[:-1], fields={"target": "multilabel"}).status == 422


class Notes(Silent):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


@pytest.mark.slow
def test_training_goes_on_from_corrected_planes(small_train, tmp_path, picture):
    """A model of two overlapping classes learns from what was saved, and nothing of it starts anew."""
    specs, size = HEART, (32, 32)
    for number, folder in enumerate(("first", "second")):
        dataset = Dataset(tmp_path / folder)
        for seed in range(4 * number, 4 * number + 4):
            dataset.save(
                f"p{seed}", {"image": picture(*size, seed=seed)}, "mask", planes(seed, size=size), specs, replace=False
            )
        notes = Notes()
        going_on = {"start_from": run.folder, "reporter": notes} if number else {}
        settings = {"model.conv_sizes": None, "data.size": None} if number else {}
        run = small_train(tmp_path / folder, tmp_path / f"run-{number}", settings=settings, **going_on)
        specs = read_meta(run.model).targets
        assert (specs["mask"].task, specs["mask"].names) == ("multilabel", ["heart", "left ventricle"])
    (said,) = [text for text in notes.texts if text.startswith("Started from")]
    assert "new at random" not in said
    assert "left out" not in said
    catalog = Catalog.load(run.folder / "samples.csv")
    label_map = LabelMap.from_dict(specs["mask"].label_map)
    for name, location in zip(catalog.ids, catalog.targets["mask"], strict=True):
        assert np.array_equal(read_target(location, label_map), planes(int(name[1:]), size=size))
