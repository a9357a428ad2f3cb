"""`limner predict`: what comes out, and what it refuses."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.images import read_image, read_mask, write_image

Limner = Callable[..., Any]
Refused = Callable[..., str]


def files(folder: Path) -> list[str]:
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not path.startswith("."))


@pytest.fixture
def pictures(cells: Path, tmp_path: Path) -> Path:
    """Three pictures of cells, one of them in a sub-folder."""
    folder = tmp_path / "neue Bilder (ü)"
    for number, name in enumerate(("a.png", "b.png", "deep/c.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sorted((cells / "images").iterdir())[number], folder / name)
    return folder


def test_a_folder(limner: Limner, trained: Any, pictures: Path, tmp_path: Path) -> None:
    result = limner("predict", trained.folder, f"{pictures}/", "-o", tmp_path / "out")
    assert result.code == 0
    assert "3 masks written" in result.out
    assert files(tmp_path / "out") == ["a.png", "b.png", "deep/c.png"]
    for name in files(tmp_path / "out"):
        mask = read_mask(str(tmp_path / "out" / name)).array
        assert mask.shape == read_image(str(pictures / name)).shape[:2]
        assert set(np.unique(mask).tolist()) <= {0, 1}


def test_every_kind_of_place_gives_the_same_masks(
    limner: Limner, trained: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for name in files(pictures):
            archive.write(pictures / name, name)
    monkeypatch.chdir(tmp_path)
    places: list[list[object]] = [
        [pictures],
        [pictures.name],
        ["pictures.zip"],
        [f"{pictures.name}/**/*.png"],
    ]
    written = []
    for number, place in enumerate(places):
        assert limner("predict", trained.model, *place, "-o", f"out{number}").code == 0
        written.append(
            {name: (tmp_path / f"out{number}" / name).read_bytes() for name in files(tmp_path / f"out{number}")}
        )
    assert len(written[0]) == 3
    assert all(one == written[0] for one in written)


def test_probabilities_and_overlays(limner: Limner, trained: Any, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert limner("predict", trained.folder, pictures / "a.png", "-o", out, "--probabilities", "--overlay").code == 0
    assert files(out) == ["a.png", "overlays/a_overlay.png", "probabilities/a.npz"]
    with np.load(out / "probabilities" / "a.npz") as arrays:
        probs = arrays["mask"]
    mask = read_mask(str(out / "a.png")).array
    # Half precision rounds what is just below the threshold.
    assert probs[0][mask == 1].min() >= 0.5 >= probs[0][mask == 0].max(initial=0.0)


def test_what_is_there_is_not_replaced(limner: Limner, refused: Refused, trained: Any, pictures: Path) -> None:
    out = pictures.parent / "out"
    out.mkdir()
    (out / "b.png").write_bytes(b"precious")
    message = refused("predict", trained.folder, pictures, "-o", out)
    assert str(out / "b.png") in message
    assert "--overwrite" in message
    assert files(out) == ["b.png"]
    assert (out / "b.png").read_bytes() == b"precious"
    assert limner("predict", trained.folder, pictures, "-o", out, "--overwrite").code == 0
    assert (out / "b.png").read_bytes() != b"precious"


def test_pictures_are_never_replaced_by_their_masks(refused: Refused, trained: Any, pictures: Path) -> None:
    before = (pictures / "a.png").read_bytes()
    assert "replaced by their masks" in refused("predict", trained.folder, pictures, "-o", pictures, "--overwrite")
    assert (pictures / "a.png").read_bytes() == before


def test_a_broken_picture_among_good_ones(limner: Limner, trained: Any, pictures: Path, tmp_path: Path) -> None:
    (pictures / "b.png").write_bytes((pictures / "b.png").read_bytes()[:-3000])
    (pictures / "d.jpg").write_bytes(b"<html>")
    (pictures / "notes.txt").write_text("not a picture")
    result = limner("predict", trained.folder, pictures, "-o", tmp_path / "out")
    assert result.code == 1
    assert "2 masks written" in result.out
    assert "Failed  b.png" in result.err
    assert "Failed  d.jpg" in result.err
    assert "notes.txt" in result.err
    assert files(tmp_path / "out") == ["a.png", "deep/c.png"]

    result = limner("predict", trained.folder, pictures, "-o", tmp_path / "again", "--json")
    assert result.code == 1
    assert sorted(result.json["failed"]) == ["b.png", "d.jpg"]
    assert "d.jpg" in result.json["failed"]["d.jpg"]
    assert result.json["skipped"] == ["notes.txt"]
    assert [Path(path).name for path in result.json["written"]] == ["a.png", "c.png"]


def test_a_picture_of_another_kind(limner: Limner, trained: Any, data: Path, tmp_path: Path) -> None:
    result = limner("predict", trained.folder, data / "images" / "0.png", "-o", tmp_path / "out")
    assert result.code == 1
    assert "3 channels" in result.err


@pytest.mark.parametrize("name", ["runs/cells", "cells/model.safetensor"])
def test_a_model_that_is_not_there(refused: Refused, pictures: Path, tmp_path: Path, name: str) -> None:
    message = refused("predict", tmp_path / name, pictures, "-o", tmp_path / "out")
    assert f"'{tmp_path / name}'" in message
    assert "limner train made" in message


def test_a_model_that_is_none(refused: Refused, trained: Any, pictures: Path, tmp_path: Path) -> None:
    whole = trained.model.read_bytes()
    contents = {"damaged": whole[:-100], "header": whole[:50], "empty": b"", "text": b"not a model at all"}
    for name, content in contents.items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
        for verb in (["predict", pictures, "-o", tmp_path / "out"], ["evaluate", pictures]):
            assert f"{name}.safetensors'" in refused(verb[0], tmp_path / f"{name}.safetensors", *verb[1:])
    assert f"'{pictures}'" in refused("predict", pictures, trained.folder, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_that_are_not_there(refused: Refused, trained: Any, pictures: Path, tmp_path: Path) -> None:
    for place in (pictures / "e.png", pictures / "nothing", pictures / "*.jpg"):
        assert str(place) in refused("predict", trained.folder, place, "-o", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in refused("predict", trained.folder, tmp_path / "empty", "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_output_folder_must_be_named(limner: Limner, trained: Any, pictures: Path) -> None:
    result = limner("predict", trained.folder, pictures)
    assert result.code == 2
    assert "--out" in result.err


def test_doubtful_pictures_are_put_apart_and_said(limner: Limner, trained: Any, pictures: Path, tmp_path: Path) -> None:
    strange = read_image(str(pictures / "a.png"))
    write_image(pictures / "strange.png", (255 - strange[:, ::-1] // 3).astype(np.uint8))
    out = tmp_path / "out"
    result = limner("predict", trained.folder, pictures, "-o", out, "--flag-below", "1", "--uncertainty", "tta")
    assert result.code == 0
    said = result.out + result.err
    assert "Unlike the training pictures, so that the masks may be worth nothing: 1\n" in said
    assert "strange.png (" in said
    assert "4 of 4, in" in said
    assert (out / "doubtful" / "deep" / "c.png").is_file()
    assert (out / "uncertainty" / "doubtful" / "a.png").is_file()
    assert (out / "doubts.csv").read_text().splitlines()[1].startswith("strange.png,yes,")


def test_a_source_of_doubts_that_the_model_lacks_is_refused(
    refused: Refused, trained: Any, pictures: Path, tmp_path: Path
) -> None:
    said = refused("predict", trained.folder, pictures, "-o", tmp_path / "out", "--uncertainty", "members")
    assert "--folds 5" in said
    assert not (tmp_path / "out").exists()


def test_outlines_sizes_and_forms(limner: Limner, trained: Any, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--contours", "labelme", "--contours", "coco", "--measure", "--spacing", "0.5", "--format", "npy"]
    result = limner("predict", trained.folder, pictures, "-o", out, *words, "--probabilities-as", "tiff")
    assert result.code == 0
    assert files(out) == [
        "a.npy",
        "b.npy",
        "coco/annotations.json",
        "deep/c.npy",
        "labelme/a.json",
        "labelme/b.json",
        "labelme/deep/c.json",
        "objects.csv",
        "probabilities/a.tif",
        "probabilities/b.tif",
        "probabilities/deep/c.tif",
    ]
    masks = {name: np.load(out / f"{name}.npy") for name in ("a", "b", "deep/c")}
    rows = [line.split(",") for line in (out / "objects.csv").read_text().splitlines()]
    areas = {name: sum(float(row[5]) for row in rows[1:] if row[0] == f"{name}.png") for name in masks}
    assert areas == pytest.approx({name: 0.25 * mask.sum() for name, mask in masks.items()}, rel=1e-3)
    assert limner("convert", out / "labelme", "-o", tmp_path / "back", "--images", pictures).code == 0
    for name, mask in masks.items():
        np.testing.assert_array_equal(read_mask(str(tmp_path / "back" / "masks" / f"{name[-1]}.png")).array, mask)


def test_another_engine_draws_the_same_masks(limner: Limner, trained: Any, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    found = limner("predict", trained.folder, pictures, "-o", tmp_path / "b", "--engine", "onnxruntime", "--json").json
    assert found["engine"] == "onnxruntime"
    assert limner("predict", trained.folder, pictures, "-o", tmp_path / "a").code == 0
    for name in files(tmp_path / "a"):
        one, other = (read_mask(str(tmp_path / folder / name)).array for folder in ("a", "b"))
        np.testing.assert_array_equal(one, other)


def test_the_engine_that_was_taken_is_said(limner: Limner, trained: Any, pictures: Path, tmp_path: Path) -> None:
    result = limner("predict", trained.folder, pictures, "-o", tmp_path / "out", "--engine", "auto")
    assert result.code == 0
    assert "Engine: " in result.err


def test_views_are_named_and_what_is_known_of_them_is_said(
    limner: Limner, refused: Refused, trained: Any, run: Path, pictures: Path, tmp_path: Path
) -> None:
    result = limner("predict", trained.model, pictures, "-o", tmp_path / "views", "--tta", "symmetries")
    assert result.code == 0
    assert "Views: 8 symmetries; what they buy this model has not been measured" in result.err
    assert "Did you mean 'scales'" in refused("predict", trained.model, pictures, "-o", tmp_path, "--tta", "scale")
    result = limner("predict", run, pictures, "-o", tmp_path / "auto", "--tta", "auto", "--json")
    # Three validation pictures are too few to show anything.
    assert result.json["views"].startswith("Views: none; ")
    assert "too few for an interval" in result.json["views"]


def test_several_models_are_one(
    limner: Limner, refused: Refused, trained: Any, run: Path, pictures: Path, tmp_path: Path
) -> None:
    alone = limner("predict", trained.model, pictures, "-o", tmp_path / "alone")
    result = limner("predict", trained.model, pictures, "--with", run, "-o", tmp_path / "both", "--overlay")
    assert (alone.code, result.code) == (0, 0)
    # A model and its copy say what it says alone.
    for name in ("a.png", "deep/c.png"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "both" / name).read_bytes()
    message = refused("predict", trained.model, pictures, "--with", pictures, "-o", tmp_path / "no")
    assert "a folder without model.safetensors" in message
