"""Files on this machine, and nothing else that can have a file's name.

Layer: images. Opening a pipe waits for whoever writes into it, and a device may never end.
"""

from __future__ import annotations

import io
import os
import stat

from limner.errors import DataError

_KINDS = (
    (stat.S_ISDIR, "a folder", "Name one file, or use limner.images.Source for folders."),
    (stat.S_ISFIFO, "a pipe", "Remove it, or write its contents into a file."),
    (stat.S_ISCHR, "a device", "Name a file."),
    (stat.S_ISBLK, "a device", "Name a file."),
)


def open_file(path: str) -> io.BufferedReader:
    """A seekable stream of a file.

    Raises:
        DataError: It is missing, cannot be read, or is no file.
    """
    try:
        return open(path, "rb", opener=lambda name, flags: _open_regular(name, flags, path))
    except FileNotFoundError:
        raise DataError(f"a file '{path}'", "there is none", "Check the path; upper and lower case differ.") from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"'{path}' can be read", str(error), "Check its permissions, or copy it somewhere readable."
        ) from error


def _open_regular(name: str, flags: int, path: str) -> int:
    # Without waiting: opening a pipe that nobody writes into would never end.
    file = os.open(name, flags | os.O_NONBLOCK)
    mode = os.fstat(file).st_mode
    if stat.S_ISREG(mode):
        return file
    os.close(file)
    found, remedy = next(
        ((words, remedy) for is_kind, words, remedy in _KINDS if is_kind(mode)), ("no file", "Name a file.")
    )
    raise DataError(f"a file '{path}'", f"it is {found}", remedy)
