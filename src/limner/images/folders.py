"""List a folder and all below it.

Layer: images. Links to folders are followed, but never round in a circle.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NoReturn, TypeAlias

from limner.errors import DataError

_Identity: TypeAlias = tuple[int, int]

_MOST_VISITS = 1000  # of one folder by way of links: twenty links, each to a folder of two, lead to a million places


def folder_names(root: Path) -> list[str]:
    """Relative names, with '/', of all files below `root`, hidden folders aside; in no set order.

    What is no folder counts as a file, also a dangling link or a pipe, so that reading it says what is wrong.

    Raises:
        DataError: A folder cannot be read, or links multiply it without end.
    """
    names: list[str] = []
    visits: Counter[_Identity] = Counter()
    waiting: list[tuple[str, str, tuple[_Identity, ...]]] = [(str(root), "", ())]
    while waiting:
        folder, prefix, above = waiting.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116 - identity of what a link leads to
            with os.scandir(folder) as listing:
                entries = list(listing)
        except OSError as error:
            _refuse(folder, error.strerror or str(error), "Check its permissions.", error)
        identity = (status.st_dev, status.st_ino)
        # Only ancestors are left out: two links to one folder are two places, a link upwards is a circle.
        if identity in above:
            continue
        visits[identity] += 1
        if visits[identity] > _MOST_VISITS:
            _refuse(folder, f"links lead to it in more than {_MOST_VISITS:,} ways", "Remove the links.")
        for entry in entries:
            if not _is_folder(entry):
                names.append(prefix + entry.name)
            elif not entry.name.startswith("."):
                waiting.append((entry.path, f"{prefix}{entry.name}/", (*above, identity)))
    return names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _refuse(folder: str, found: str, remedy: str, cause: Exception | None = None) -> NoReturn:
    raise DataError(f"folder '{folder}' can be read", found, remedy) from cause
