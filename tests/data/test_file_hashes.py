"""Files that have not changed are not read again; files that may have are."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from limner.data.file_hashes import FileHashes
from limner.data.store import Store
from limner.errors import DataError
from limner.images import hash_file, member_location

Opened = Callable[[], list[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.png"
    path.write_bytes(b"one")
    return path


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once(file: Path, opened: Opened) -> None:
    with Store(None) as store:
        found = [FileHashes(store).of(str(file)) for _ in range(3)]
    assert found == [hash_file(str(file))] * 3
    assert opened() == ["data.png"] * 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("how", ["written over", "replaced"])
def test_other_content_of_equal_length_and_time_is_noticed(file: Path, how: str) -> None:
    with Store(None) as store:
        hashes = FileHashes(store)
        before, status = hashes.of(str(file)), file.stat()
        other = file if how == "written over" else file.with_suffix(".new")
        other.write_bytes(b"two")
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(file)
        assert file.stat().st_mtime_ns == status.st_mtime_ns
        assert hashes.of(str(file)) == hash_file(str(file)) != before


def test_a_file_that_changed_a_moment_ago_is_read_each_time(file: Path, opened: Opened) -> None:
    with Store(None) as store:
        hashes = FileHashes(store)
        assert hashes.of(str(file)) == hashes.of(str(file))
    assert opened() == ["data.png"] * 2


def test_a_time_in_the_future_is_not_relied_on(file: Path, opened: Opened) -> None:
    os.utime(file, (2**33, 2**33))
    with Store(None) as store:
        hashes = FileHashes(store)
        assert hashes.of(str(file)) == hashes.of(str(file))
    assert opened() == ["data.png"] * 2


@pytest.mark.usefixtures("settled")
def test_members_of_an_archive_that_was_written_again(tmp_path: Path) -> None:
    archive = tmp_path / "data.zip"
    found = []
    with Store(None) as store:
        for content in (b"one", b"two"):
            with zipfile.ZipFile(archive, "w") as writer:
                writer.writestr("a.png", content)
                writer.writestr("b.png", b"same")
            found.append([FileHashes(store).of(member_location(str(archive), name)) for name in ("a.png", "b.png")])
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]


def test_a_file_that_is_gone(file: Path) -> None:
    file.unlink()
    with Store(None) as store, pytest.raises(DataError, match=r"data\.png"):
        FileHashes(store).of(str(file))
