"""The directory of a zip file as columns says what `zipfile` says."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.images import Source, archive_contents, member_location, read_bytes
from limner.images.zip_directory import UnusualZipError, read_directory


def by_zipfile(path: Path) -> dict[str, tuple[int, ...]]:
    with zipfile.ZipFile(path) as archive:
        return {
            entry.filename: (
                entry.header_offset,
                entry.compress_size,
                entry.file_size,
                entry.CRC,
                entry.compress_type,
                entry.flag_bits,
            )
            for entry in archive.infolist()
        }


def by_columns(path: Path) -> dict[str, tuple[int, ...]]:
    with path.open("rb") as file:
        directory = read_directory(file)
    rows = zip(*(column.tolist() for column in directory.columns), strict=True)
    return dict(zip(directory.names(), rows, strict=True))


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda name: "/" not in name
)


@given(members=st.dictionaries(names, st.binary(max_size=40), max_size=8), packed=st.booleans(), comment=st.binary())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_entries_are_those_that_zipfile_finds(tmp_path, members, packed, comment):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        archive.comment = comment[:100]
        for name, content in members.items():
            archive.writestr(name, content)

    assert by_columns(path) == by_zipfile(path)
    assert all(read_bytes(member_location(str(path), name)) == content for name, content in members.items())


def test_something_in_front_of_the_archive(tmp_path):
    path = tmp_path / "program.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"content")
    path.write_bytes(b"#!/bin/sh\n" * 50 + path.read_bytes())

    assert read_bytes(member_location(str(path), "a.png")) == b"content"


def test_zip64_entries_and_directory(tmp_path, monkeypatch):
    path = tmp_path / "large.zip"
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 40)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    content = {f"{number}.png": bytes([number]) * 60 for number in range(5)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)

    assert by_columns(path) == by_zipfile(path)
    assert {name: read_bytes(member_location(str(path), name)) for name in content} == content


def test_names_in_a_code_page_are_left_to_zipfile(tmp_path):
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("aXb.png", b"content")
    path.write_bytes(path.read_bytes().replace(b"aXb", b"a\x81b"))

    with path.open("rb") as file, pytest.raises(UnusualZipError):
        read_directory(file)
    assert Source.open(path).files() == ["aüb.png"]
    assert read_bytes(member_location(str(path), "aüb.png")) == b"content"


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_compressions(tmp_path, compression):
    path = tmp_path / "rare.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a.png", b"content" * 100)

    assert read_bytes(member_location(str(path), "a.png")) == b"content" * 100


def test_contents_of_many_members(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(50):
            archive.writestr(f"{number}.png", bytes([number]) * number)
        expected = [(entry.CRC, entry.file_size) for entry in archive.infolist()][::-1]

    found = archive_contents(str(path), [f"{number}.png" for number in range(49, -1, -1)])
    np.testing.assert_array_equal(found, expected)


def test_columns_take_little_memory(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1000):
            archive.writestr(f"fg_bg/img_{number}.jpg", b"content")

    with path.open("rb") as file:
        directory = read_directory(file)
    assert len(directory) == 1000
    assert sum(column.nbytes for column in directory.columns) + directory.ends.nbytes < 20 * 1000
