"""Which pictures are meant, and what their results are called.

Layer: inference.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from limner.errors import DataError, shorten
from limner.images import (
    IMAGE_SUFFIXES,
    Source,
    choose_plane,
    is_dicom,
    is_picture,
    is_url,
    is_volume,
    is_zarr,
    natural_key,
    page_location,
    parse_location,
    read_info,
    read_volume,
    suffix_of,
    without_suffix,
)
from limner.types import Plane


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to predict.

    Attributes:
        location: Where it lies, see `limner.types`.
        name: Its name below the place it was found in, such as `a/b.jpg`.
    """

    location: str
    name: str


@dataclass(frozen=True)
class FoundPictures:
    """Pictures, each once and in natural order per place, and the names of files that are none."""

    pictures: list[Picture]
    others: list[str]


def find_pictures(
    places: Sequence[str | Path], *, leave_out: str | Path | None, plane: Plane | None = None
) -> FoundPictures:
    """Find the pictures of files, folders, zip archives, patterns with `*`, and URLs.

    Every slice of a volume is a picture, and every frame of a DICOM file.

    Args:
        places: Where to look. Folders and archives are searched to the bottom.
        leave_out: Folder or URL of the results, whose files are not pictures to predict; None without one.
        plane: In which volumes are cut; None leaves it to each volume.

    Raises:
        DataError: A place does not exist, a pattern matches nothing, or there is no picture at all.
    """
    # A dict, because a picture that is named twice is predicted once.
    files = {picture: named for place in places for picture, named in _look(str(place))}
    if leave_out is not None:
        results = leave_out if is_url(str(leave_out)) else Path(leave_out).resolve()
        files = {picture: named for picture, named in files.items() if not _is_result(picture, results)}
    taken = {picture: named or is_picture(picture.location) for picture, named in files.items()}
    found = FoundPictures(
        [part for picture, taking in taken.items() if taking for part in _parts(picture, plane)],
        [picture.name for picture, taking in taken.items() if not taking],
    )
    if not found.pictures:
        raise DataError(
            f"pictures to predict ({', '.join(sorted(IMAGE_SUFFIXES))})",
            f"none in {', '.join(map(repr, map(str, places))) or 'nothing'}",
            "Name a picture, a folder, a zip archive or a pattern such as 'scans/*.png'.",
        )
    return found


def result_names(pictures: Sequence[Picture]) -> list[str]:
    """The name of each picture's result, without the suffix.

    It is the picture's name without its suffix; where two pictures would share it (`a.jpg` and
    `a.png`), both keep their suffix (`a.jpg`, `a.png`).

    Raises:
        DataError: Pictures of different places have the same name.

    Example:
        >>> result_names([Picture("/x/a.jpg", "a.jpg"), Picture("/x/a.png", "a.png"), Picture("/x/s/b.png", "s/b.png")])
        ['a.jpg', 'a.png', 's/b']
    """
    stems = [without_suffix(picture.name) for picture in pictures]
    shared = Counter(stems)
    names = [stem if shared[stem] == 1 else picture.name for stem, picture in zip(stems, pictures, strict=True)]
    counted = Counter(names)
    clashes = [picture.location for name, picture in zip(names, pictures, strict=True) if counted[name] > 1]
    if clashes:
        raise DataError(
            "pictures whose results can be told apart by name",
            f"{len(clashes)} pictures share names",
            "Predict them separately, each to its own folder, or rename them.",
            details=shorten(clashes),
        )
    return names


def _look(place: str) -> Iterator[tuple[Picture, bool]]:
    """Files of a place, and whether they were named themselves, so that they are pictures whatever their suffix."""
    path = Path(place)
    if (path.is_file() and path.suffix.lower() != ".zip") or is_zarr(path):
        yield Picture(str(path.absolute()), path.name), True
    elif _is_part(place) or ("://" in place and suffix_of(place) in IMAGE_SUFFIXES):
        yield Picture(_absolute(place), _part_name(place)), True
    elif glob.has_magic(place) and not path.exists():
        yield from ((picture, False) for picture in _matches(place))
    else:
        source = Source.open(place)
        yield from ((Picture(source.location(name), name), False) for name in source.files())


def _is_part(place: str) -> bool:
    location = parse_location(place)
    return location.archive is not None or location.page is not None or location.key is not None


def _absolute(place: str) -> str:
    """The same location for processes that work elsewhere on this disk."""
    location = parse_location(place)
    if is_url(location.archive or location.path):
        return place
    before, mark, path = place.removeprefix("file://").rpartition("::" if location.archive else "\0")
    return f"{before}{mark}{Path(path).absolute()}"


def _part_name(place: str) -> str:
    """Name of a URL, a member of an archive or a page; the page stands before the suffix, which results drop."""
    location = parse_location(place)
    name = PurePosixPath(location.path).name
    part = "" if location.page is None else f"_page{location.page}"
    part += "" if location.key is None else f"_{location.key}"
    stem = without_suffix(name)
    return f"{stem}{part}{name[len(stem) :]}"


def _matches(pattern: str) -> Iterator[Picture]:
    fixed = Path(pattern)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    matches = [path for path in map(Path, glob.glob(pattern, recursive=True)) if path.is_file() or is_zarr(path)]  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not matches:
        raise DataError(f"files that match '{pattern}'", "none", "Check the pattern and the folder it starts in.")
    names = sorted((path.relative_to(fixed).as_posix() for path in matches), key=natural_key)
    yield from (Picture(str((fixed / name).absolute()), name) for name in names)


def _parts(picture: Picture, plane: Plane | None) -> Iterator[Picture]:
    """The slices of a volume, such as `a_s012.nii.gz`, and the frames of a DICOM file; else the picture itself."""
    location, name = picture.location, picture.name
    try:
        if is_volume(location):
            volume = read_volume(location)
            cut = plane or choose_plane([volume])[0]
            parts = [(page_location(location, page, cut), f"_s{page:03}") for page in range(volume.slices(cut))]
        elif parse_location(location).page is None and is_dicom(location) and (frames := read_info(location).pages) > 1:
            parts = [(page_location(location, page), f"_page{page:03}") for page in range(frames)]
        else:
            parts = [(location, "")]
    except DataError:
        parts = [(location, "")]  # fails when it is read, and is reported like every picture that does
    stem = without_suffix(name)
    yield from (Picture(part, f"{stem}{number}{name[len(stem) :]}") for part, number in parts)


def _is_result(picture: Picture, results: str | Path) -> bool:
    """Whether a picture was found in the folder of the results, because that lies inside the place searched."""
    if isinstance(results, str):
        place = picture.location.removesuffix(picture.name)
        return results.startswith(place) and results != place and picture.location.startswith(f"{results}/")
    if "://" in picture.location:
        return False
    folder = Path(picture.location.removesuffix(picture.name)).resolve()
    inside = results != folder and results.is_relative_to(folder)
    return inside and Path(picture.location).resolve().is_relative_to(results)
