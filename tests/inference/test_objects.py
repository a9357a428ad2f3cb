"""Outlines and sizes of all objects of many pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from limner.data.annotations.convert import Wishes, convert_annotations
from limner.errors import ConfigError
from limner.images import read_mask, write_image
from limner.inference.folder import predict_folder
from limner.inference.predictor import Predictor
from limner.inference.shards import Shard
from limner.inference.wanted import Wanted
from limner.types import no_progress

TOUCHING = np.ones((3, 3))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Noise, of which a 3×3 network makes specks with holes that touch at corners and at the border."""
    rng = np.random.default_rng(0)
    for name, size in {"a.png": (20, 31), "sub/b.png": (17, 12), "sub/c.png": (1, 1)}.items():
        write_image(tmp_path / "pictures" / name, rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    return tmp_path / "pictures"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("kind", ["coco", "labelme", "geojson"])
def test_convert_makes_the_very_masks_again(place, make_meta, make_toy, targets, tmp_path, task, kind) -> None:
    spec = targets[task]
    meta = make_meta({"mask": spec})
    predictor = Predictor(make_toy(mask=1 if task == "binary" else len(spec.names)), meta, precision="float32")
    out = tmp_path / "out"
    predict_folder(predictor, [place], out, Wanted(contours=(kind,)))
    names = spec.names if task == "multilabel" else spec.names[1:]
    wishes = Wishes(classes=tuple(names), overlap="multilabel" if task == "multilabel" else "auto")
    convert_annotations(out / kind, tmp_path / "back", images=place, wishes=wishes, progress=no_progress)
    assert kind != "coco" or json.loads((out / "coco" / "annotations.json").read_text())["images"][1]["id"] == 2
    for name in ("a", "sub/b"):
        stem = name.rpartition("/")[2]
        if task == "multilabel":
            for index, label in enumerate(names):
                back = read_mask(str(tmp_path / "back" / "masks" / label / f"{stem}.png")).array
                ours = read_mask(str(out / name / f"{label}.png")).array
                assert index or ours.any()
                np.testing.assert_array_equal(back == 255, ours == 1)
        else:
            back = read_mask(str(tmp_path / "back" / "masks" / f"{stem}.png")).array
            np.testing.assert_array_equal(back, read_mask(str(out / f"{name}.png")).array)


def test_sizes_and_outlines_name_the_same_objects(place, make_meta, make_toy, targets, tmp_path) -> None:
    predictor = Predictor(make_toy(mask=3), make_meta({"mask": targets["multiclass"]}), precision="float32")
    out = tmp_path / "out"
    predict_folder(predictor, [place], out, Wanted(contours=("svg", "coco"), measure=True))
    table = rows(out / "objects.csv")
    assert {row["unit"] for row in table} == {"px"}
    for picture in ("a", "sub/b", "sub/c"):
        mine = [row for row in table if row["picture"] == f"{picture}.png"]
        ids = read_mask(str(out / f"{picture}.png")).array
        probs = predictor.predict(place / f"{picture}.png").probs["mask"]
        assert [int(row["object"]) for row in mine] == list(range(1, len(mine) + 1))
        for index, name in enumerate(("tree", "car"), start=1):
            labels, count = ndimage.label(ids == index, TOUCHING)
            of_class = [row for row in mine if row["class"] == name]
            areas = np.bincount(labels.ravel())[1:].tolist()
            assert [float(row["area"]) for row in of_class] == areas
            expected = [probs[index][labels == number].mean() for number in range(1, count + 1)]
            np.testing.assert_allclose([float(row["mean_probability"]) for row in of_class], expected, rtol=1e-4)
        assert (out / "svg" / f"{picture}.svg").read_text().count("<path") == len(mine)
    document = json.loads((out / "coco" / "annotations.json").read_text())
    assert [one["area"] for one in document["annotations"]] == [float(row["area"]) for row in table]
    assert [one["file_name"] for one in document["images"]] == ["a.png", "sub/b.png", "sub/c.png"]


def test_sizes_are_in_mm_where_they_are_known(make_meta, make_toy, scans, tmp_path) -> None:
    meta = make_meta(channels=1, dtype="float32", low=0.0, high=100.0)
    predictor = Predictor(make_toy(1), meta, precision="float32")
    voxels = np.random.default_rng(0).integers(0, 100, (2, 12, 9)).astype(np.int16)
    scans.series(tmp_path / "in" / "series", voxels)
    scans.nifti(tmp_path / "in" / "v.nii.gz", voxels)
    write_image(tmp_path / "in" / "plain.tif", voxels[0].astype(np.float32))
    predict_folder(predictor, [tmp_path / "in"], tmp_path / "out", Wanted(measure=True))
    table = rows(tmp_path / "out" / "objects.csv")
    assert {row["picture"]: row["unit"] for row in table} == {
        "plain.tif": "px",
        "series/IM0000.dcm": "mm",
        "series/IM0001.dcm": "mm",
        "v_s000.nii.gz": "mm",
        "v_s001.nii.gz": "mm",
    }
    area = sum(float(row["area"]) for row in table if row["picture"] == "v_s001.nii.gz")
    pixels = int(read_mask(str(tmp_path / "out" / "v_s001.png")).array.sum())
    assert area == pytest.approx(0.5 * 0.7 * pixels, rel=1e-4)
    wanted = Wanted(measure=True, spacing=(2.0, 1.0))
    predict_folder(predictor, [tmp_path / "in" / "plain.tif"], tmp_path / "given", wanted)
    given = rows(tmp_path / "given" / "objects.csv")
    plain = [row for row in table if row["picture"] == "plain.tif"]
    assert [float(row["area"]) for row in given] == [2 * float(row["area"]) for row in plain]
    assert {row["unit"] for row in given} == {"mm"}


def test_several_targets_and_shards_have_files_of_their_own(place, make_meta, make_unet, targets, tmp_path) -> None:
    predictor = Predictor(make_unet(make_meta(targets)), make_meta(targets), precision="float32")
    out = tmp_path / "out"
    predict_folder(predictor, [place], out, Wanted(contours=("coco", "svg"), measure=True), shard=Shard(1, 2))
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("annotations*")) == [
        f"coco/{target}/annotations-1-of-2.json" for target in ("binary", "multiclass", "multilabel")
    ]
    assert (out / "svg" / "multilabel" / "a.svg").is_file()
    assert {row["target"] for row in rows(out / "objects-1-of-2.csv")} <= {"binary", "multiclass", "multilabel"}


def test_impossible_wishes_are_refused(place, make_meta, make_toy, targets, tmp_path) -> None:
    predictor = Predictor(make_toy(), make_meta(), precision="float32")
    for wanted, words in {
        Wanted(contours=("cocoa",)): "coco",
        Wanted(contours=("svg",), simplify=-1.0): "--simplify",
        Wanted(simplify=1.0): "--contours",
        Wanted(spacing=(1.0, 1.0)): "--measure",
    }.items():
        with pytest.raises(ConfigError, match=words):
            predict_folder(predictor, [place], tmp_path / "out", wanted)
    with pytest.raises(ConfigError, match="--out"):
        predict_folder(predictor, [place], None, Wanted(measure=True, rle=tmp_path / "s.csv"))
    numbers = Predictor(make_toy(depth=1), make_meta({"depth": targets["regression"]}), precision="float32")
    with pytest.raises(ConfigError, match="predicts masks"):
        predict_folder(numbers, [place], tmp_path / "out", Wanted(measure=True))
    assert not (tmp_path / "out").exists()
