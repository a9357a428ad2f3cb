"""A place that holds many pictures: a folder, a zip file read in place, or a URL.

Layer: images.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from limner.errors import DataError
from limner.images.archives import archive_names
from limner.images.folders import folder_names
from limner.images.locations import is_url, member_location
from limner.images.remote import list_url

# Runs of digits are cut at 250, so that their length fits one character.
_DIGITS = re.compile(r"[0-9]{1,250}")
_DRIVE = re.compile(r"[A-Za-z]:/")
_CLUTTER = frozenset({"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db"})


@dataclass(frozen=True)
class Source:
    """A place to look for pictures in. Make one with `Source.open`.

    Attributes:
        place: Absolute path of a folder or archive, or a URL without a trailing slash.
        kind: What the place is.
    """

    place: str
    kind: Literal["folder", "zip", "url"]

    @classmethod
    def open(cls, place: str | Path) -> Source:
        """Recognise a place: a folder, a zip file (local or behind a URL), or a URL fsspec can list.

        A URL is not contacted before its files are asked for.

        Raises:
            DataError: It is missing, a broken archive, or no such place.
        """
        text = str(place)
        if not text.strip():
            raise DataError("a folder, a zip file or a URL", "an empty path", "Name the place where the pictures are.")
        if is_url(text) and not text.startswith("file://"):
            text = text.rstrip("/")
            return cls(text, "zip" if text.lower().endswith(".zip") else "url")
        path = Path(text.removeprefix("file://")).expanduser().absolute()
        if path.is_dir():
            return cls(str(path), "folder")
        _check_archive(path)
        archive_names(str(path))
        return cls(str(path), "zip")

    def files(self) -> list[str]:
        """Names of all files below the place, relative, with '/', in natural order (2 before 10).

        Hidden files and what operating systems leave behind (`.DS_Store`, `__MACOSX`, `Thumbs.db`)
        are left out. Looks anew at each call.

        Raises:
            DataError: A folder cannot be read, or a name leads out of the place or is not UTF-8.
        """
        match self.kind:
            case "folder":
                names = folder_names(Path(self.place))
            case "zip":
                names = archive_names(self.place)
            case "url":
                names = list_url(self.place)
        if self.kind != "folder":
            for name in names:
                _check_inside(name, self.place)
        names = [name for name in names if not _is_clutter(name)]
        for name in names:
            _check_text(name, self.place)
        return sorted(names, key=natural_key)

    def folders(self) -> list[str]:
        """Names of all folders that hold a file at any depth, relative, in natural order; '' is left out."""
        parents = {str(parent) for name in self.files() for parent in PurePosixPath(name).parents}
        return sorted(parents - {"."}, key=natural_key)

    def location(self, name: str) -> str:
        """The location string of the file that `files` calls `name`."""
        if self.kind == "zip":
            return member_location(self.place, name)
        return f"{self.place.rstrip('/')}/{name}"


def natural_key(name: str) -> str:
    """A key that sorts names as people do: numbers by value, case aside, folder by folder.

    Text, not a tuple: of a million names the keys of a sort are alive at once.

    Example:
        >>> sorted(["b/10.png", "b/2.png", "A/3.png"], key=natural_key)
        ['A/3.png', 'b/2.png', 'b/10.png']
    """
    # A folder's end comes before all that goes on, a number before all text, a shorter number before a longer one.
    key = _DIGITS.sub(_number_key, name.casefold().replace("/", "\0"))
    return f"{key}\0\0{name}"


def _number_key(digits: re.Match[str]) -> str:
    value = digits[0].lstrip("0")
    return f"\1{chr(len(value) + 1)}{value}"


def _check_archive(path: Path) -> None:
    if not path.exists():
        raise DataError(
            f"a folder, a zip file or a URL at '{path}'",
            "nothing is there",
            "Check the path; upper and lower case differ.",
        )
    if path.is_file() and zipfile.is_zipfile(path):
        return
    found = "is not a whole zip file" if path.suffix.lower() == ".zip" else "is a single file of another kind"
    raise DataError(
        "a folder, a zip file or a URL",
        f"'{path}' {found}",
        "Name the folder that holds the pictures; unpack other archives first, and download a broken one again.",
    )


def _is_clutter(name: str) -> bool:
    parts = [part for part in name.split("/") if part not in (".", "..")]
    return any(part.startswith(".") or part.lower() in _CLUTTER for part in parts)


def _check_inside(name: str, place: str) -> None:
    # Names are also those of results: one that leads out of its place would write there.
    if name.startswith("/") or "\\" in name or ".." in name.split("/") or _DRIVE.match(name):
        raise DataError(
            "relative names that stay inside their place, with '/' between folders",
            f"'{place}' holds '{name}'",
            "Pack the archive again with relative names, or unpack it and use the folder.",
        )


def _check_text(name: str, place: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(
            "file names in UTF-8", f"'{place}' holds {name!r}", "Rename the file; its name is in another encoding."
        ) from None
