"""Masks as stored: one file, or a folder of files that are one mask together.

Layer: data. Imports no torch.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np

from limner.errors import DataError
from limner.images import IMAGE_SUFFIXES, Source, StoredMask, parse_location, read_mask


def is_folder(location: str) -> bool:
    """Whether a location means every picture of a folder together.

    Example:
        >>> is_folder("/data/masks/"), is_folder("zip://a/masks/::/data.zip"), is_folder("/data/a.png")
        (True, True, False)
    """
    return parse_location(location).path.endswith("/")


def mask_files(location: str) -> list[str]:
    """Locations of the files that make up a mask: itself, or every picture of the folder it means.

    Raises:
        DataError: The folder holds no picture.
    """
    if not is_folder(location):
        return [location]
    place = parse_location(location)
    if place.archive is not None:
        files = _archive_folders(place.archive, _changed(place.archive)).get(place.path, [])
    else:
        source = Source.open(location)
        files = [source.location(name) for name in source.files() if _is_picture(name)]
    if not files:
        raise DataError(
            "a folder of masks holds at least one",
            f"'{location}' holds none",
            "Add the masks, or leave the sample out.",
        )
    return files


def read_stored(location: str) -> StoredMask:
    """Read a mask as stored; of a folder of masks the largest value in each pixel, which is their union.

    Raises:
        DataError: A file cannot be read, or the masks of a folder differ in shape.
    """
    files = mask_files(location)
    union = read_mask(files[0])
    for file in files[1:]:
        other = read_mask(file)
        if other.array.shape != union.array.shape:
            raise DataError(
                "masks of one picture are of one size",
                f"'{file}' is {_shape(other)}, '{PurePosixPath(files[0]).name}' is {_shape(union)}",
                "Correct the mask, or leave the sample out.",
            )
        union = StoredMask(np.maximum(union.array, other.array), union.palette)
    return union


@functools.lru_cache(maxsize=1)
def _archive_folders(archive: str, changed: float) -> dict[str, list[str]]:
    """Locations of the pictures by the folder of the archive that holds them, listed once for all samples."""
    del changed  # part of the key: an archive that was written again is listed again
    source = Source.open(archive)
    folders = defaultdict(list)
    for name in source.files():
        if _is_picture(name):
            folders[name.rpartition("/")[0] + "/"].append(source.location(name))
    return folders


def _changed(archive: str) -> float:
    try:
        return Path(archive).stat().st_mtime
    except OSError:
        return 0.0


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _shape(stored: StoredMask) -> str:
    return "×".join(str(length) for length in stored.array.shape)
