"""Every way to bring data, from `limner train` to the masks of `limner predict`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.images import read_image, read_mask, write_image, write_mask
from limner.types import Color

Limner = Callable[..., Any]
Small = Callable[..., list[str]]
Draw = Callable[..., list[Any]]

COLORS: list[Color] = [(0, 0, 0), (200, 30, 30), (30, 200, 30)]


@pytest.fixture
def trains(limner: Limner, small: Small, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Trains an epoch, predicts a picture, checks the size of its mask; gives what was found out about the data.

    `ids` are the class ids that may stand in the mask.
    """

    def run(*words: object, picture: Path, ids: set[int] = frozenset({0, 1}), **settings: object) -> dict[str, Any]:
        out, masks = tmp_path / "out", tmp_path / "predicted"
        result = limner("train", *words, "-o", out, *small(**settings))
        assert result.code == 0, result.err
        assert json.loads((out / "evaluation" / "summary.json").read_text())["n_images"] >= 1
        assert (out / "report.html").stat().st_size > 10_000
        assert limner("predict", out, picture, "-o", masks).code == 0
        written = [path for path in masks.rglob("*") if path.is_file() and not path.name.startswith(".")]
        assert written
        for path in written:
            mask = read_mask(str(path)).array
            assert mask.shape == read_image(str(picture)).shape[:2]
            assert set(np.unique(mask).tolist()) <= ids
        found = json.loads((out / "data.json").read_text())
        catalog = Catalog.load(out / "samples.csv")
        return found | {"splits": catalog.split_counts(), "ids": catalog.ids, "written": written}

    return run


def write_pairs(pairs: list[Any], image: str, mask: str, *, value: int = 255) -> None:
    """Write each pair to the paths, in which `{}` becomes its number."""
    for number, pair in enumerate(pairs):
        write_image(image.format(number), pair.image)
        write_image(mask.format(number), pair.mask * value)


def test_two_folders(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_pairs(draw(), f"{data}/imgs/{{}}.png", f"{data}/annotations/{{}}_seg.png")
    assert trains(data, picture=data / "imgs" / "0.png")["layout"] == "pairs"


def test_two_folders_named_apart(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    write_pairs(draw(), f"{tmp_path}/here/a{{}}.png", f"{tmp_path}/there/a{{}}.png")
    words = ["--images", tmp_path / "here", "--masks", tmp_path / "there"]
    assert trains(*words, picture=tmp_path / "here" / "a0.png")["counts"]["samples"] == 8


def test_one_folder(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_pairs(draw(), f"{data}/cat {{}}.bmp", f"{data}/cat {{}}_mask.png")
    assert "_mask" in trains(data, picture=data / "cat 0.bmp")["pairing"]["rule"]


def test_folders_that_are_split(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for split, count in (("train", 5), ("val", 2), ("test", 3)):
        write_pairs(draw(count), f"{data}/{split}/images/{{}}.png", f"{data}/{split}/masks/{{}}.png")
    found = trains(data, picture=data / "test" / "images" / "0.png")
    assert found["splits"] == {"train": 5, "val": 2, "test": 3}


def test_a_zip(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_pairs(draw(), f"{data}/images/{{}}.png", f"{data}/masks/{{}}.png")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted(data.rglob("*.png")):
            archive.write(path, f"my data/{path.relative_to(data).as_posix()}")
    assert trains(tmp_path / "data.zip", picture=data / "images" / "0.png")["counts"]["samples"] == 8


def test_a_table(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    write_pairs(draw(), f"{tmp_path}/scans/{{}}.png", f"{tmp_path}/drawn/by hand {{}}.png")
    lines = [
        f"scans/{n}.png;drawn/by hand {n}.png;patient {n // 2};{split}"
        for n, split in enumerate(["train"] * 4 + ["val"] * 2 + ["test"] * 2)
    ]
    (tmp_path / "samples.csv").write_text("\n".join(["image;mask;patient;split", *lines]))
    found = trains(tmp_path / "samples.csv", picture=tmp_path / "scans" / "0.png")
    assert (found["layout"], found["splits"]) == ("manifest", {"train": 4, "val": 2, "test": 2})


def test_a_mask_file_for_each_object(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number, pair in enumerate(draw()):
        write_image(data / f"x{number}" / "images" / f"x{number}.png", pair.image)
        for part in range(3):
            mask = np.zeros((40, 56, 1), np.uint8)
            mask[10 * part : 10 * part + 8, 5:20] = 255
            write_image(data / f"x{number}" / "masks" / f"{part}.png", mask)
    found = trains(data, picture=data / "x0" / "images" / "x0.png")
    assert (found["layout"], found["counts"]["samples"]) == ("instances", 8)


def test_deep_tiff(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number, pair in enumerate(draw(channels=1)):
        write_image(data / "images" / f"{number}.tif", pair.image.astype(np.uint16) * 250 + 7)
        write_image(data / "masks" / f"{number}.tif", pair.mask)
    found = trains(data, picture=data / "images" / "0.tif")
    assert (found["fingerprint"]["dtype"], found["fingerprint"]["channels"]) == ("uint16", 1)


def test_grey_and_colour(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number, pair in enumerate(draw()):
        write_image(data / "images" / f"{number}.png", pair.image[..., : 1 + 2 * (number % 2)])
        write_image(data / "masks" / f"{number}.png", pair.mask * 255)
    found = trains(data, picture=data / "images" / "0.png")
    assert found["fingerprint"]["channels"] == 3
    assert any("4 grey and 4 colour images" in note for note in found["notes"])


def test_palette_of_classes(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number, pair in enumerate(draw(classes=3)):
        write_image(data / "images" / f"{number}.png", pair.image)
        write_mask(data / "masks" / f"{number}.png", pair.mask, COLORS)
    words = ["class_names=[background,cat,dog]"]
    found = trains(data, *words, picture=data / "images" / "0.png", ids={0, 1, 2})
    label_map = found["label_maps"]["mask"]
    assert (label_map["task"], label_map["names"]) == ("multiclass", ["background", "cat", "dog"])
    assert [tuple(color) for color in label_map["colors"]] == COLORS
    palette = read_mask(str(found["written"][0])).palette
    assert [tuple(color) for color in palette[:3].tolist()] == COLORS


def test_planes_that_overlap(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "masks").mkdir(parents=True)
    for number, pair in enumerate(draw()):
        write_image(data / "images" / f"{number}.png", pair.image)
        planes = np.stack([pair.mask, np.roll(pair.mask, 5, axis=1), pair.mask], axis=2)
        np.save(data / "masks" / f"{number}.npy", planes)
    found = trains(data, picture=data / "images" / "0.png")
    assert found["label_maps"]["mask"]["task"] == "multilabel"
    assert len(found["written"]) == 3


def test_classes_in_arrays(trains: Callable[..., Any], draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "masks").mkdir(parents=True)
    for number, pair in enumerate(draw(classes=3, channels=1)):
        write_image(data / "images" / f"{number}.png", pair.image)
        np.save(data / "masks" / f"{number}.npy", pair.mask.astype(np.int64))
    found = trains(data, picture=data / "images" / "0.png", ids={0, 1, 2})
    assert found["label_maps"]["mask"]["task"] == "multiclass"


def test_a_class_that_training_lacks_is_noted(limner: Limner, small: Small, draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for split, classes in (("train", 2), ("val", 3), ("test", 3)):
        write_pairs(
            draw(4, classes=classes), f"{data}/{split}/images/{{}}.png", f"{data}/{split}/masks/{{}}.png", value=1
        )
    result = limner("train", data, "-o", tmp_path / "out", *small())
    assert result.code == 0
    assert "No training sample holds class 2." in result.err
    assert "No training sample holds class 2." in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_splits_are_kept_when_samples_are_added(limner: Limner, small: Small, draw: Draw, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_pairs(draw(8), f"{data}/images/{{}}.png", f"{data}/masks/{{}}.png")
    assert limner("train", data, "-o", tmp_path / "first", *small()).code == 0
    write_pairs(draw(20), f"{data}/images/{{}}.png", f"{data}/masks/{{}}.png")
    words = [f"keep_splits={tmp_path / 'first'}", "data.seed=5"]
    assert limner("train", data, "-o", tmp_path / "second", *words, *small()).code == 0
    first, second = (Catalog.load(tmp_path / name / "samples.csv") for name in ("first", "second"))
    splits = dict(zip(second.ids, second.splits, strict=True))
    assert {name: splits[name] for name in first.ids} == dict(zip(first.ids, first.splits, strict=True))
    assert second.split_counts() == {"train": 14, "val": 3, "test": 3}
