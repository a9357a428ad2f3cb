from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from limner.errors import OutputError
from limner.files import atomic_path, output_error, write_bytes, write_rows, write_text


def test_text_is_utf8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "é\n")

    assert (tmp_path / "new" / "a.txt").read_bytes() == "é\n".encode()


def test_file_follows_the_umask(tmp_path):
    write_bytes(tmp_path / "a", b"1")

    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def write_half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()

    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_temporary_keeps_the_suffix_and_lies_beside(tmp_path):
    with atomic_path(tmp_path / "a.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"whole")

    assert (tmp_path / "a.png").read_bytes() == b"whole"


def test_parent_that_is_a_file_is_an_output_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(OutputError, match=r"file/a\.txt"):
        write_text(tmp_path / "file" / "a.txt", "x")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "permission to write"), (errno.EIO, "can be written")],
)
def test_causes_in_words(tmp_path, number, words):
    error = output_error(tmp_path / "a", OSError(number, os.strerror(number)))

    assert isinstance(error, OutputError)
    assert words in str(error)


def test_rows_are_written_whole_and_names_as_they_were_found(tmp_path: Path) -> None:
    write_rows(tmp_path / "deep" / "a.csv", ("id", "dice"), [{"id": "caf\udce9.png", "dice": 0.5}, {"id": 'a,"b"'}])
    assert (tmp_path / "deep" / "a.csv").read_bytes() == b'id,dice\ncaf\xe9.png,0.5\n"a,""b""",\n'
    with pytest.raises(ValueError, match="dict contains fields not in fieldnames"):
        write_rows(tmp_path / "deep" / "a.csv", ("id",), [{"id": "x", "dice": 1}])
    assert (tmp_path / "deep" / "a.csv").read_bytes().startswith(b"id,dice\n")
