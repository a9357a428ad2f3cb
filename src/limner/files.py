"""Files that are whole or absent: atomic writes with errors a user can act on.

Layer: just above `types`. Imports no torch.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from limner.errors import LimnerError, OutputError

# Read once, while one thread runs: the only way to read the umask is to set it.
_UMASK = os.umask(0)
os.umask(_UMASK)


def output_error(path: Path, error: OSError) -> LimnerError:
    """Say in Limner's form why `path` could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"room on the disk for '{path}'",
            "the disk is full",
            "Free some space, or choose another place for the output; what was written before is whole.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(
            f"permission to write '{path}'", error.strerror or "permission denied", "Choose another place to write to."
        )
    return OutputError(f"'{path}' can be written", error.strerror or str(error), "Choose another place to write to.")


def require_empty(folder: Path) -> None:
    """See that a folder can be filled without touching anything: it is empty, or not there.

    Raises:
        OutputError: It holds something, is a file, or cannot be read.
    """
    remedy = "Choose another folder; nothing was written."
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"a folder at '{folder}'", "a file", remedy)
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError(f"'{folder}' is empty", "it holds files", remedy)
    except OSError as error:
        raise output_error(folder, error) from error


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without error.

    Parent folders are made. A reader sees the old file or the new one, never a part; a killed
    process leaves at most a hidden `.tmp` file. The temporary keeps the suffix of `path`, because
    some writers choose the format by it.

    Raises:
        OutputError: The disk is full, the place is read-only, or a parent is a file.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:80]}-", suffix=f".tmp{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes files private; results follow the user's umask like any other file.
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_rows(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file with a header; names of files in it need not be UTF-8, and are written as they were found.

    Raises:
        OutputError: The file cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
