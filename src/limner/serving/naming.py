"""Names that strangers give, made into names of files.

Layer: serving. Imports no web library. Pure functions.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

_LENGTH = 100
_BYTES = 200
# Names that mean devices on Windows, where the folder may be opened some day.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10))}
)


def safe_name(name: str) -> str:
    r"""A name as the name of a file without an ending: letters, digits, `-`, `_` and `.` alone, and not too long.

    Args:
        name: Whatever a client sends, perhaps with folders and an ending, which are left out.

    Returns:
        It; empty if nothing is left.

    Example:
        >>> safe_name("../../etc/passwd"), safe_name(r"C:\scans\a b.tif"), safe_name(".bashrc"), safe_name("nul")
        ('passwd', 'a_b', 'bashrc', 'nul_')
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    stem = PurePosixPath(last).stem if PurePosixPath(last).suffix.lower() in _ENDINGS else last
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)
    kept = kept.strip("._- ")[:_LENGTH]
    while len(kept.encode()) > _BYTES:
        kept = kept[:-1]
    return f"{kept}_" if kept.lower().partition(".")[0] in _DEVICES else kept


_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".npy", ".dcm"})


def unlike(names: list[str], other: str) -> list[str]:
    """Safe names that differ, in order: a number is added where two would be the same, on any system.

    Args:
        names: As clients gave them.
        other: What to call those of which nothing is left.

    Example:
        >>> unlike(["a.png", "A.jpg", "?"], "picture")
        ['a', 'A-2', 'picture']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        stem = safe_name(name) or other
        chosen, number = stem, 2
        while chosen.lower() in taken:
            chosen, number = f"{stem}-{number}", number + 1
        taken.add(chosen.lower())
        found.append(chosen)
    return found
