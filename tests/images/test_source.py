from __future__ import annotations

import os
import zipfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.errors import DataError
from limner.images import Source, natural_key, read_image


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_folder_is_listed_in_natural_order_without_clutter(tmp_path):
    wanted = ["images/2.png", "images/10.png", "masks/2.png", "readme.txt"]
    touch(tmp_path, *reversed(wanted), ".DS_Store", "images/Thumbs.db", ".cache/a.png", "__MACOSX/images/._2.png")

    source = Source.open(tmp_path)

    assert source.kind == "folder"
    assert source.files() == wanted
    assert source.folders() == ["images", "masks"]
    assert source.location("images/2.png") == str(tmp_path / "images/2.png")


def test_zip_is_listed_and_read_in_place(encode, make_zip, color):
    archive = make_zip(
        {"b/10.png": b"", "b/2.PNG": encode(color, "png"), "__MACOSX/b/._2.PNG": b"", "b/.DS_Store": b"", "b/": b""}
    )

    source = Source.open(archive)

    assert source.kind == "zip"
    assert source.files() == ["b/2.PNG", "b/10.png"]
    assert source.location("b/2.PNG") == f"zip://b/2.PNG::{archive}"
    np.testing.assert_array_equal(read_image(source.location("b/2.PNG")), color)


def test_url_is_listed_and_read(encode, color, memory):
    memory.pipe("/store/sub/10.png", b"")
    memory.pipe("/store/sub/2.png", encode(color, "png"))

    source = Source.open("memory://store/")

    assert source.kind == "url"
    assert source.files() == ["sub/2.png", "sub/10.png"]
    np.testing.assert_array_equal(read_image(source.location("sub/2.png")), color)


def test_zip_behind_a_url(encode, make_zip, color, memory):
    memory.pipe("/store/all.zip", Path(make_zip({"a.png": encode(color, "png")})).read_bytes())

    source = Source.open("memory://store/all.zip")

    assert source.files() == ["a.png"]
    np.testing.assert_array_equal(read_image(source.location("a.png")), color)


@pytest.fixture
def memory():
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.rm("/store", recursive=True)


@pytest.mark.parametrize("place", ["", "  "])
def test_empty_path_is_refused(place):
    with pytest.raises(DataError, match="an empty path"):
        Source.open(place)


def test_missing_place_is_refused(tmp_path):
    with pytest.raises(DataError, match="nothing is there"):
        Source.open(tmp_path / "absent")
    with pytest.raises(DataError, match="nothing is there"):
        Source.open("memory://absent").files()


def test_broken_zip_and_other_files_are_refused(tmp_path):
    touch(tmp_path, "broken.zip", "one.png")

    with pytest.raises(DataError, match=r"broken\.zip' is not a whole zip file"):
        Source.open(tmp_path / "broken.zip")
    with pytest.raises(DataError, match=r"one\.png' is a single file"):
        Source.open(str(tmp_path / "one.png"))


def test_zip_with_a_damaged_directory_is_refused_at_once(make_zip):
    archive = Path(make_zip({"a.png": b"1"}))
    archive.write_bytes(archive.read_bytes().replace(b"PK\x01\x02", b"PK\x01\x03"))

    with pytest.raises(DataError, match="cannot be opened"):
        Source.open(archive)


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "real/a.png", "outside/b.png")
    place = tmp_path / "real"
    (place / "circle").symlink_to(place)
    (place / "linked").symlink_to(tmp_path / "outside")
    (place / "again").symlink_to(tmp_path / "outside")
    (place / "dangling.png").symlink_to(tmp_path / "absent.png")

    assert Source.open(place).files() == ["a.png", "again/b.png", "dangling.png", "linked/b.png"]


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "a\\b.png"])
def test_archive_names_that_lead_outside_are_refused(tmp_path, name):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x"), b"")
        archive.filelist[0].filename = name

    with pytest.raises(DataError, match="names that stay inside"):
        Source.open(path).files()


def test_name_that_is_not_utf8_is_refused(tmp_path):
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")

    with pytest.raises(DataError, match="UTF-8"):
        Source.open(tmp_path).files()


def test_folder_without_permission_is_named(tmp_path):
    (tmp_path / "locked").mkdir(mode=0)
    if os.access(tmp_path / "locked", os.R_OK):
        pytest.skip("the user of this test may read everything")

    with pytest.raises(DataError, match="locked"):
        Source.open(tmp_path).files()


def test_numbers_sort_by_value_and_case_is_aside():
    names = ["a10.png", "A2.png", "a1.png", "b/1.png", "a/20.png", "a/3.png"]

    assert sorted(names, key=natural_key) == ["a/3.png", "a/20.png", "a1.png", "A2.png", "a10.png", "b/1.png"]


@given(st.lists(st.text(alphabet="aA1²٣0/-.", max_size=8), max_size=8), st.integers(1, 5000))
def test_any_names_can_be_sorted_and_the_order_is_total(names, digits):
    names = [*names, "9" * digits]

    backwards = list(reversed(names))

    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)
