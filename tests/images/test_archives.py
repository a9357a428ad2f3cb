from __future__ import annotations

import contextlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.errors import DataError
from limner.images import Source, limits, member_location, read_bytes, read_image, read_mask


def test_member_with_page_and_key(make_zip, encode, indexed):
    archive = make_zip({"a.gif": encode(indexed, "gif")})

    assert read_mask(member_location(archive, "a.gif") + "#page=0").array[0].tolist() == [0, 1, 2]


def test_missing_member_and_archive(make_zip, tmp_path):
    archive = make_zip({"a.png": b"x"})

    with pytest.raises(DataError, match=r"a member 'b\.png'"):
        read_bytes(member_location(archive, "b.png"))
    with pytest.raises(DataError, match=r"absent\.zip' cannot be opened"):
        read_bytes(member_location(str(tmp_path / "absent.zip"), "a.png"))


def test_damaged_member_names_itself_and_its_archive(make_zip):
    archive = Path(make_zip({"sub/a.png": bytes(range(256)) * 20}))
    data = bytearray(archive.read_bytes())
    data[60] ^= 0xFF
    archive.write_bytes(data)

    with pytest.raises(DataError, match=rf"member 'sub/a\.png' of archive '{archive}' is damaged"):
        read_image(member_location(str(archive), "sub/a.png"))


def test_broken_archive(save):
    archive = save("broken.zip", b"PK\x03\x04 and then nothing")

    with pytest.raises(DataError, match=r"broken\.zip' cannot be opened"):
        read_image(member_location(archive, "a.png"))


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_archives_give_nothing_but_data_errors(make_zip, data):
    archive = Path(make_zip({"a.png": b"1" * 50, "b/c.png": b"2" * 50}))
    content = bytearray(archive.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    archive.write_bytes(content)

    with contextlib.suppress(DataError):
        source = Source.open(archive)
        for name in source.files():
            read_bytes(source.location(name))


def test_encrypted_member_is_refused(make_zip):
    archive = Path(make_zip({"a.png": b"secret"}))
    data = bytearray(archive.read_bytes())
    # Flags: 6 bytes into the local header, 8 bytes into the central directory's.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)

    with pytest.raises(DataError, match=r"member 'a\.png' of archive .* is encrypted"):
        read_bytes(member_location(str(archive), "a.png"))


def test_member_that_unpacks_to_too_much_is_refused(make_zip, monkeypatch):
    archive = make_zip({"a.png": b"\0" * 1000})
    monkeypatch.setattr(limits, "MEMBER_LIMIT", 999)

    with pytest.raises(DataError, match="says 1,000"):
        read_bytes(member_location(archive, "a.png"))


def test_archive_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "a.zip"
    for content in (b"old", b"newer"):
        with zipfile.ZipFile(tmp_path / "new", "w") as archive:
            archive.writestr("a", content)
        (tmp_path / "new").replace(path)
        assert read_bytes(member_location(str(path), "a")) == content


def test_more_archives_than_are_kept_open(make_zip):
    archives = [make_zip({"a": bytes([number])}, f"{number}.zip") for number in range(20)]

    for _ in range(2):
        assert [read_bytes(member_location(archive, "a"))[0] for archive in archives] == list(range(20))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking a process that has threads
def test_forked_children_do_not_share_a_file_position(make_zip):
    members = {str(number): np.random.default_rng(number).bytes(20_000) for number in range(20)}
    archive = make_zip(members)
    read_bytes(member_location(archive, "0"))

    child = os.fork()
    good = all(read_bytes(member_location(archive, name)) == data for name, data in list(members.items()) * 5)
    if child == 0:
        os._exit(0 if good else 1)
    _, status = os.waitpid(child, 0)

    assert good
    assert status == 0
