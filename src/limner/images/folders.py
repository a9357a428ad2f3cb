"""List a folder and all below it.

Layer: images. Links to folders are followed, but never round in a circle.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

from limner.errors import DataError

_Identity: TypeAlias = tuple[int, int]


def folder_names(root: Path) -> list[str]:
    """Relative names, with '/', of all files below `root`, hidden folders aside; in no set order.

    A dangling link counts as a file, so that reading it says what is wrong.

    Raises:
        DataError: A folder cannot be read.
    """
    names: list[str] = []
    _walk(str(root), "", (), names)
    return names


def _walk(folder: str, prefix: str, above: tuple[_Identity, ...], names: list[str]) -> None:
    # Only ancestors are remembered: two links to one folder are two places, a link upwards is a circle.
    status = os.stat(folder)  # noqa: PTH116 - identity of what a link leads to
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError as error:
        raise DataError(
            f"folder '{folder}' can be read", error.strerror or str(error), "Check its permissions."
        ) from error
    for entry in entries:
        if entry.is_dir():
            if not entry.name.startswith("."):
                _walk(entry.path, f"{prefix}{entry.name}/", (*above, identity), names)
        elif entry.is_file() or entry.is_symlink():
            names.append(prefix + entry.name)
