import zipfile
from pathlib import Path

import numpy as np
import pytest

from limner.errors import DataError
from limner.images import write_image
from limner.inference.sources import Picture, find_pictures, result_names

NOWHERE = Path("/nowhere")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("a10.png", "a2.png", "sub/b.tif", "sub/deep/c.jpg"):
        write_image(tmp_path / "pictures" / name, np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "pictures" / "notes.txt").write_text("words")
    return tmp_path / "pictures"


def names(*places: str | Path, leave_out: Path = NOWHERE) -> list[str]:
    return [picture.name for picture in find_pictures(places, leave_out=leave_out).pictures]


def test_folders_are_searched_to_the_bottom(place: Path) -> None:
    found = find_pictures([place], leave_out=NOWHERE)
    assert [picture.name for picture in found.pictures] == ["a2.png", "a10.png", "sub/b.tif", "sub/deep/c.jpg"]
    assert found.others == ["notes.txt"]
    assert all(Path(picture.location).is_file() for picture in found.pictures)


def test_files_patterns_and_archives(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(place / "a2.png", place / "sub" / "b.tif") == ["a2.png", "b.tif"]
    assert names(f"{place}/*.png") == ["a2.png", "a10.png"]
    assert names(f"{place}/**/*.tif") == ["sub/b.tif"]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(place / "a2.png", "inner/a2.png")
    assert names(tmp_path / "all.zip") == ["inner/a2.png"]
    assert names(f"zip://inner/a2.png::{tmp_path / 'all.zip'}") == ["a2.png"]
    monkeypatch.chdir(place)
    assert names("sub/*.tif") == ["b.tif"]


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path: Path) -> None:
    write_image(tmp_path / "scan[1].png", np.zeros((4, 4), np.uint8))
    assert names(tmp_path / "scan[1].png") == ["scan[1].png"]


def test_a_named_file_is_a_picture_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "scan.dat").write_bytes(b"something")
    assert names(tmp_path / "scan.dat") == ["scan.dat"]


def test_pages_are_told_apart(tmp_path: Path) -> None:
    location = f"{tmp_path}/stack.tif"
    assert names(f"{location}#page=0", f"{location}#page=1") == ["stack_page0.tif", "stack_page1.tif"]


def test_a_picture_named_twice_is_predicted_once(place: Path) -> None:
    assert names(place / "a2.png", place / "a2.png", place).count("a2.png") == 1


def test_results_in_the_folder_are_not_pictures(place: Path) -> None:
    write_image(place / "masks" / "a2.png", np.zeros((4, 4), np.uint8))
    assert "masks/a2.png" not in names(place, leave_out=place / "masks")
    # A folder of results that holds the pictures' folder says nothing about the pictures.
    assert "masks/a2.png" in names(place, leave_out=place.parent)
    assert "masks/a2.png" in names(place, leave_out=place)


def test_nothing_to_predict_is_said(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("words")
    with pytest.raises(DataError, match="none in"):
        names(tmp_path)
    with pytest.raises(DataError, match="none in nothing"):
        names()
    with pytest.raises(DataError, match=r"files that match .*\*\.png"):
        names(f"{tmp_path}/*.png")
    with pytest.raises(DataError, match="nothing is there"):
        names(tmp_path / "missing.png")


def test_clashing_names_keep_their_suffix_or_are_refused() -> None:
    apart = [Picture("/x/a.jpg", "a.jpg"), Picture("/x/a.png", "a.png"), Picture("/x/v1.2.png", "v1.2.png")]
    assert result_names(apart) == ["a.jpg", "a.png", "v1.2"]
    with pytest.raises(DataError) as caught:
        result_names([Picture("/x/a.jpg", "a.jpg"), Picture("/y/a.jpg", "a.jpg")])
    assert caught.value.details == ("/x/a.jpg", "/y/a.jpg")
