from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from limner.errors import DataError
from limner.images import hash_file, read_bytes, read_image, read_info, reading_once
from limner.images import stream as module


def test_bytes_are_those_of_the_whole_file_whatever_the_page(save):
    location = save("a.tif", b"anything")

    assert read_bytes(location) == read_bytes(f"{location}#page=3") == b"anything"


def test_unreadable_file_is_named(save):
    location = save("locked.png", b"x")
    Path(location).chmod(0)
    if os.access(location, os.R_OK):
        pytest.skip("the user of this test may read everything")

    with pytest.raises(DataError, match=r"locked\.png"):
        read_bytes(location)


def test_path_with_a_zero_byte_is_refused():
    with pytest.raises(DataError, match="null byte"):
        read_bytes("/data/\0.png")


def test_reading_once_reads_a_file_once(save, encode):
    location = save("a.png", encode(np.eye(4, dtype=np.uint8), "png"))
    with reading_once():
        read_info(location)
        Path(location).unlink()
        assert read_image(location).shape == (4, 4, 1)
        assert hash_file(location) == hashlib.blake2b(read_bytes(location), digest_size=16).digest()
    with pytest.raises(DataError):
        read_bytes(location)


def test_a_very_large_file_is_not_kept(save, monkeypatch):
    monkeypatch.setattr(module, "_MOST_KEPT", 10)
    location = save("a.tif", b"twelve bytes")
    with reading_once():
        assert read_bytes(location) == b"twelve bytes"
        Path(location).write_bytes(b"others")
        assert read_bytes(location) == b"others"
