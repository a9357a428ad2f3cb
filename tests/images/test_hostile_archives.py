"""Archives that are damaged, or made to do damage: files, or an error that names the archive; nothing is written."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.errors import DataError
from limner.images import Source, limits, read_bytes, read_info


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


WHOLE = packed({"images/1.png": b"first" * 40, "masks/1.png": bytes(300), "größe.png": b"", "folder/": b""})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.zip"


def read_all(path: Path) -> dict[str, bytes]:
    """Every member that can be read; errors must name the archive."""
    found = {}
    try:
        source = Source.open(path)
        for name in source.files():
            with contextlib.suppress(DataError):
                found[name] = read_bytes(source.location(name))
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 - an error is one of two right answers
    return found


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(
    changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6),
    length=st.one_of(st.just(len(WHOLE)), st.integers(0, len(WHOLE))),
)
def test_a_damaged_archive_gives_whole_members_or_errors(
    path: Path, changes: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(WHOLE)
    for place, byte in changes:
        content[place] = byte
    path.write_bytes(content[:length])
    whole = {b"first" * 40, bytes(300), b""}
    assert set(read_all(path).values()) <= whole  # by their checksums


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_an_archive_cut_short_is_refused(path: Path, length: int) -> None:
    path.write_bytes(WHOLE[:length])
    with pytest.raises(DataError, match=r"data\.zip"):
        Source.open(path).files()


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "x/../../a.png", "C:/a.png", "..\\a.png"])
def test_names_that_lead_out_are_refused(path: Path, name: str) -> None:
    path.write_bytes(packed({"b.png": b"", name: b"x"}))
    with pytest.raises(DataError, match="stay inside"):
        Source.open(path).files()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_different_files_of_one_name_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for content in (b"first", b"last"):
            archive.writestr("a.png", content)
    with pytest.raises(DataError, match=r"different files that are all called 'a\.png'"):
        Source.open(path).files()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_stored_twice_is_one(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(2):
            archive.writestr("a.png", b"same")
    assert read_all(path) == {"a.png": b"same"}


def overlapping(members: int) -> bytes:
    """Many members that are one piece of 64 MB of zeros, as "a better zip bomb" has it."""
    zeros = bytes(1 << 26)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = deflate.compress(zeros) + deflate.flush()
    crc, name = zlib.crc32(zeros), b"0000.png"
    head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, crc, len(content), len(zeros), len(name), 0) + name
    entries = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, crc, len(content), len(zeros), 8, 0, 0, 0, 0, 0, 0)
        + f"{number:04}.png".encode()
        for number in range(members)
    )
    start = len(head) + len(content)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, members, members, len(entries), start, 0)
    return head + content + entries + end


def test_members_on_top_of_one_another_are_refused_at_once(path: Path) -> None:
    path.write_bytes(overlapping(5000))  # 300 kB that unpack to 320 GB
    with pytest.raises(DataError, match="lie on top of one another"):
        Source.open(path)


def test_a_member_of_more_than_its_share_of_the_memory_is_not_unpacked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(packed({"a.png": bytes(1 << 20)}))
    monkeypatch.setattr(limits, "memory", lambda: 1 << 20)
    with pytest.raises(DataError, match="says it unpacks to"):
        read_info(Source.open(path).location("a.png"))


def test_a_member_that_unpacks_to_more_than_it_says_is_cut_off(path: Path) -> None:
    content = bytearray(packed({"a.png": bytes(1 << 22)}))
    for signature, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", content, content.index(signature) + place, 10)
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        read_bytes(Source.open(path).location("a.png"))


def test_a_link_in_an_archive_is_not_followed(path: Path) -> None:
    link = zipfile.ZipInfo("a.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is plain text"):
        read_info(Source.open(path).location("a.png"))


def test_an_archive_in_an_archive_is_no_picture(path: Path) -> None:
    path.write_bytes(packed({"inner.png": WHOLE}))
    with pytest.raises(DataError, match="holds 0 arrays"):
        read_info(Source.open(path).location("inner.png"))


@pytest.mark.slow
def test_a_million_empty_members_are_listed(path: Path) -> None:
    path.write_bytes(packed({f"{number}.png": b"" for number in range(1_000_000)}, zipfile.ZIP_STORED))
    assert len(Source.open(path).files()) == 1_000_000
