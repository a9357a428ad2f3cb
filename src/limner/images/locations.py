"""Location strings: what they say, and how they are made.

Layer: images. Pure text; nothing is opened here. `limner.types` lists the forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from limner.types import Plane, Size

_PAGE = re.compile(r"(?P<rest>.+)#page=(?P<page>[0-9]{1,9})(?:@(?P<plane>sagittal|coronal|axial))?", re.DOTALL)
_KEY = re.compile(r"(?P<rest>.+)#key=(?P<key>[^#]+)", re.DOTALL)
_ROW = re.compile(r"(?P<rest>.+)#row=(?P<row>.+)@(?P<height>[0-9]{1,7})x(?P<width>[0-9]{1,7})", re.DOTALL)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class Location:
    """The parts of a location string.

    Attributes:
        path: A file, a URL, or the name of a member when `archive` is set.
        archive: The zip file (a path or a URL) that holds `path`; None outside archives.
        page: Page of a multi-page file, from 0; None when the location names none.
        key: Name of one array of an `.npz` file; None when the location names none.
        row: Row of a table of run lengths; None when the location names none.
        size: Size of the mask in that row.
        plane: Plane in which a volume is cut into pages; None leaves the choice to the volume.
    """

    path: str
    archive: str | None = None
    page: int | None = None
    key: str | None = None
    row: str | None = None
    size: Size | None = None
    plane: Plane | None = None

    @property
    def file(self) -> str:
        """The location of the whole file that holds the page, key or row."""
        return self.path if self.archive is None else member_location(self.archive, self.path)


def is_url(text: str) -> bool:
    """Whether `text` begins with a scheme, such as `s3://`."""
    return _URL.match(text) is not None


def parse_location(location: str) -> Location:
    """Take a location string apart.

    Example:
        >>> place = parse_location("zip://sub/a.tif::/data/pictures.zip#page=3")
        >>> place.path, place.archive, place.page
        ('sub/a.tif', '/data/pictures.zip', 3)
        >>> parse_location("/data/brain.nii.gz#page=12@axial").plane
        'axial'
        >>> parse_location("/data/masks.npz#key=left").key
        'left'
        >>> place = parse_location("/data/masks.csv#row=a.jpg@1280x1918")
        >>> place.path, place.row, place.size
        ('/data/masks.csv', 'a.jpg', (1280, 1918))
    """
    page, key, row, size, plane = None, None, None, None, None
    if match := _PAGE.fullmatch(location):
        location, page, plane = match["rest"], int(match["page"]), cast("Plane | None", match["plane"])
    elif match := _KEY.fullmatch(location):
        location, key = match["rest"], match["key"]
    elif match := _ROW.fullmatch(location):
        location, row, size = match["rest"], match["row"], (int(match["height"]), int(match["width"]))
    if location.startswith("zip://") and "::" in location:
        # Rightmost: a member's name may hold '::', a path hardly ever does.
        member, archive = location.removeprefix("zip://").rsplit("::", 1)
        return Location(member, archive, page, key, row, size, plane)
    return Location(location.removeprefix("file://"), None, page, key, row, size, plane)


def member_location(archive: str, member: str) -> str:
    """The location of a member of a zip file.

    Example:
        >>> member_location("/data/pictures.zip", "sub/a.png")
        'zip://sub/a.png::/data/pictures.zip'
    """
    return f"zip://{member}::{archive}"


def page_location(location: str, page: int, plane: Plane | None = None) -> str:
    """The location of one page (from 0) of a multi-page file, or of a volume cut in `plane`.

    Example:
        >>> page_location("/data/stack.tif", 3), page_location("/data/brain.nii.gz", 12, "axial")
        ('/data/stack.tif#page=3', '/data/brain.nii.gz#page=12@axial')
    """
    return f"{location}#page={page}{f'@{plane}' if plane else ''}"


def row_location(location: str, row: str, size: Size) -> str:
    """The location of a mask that is one row of a table of run lengths.

    Example:
        >>> row_location("/data/train_masks.csv", "a.jpg", (1280, 1918))
        '/data/train_masks.csv#row=a.jpg@1280x1918'
    """
    return f"{location}#row={row}@{size[0]}x{size[1]}"
