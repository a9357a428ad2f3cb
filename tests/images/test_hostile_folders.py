"""Folders that hold what is no file: it is named, nothing waits, nothing goes round for ever."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.errors import DataError
from limner.images import Source, read_bytes, read_info


def test_a_pipe_is_listed_and_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert Source.open(tmp_path).files() == ["a.png"]
    with pytest.raises(DataError, match="a pipe"):
        read_info(str(tmp_path / "a.png"))


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # paths of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.png")
        assert Source.open(tmp_path).files() == ["a.png"]
        with pytest.raises(DataError, match=r"a\.png"):
            read_info(str(tmp_path / "a.png"))


def test_a_link_to_a_device_that_never_ends(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("/dev/zero")
    for read in (read_info, read_bytes):
        with pytest.raises(DataError, match="a device"):
            read(str(tmp_path / "a.png"))


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("a.png")
    assert Source.open(tmp_path).files() == ["a.png"]
    with pytest.raises(DataError, match=r"a\.png"):
        read_info(str(tmp_path / "a.png"))


def test_a_folder_with_the_name_of_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    (tmp_path / "a.png" / "b.png").write_bytes(b"")
    assert Source.open(tmp_path).files() == ["a.png/b.png"]
    with pytest.raises(DataError, match="a folder"):
        read_info(str(tmp_path / "a.png"))


def test_links_out_of_the_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"here")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    source = Source.open(tmp_path / "data")
    assert source.files() == ["linked/a.png"]
    assert read_bytes(source.location("linked/a.png")) == b"here"


def test_links_that_multiply_folders_without_end(tmp_path: Path) -> None:
    """Thirty folders, each with two links to the next, are a billion places."""
    for number in range(30):
        (tmp_path / f"{number}").mkdir()
        for link in "ab" if number < 29 else "":
            (tmp_path / f"{number}" / link).symlink_to(tmp_path / f"{number + 1}", target_is_directory=True)
    with pytest.raises(DataError, match="links lead to it in more than 1,000 ways"):
        Source.open(tmp_path).files()


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """1,100 folders, each in the one before, and a picture in the last; too deep for `shutil.rmtree` to remove."""
    monkeypatch.chdir(tmp_path)
    for _ in range(1100):
        Path("d").mkdir()
        os.chdir("d")
    Path("a.png").write_bytes(b"")
    yield tmp_path
    Path("a.png").unlink()
    for _ in range(1100):
        os.chdir("..")
        Path("d").rmdir()


def test_folders_far_deeper_than_functions_may_call_one_another(deep: Path) -> None:
    assert Source.open(deep).files() == ["d/" * 1100 + "a.png"]
