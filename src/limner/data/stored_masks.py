"""Masks as stored: one file, a folder of files that are one mask together, or a file for each plane.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool

from limner.errors import DataError
from limner.images import Source, StoredMask, is_picture, parse_location, read_mask

PLANES = " | "
"""Between the locations of masks that are the planes of one target."""


def join_planes(locations: Sequence[str]) -> str:
    """The location that means a plane for each of these masks, in order."""
    return PLANES.join(locations)


def split_planes(location: str) -> list[str]:
    """Locations of the planes of a mask; the location alone where it means one mask.

    Example:
        >>> split_planes("/data/heart/a.png | /data/lv/a.png"), split_planes("/data/a.png")
        (['/data/heart/a.png', '/data/lv/a.png'], ['/data/a.png'])
    """
    # A file whose own name holds the separator is one file.
    if PLANES not in location or Path(location).exists():
        return [location]
    return location.split(PLANES)


def is_folder(location: str) -> bool:
    """Whether a location means every picture of a folder together.

    Example:
        >>> is_folder("/data/masks/"), is_folder("zip://a/masks/::/data.zip"), is_folder("/data/a.png")
        (True, True, False)
    """
    return len(split_planes(location)) == 1 and parse_location(location).path.endswith("/")


def mask_files(location: str) -> list[str]:
    """Locations of the files that make up a mask: itself, its planes, or every picture of the folder it means.

    Raises:
        DataError: The folder holds no picture.
    """
    planes = split_planes(location)
    if len(planes) > 1:
        return [file for plane in planes for file in mask_files(plane)]
    if not is_folder(location):
        return [location]
    place = parse_location(location)
    if place.archive is not None:
        files = _archive_folders(place.archive, _changed(place.archive)).get(place.path, [])
    else:
        source = Source.open(location)
        files = [found for name in source.files() if is_picture(found := source.location(name))]
    if not files:
        raise DataError(
            "a folder of masks holds at least one",
            f"'{location}' holds none",
            "Add the masks, or leave the sample out.",
        )
    return files


def read_stored(location: str) -> StoredMask:
    """Read a mask as stored; of a folder of masks the largest value in each pixel, which is their union.

    Planes are stacked, `height width planes` of bool.

    Raises:
        DataError: A file cannot be read, masks that belong together differ in shape, or a plane holds
            more than two values.
    """
    planes = split_planes(location)
    if len(planes) > 1:
        return StoredMask(_stack(planes), None)
    files = mask_files(location)
    union = read_mask(files[0])
    for file in files[1:]:
        other = read_mask(file)
        _refuse_other_shape(file, other.array, files[0], union.array)
        union = StoredMask(np.maximum(union.array, other.array), union.palette)
    return union


def _stack(locations: Sequence[str]) -> Bool[np.ndarray, "height width planes"]:
    planes = [_plane(location) for location in locations]
    for location, plane in zip(locations, planes, strict=True):
        _refuse_other_shape(location, plane, locations[0], planes[0])
    return np.stack(planes, axis=2)


def _plane(location: str) -> Bool[np.ndarray, "height width"]:
    """Where a binary mask is not 0."""
    array = read_stored(location).array
    array = array if array.ndim == 2 else array.max(axis=2)
    marked: Bool[np.ndarray, "height width"] = array != 0
    if not np.array_equal(array, marked * array.max()):
        raise DataError(
            "two values, 0 and another, in a mask that is one plane of several",
            f"'{location}' holds {len(np.unique(array))}",
            "Save it as a binary PNG; JPEG blurs masks.",
        )
    return marked


def _refuse_other_shape(location: str, array: np.ndarray, first: str, expected: np.ndarray) -> None:
    if array.shape != expected.shape:
        raise DataError(
            "masks of one picture are of one size",
            f"'{location}' is {_shape(array)}, '{PurePosixPath(first).name}' is {_shape(expected)}",
            "Correct the mask, or leave the sample out.",
        )


@functools.lru_cache(maxsize=1)
def _archive_folders(archive: str, changed: float) -> dict[str, list[str]]:
    """Locations of the pictures by the folder of the archive that holds them, listed once for all samples."""
    del changed  # part of the key: an archive that was written again is listed again
    source = Source.open(archive)
    folders = defaultdict(list)
    for name in source.files():
        if is_picture(source.location(name)):
            folders[name.rpartition("/")[0] + "/"].append(source.location(name))
    return folders


def _changed(archive: str) -> float:
    try:
        return Path(archive).stat().st_mtime
    except OSError:
        return 0.0


def _shape(array: np.ndarray) -> str:
    return "×".join(str(length) for length in array.shape)
