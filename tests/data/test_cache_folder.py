"""The cache keeps to its limit and never takes an entry from somebody who uses it."""

import json
import os
import shutil
from collections import namedtuple

import pytest

from limner.data.cache_folder import MANIFEST, EntryLock, building_path, make_room, read_manifest

KEYS = ["0" * 32, "1" * 32, "2" * 32]
NEW = "f" * 32


@pytest.fixture
def folder(tmp_path):
    """Three entries of 1000 bytes and a little, the first used longest ago."""
    for age, key in enumerate(KEYS):
        entry = tmp_path / key
        entry.mkdir()
        (entry / "images.bin").write_bytes(bytes(1000))
        (entry / MANIFEST).write_text(json.dumps({"files": {"images.bin": 1000}}))
        os.utime(entry / MANIFEST, (1000 + age, 1000 + age))
    return tmp_path


def entries(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_the_entries_used_longest_ago_go_first(folder):
    assert make_room(folder, NEW, needed=1500, limit=3000)
    assert entries(folder) == KEYS[2:]


def test_nothing_goes_while_there_is_room(folder):
    assert make_room(folder, NEW, needed=1500, limit=10_000)
    assert entries(folder) == KEYS


def test_an_entry_in_use_stays(folder):
    lock = EntryLock(folder, KEYS[0])
    lock.share()
    assert make_room(folder, NEW, needed=1500, limit=3000)
    assert entries(folder) == [KEYS[0]]
    assert not make_room(folder, NEW, needed=2500, limit=3000)
    lock.close()
    assert make_room(folder, NEW, needed=2500, limit=3000)


def test_more_than_the_limit_never_fits_and_costs_nobody_an_entry(folder):
    assert not make_room(folder, NEW, needed=4000, limit=3000)
    assert entries(folder) == KEYS


def test_a_disk_too_small_is_noticed(folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10, 9, 1))
    assert not make_room(folder, NEW, needed=100, limit=10_000)


def test_what_a_killed_process_left_is_removed(folder):
    left = building_path(folder, NEW)
    left.mkdir()
    (left / "images.bin").write_bytes(bytes(9))
    building_path(folder, KEYS[0]).mkdir()
    assert make_room(folder, NEW, needed=10, limit=10_000)
    assert entries(folder) == KEYS


def test_foreign_folders_are_never_touched(folder):
    (folder / "holiday pictures").mkdir()
    assert make_room(folder, NEW, needed=3000, limit=3000)
    assert entries(folder) == ["holiday pictures"]


def test_a_shortened_or_missing_file_makes_an_entry_void(folder):
    entry = folder / KEYS[0]
    assert read_manifest(entry) == {"files": {"images.bin": 1000}}
    (entry / "images.bin").write_bytes(bytes(999))
    assert read_manifest(entry) is None
    (entry / "images.bin").unlink()
    assert read_manifest(entry) is None
    (entry / MANIFEST).write_text("{")
    assert read_manifest(entry) is None


def test_one_lock_keeps_out_another(tmp_path):
    first, second = EntryLock(tmp_path, NEW), EntryLock(tmp_path, NEW)
    first.share()
    second.share()
    assert not second.try_own()
    first.close()
    assert second.try_own()


def test_a_discarded_lock_is_taken_anew(tmp_path):
    first, second = EntryLock(tmp_path, NEW), EntryLock(tmp_path, NEW)
    first.own()
    first.discard()
    second.own()  # its file is gone: a new one must be locked, which others see
    assert not EntryLock(tmp_path, NEW).try_own()
