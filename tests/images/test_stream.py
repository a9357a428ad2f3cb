from __future__ import annotations

import os
from pathlib import Path

import pytest

from limner.errors import DataError
from limner.images import read_bytes


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
