"""The formats of annotations, and which one files are of: told by what they hold.

Layer: data, above the readers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from limner.data.annotations import coco, cvat, geojson, imagej, label_studio, labelme
from limner.data.annotations.documents import read_document
from limner.data.annotations.doubts import Doubt
from limner.data.annotations.shapes import Reading
from limner.data.layouts.folders import read_folder, read_part
from limner.data.layouts.listing import folder_of
from limner.errors import ConfigError, DataError, did_you_mean, shorten
from limner.types import Progress

_LOOKED_AT = 8


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        fits: Whether a document (see `read_document`) is of it.
        read: Reads a document; the second argument is the file's name.
        title: What it is, in words.
        many: One file is for many pictures, so that its name may say a split.
    """

    fits: Callable[[Any], bool]
    read: Callable[[Any, str], Reading]
    title: str
    many: bool = False


FORMATS: dict[str, Format] = {
    "coco": Format(coco.fits, coco.read, coco.TITLE, many=True),
    "labelme": Format(labelme.fits, labelme.read, labelme.TITLE),
    "cvat": Format(cvat.fits, cvat.read, cvat.TITLE, many=True),
    "labelstudio": Format(label_studio.fits, label_studio.read, label_studio.TITLE, many=True),
    "geojson": Format(geojson.fits, geojson.read, geojson.TITLE),
    "imagej": Format(imagej.fits, imagej.read, imagej.TITLE),
}
"""Name → format."""


@dataclass(frozen=True)
class File:
    """A file that may hold annotations.

    Attributes:
        name: Relative, with `/`.
        location: Where it lies.
    """

    name: str
    location: str


def check_format(name: str) -> None:
    """Refuse a format that there is not.

    Raises:
        ConfigError: Names the nearest one.
    """
    if name not in FORMATS:
        raise ConfigError(
            f"a format: {', '.join(FORMATS)}",
            f"'{name}'",
            f"{did_you_mean(name, FORMATS)}Correct it, or leave it out to have it found.",
        )


def find_format(files: Sequence[File], *, strict: bool = False) -> str | None:
    """The format of the first of a few files that is of any; None if none is.

    Args:
        files: Candidates.
        strict: Do not pass over files that cannot be read.

    Raises:
        DataError: A file cannot be read, if `strict`.
    """
    for file in files[:_LOOKED_AT]:
        try:
            name = _recognise(read_document(file.location))
        except DataError:
            if strict:
                raise
            continue
        if name is not None:
            return name
    return None


def read_files(
    files: Sequence[File], wanted: str | None, progress: Progress
) -> tuple[str, list[tuple[File, Reading]], list[Doubt]]:
    """Read all files of one format.

    Args:
        files: Candidates.
        wanted: The format; None to have it found.
        progress: Told of the files that are read.

    Returns:
        The format, what each file says, and doubts about those of another kind.

    Raises:
        DataError: A file is damaged, none is of a known format, or they are of several.
    """
    readings: list[tuple[File, Reading]] = []
    doubts: list[Doubt] = []
    names: dict[str, str] = {}
    for number, file in enumerate(files, start=1):
        document = read_document(file.location)
        name = _recognise(document) if wanted is None else wanted if FORMATS[wanted].fits(document) else None
        if name is None:
            doubts.append(Doubt("other-file", where=file.name))
        else:
            names.setdefault(name, file.name)
            readings.append((file, FORMATS[name].read(document, file.name)))
        progress("annotations", number, len(files))
    if not readings:
        raise _nothing(files, wanted)
    if len(names) > 1:
        raise DataError(
            "annotations of one format",
            "several: " + ", ".join(f"{name} ('{file}')" for name, file in names.items()),
            "Name the file or folder to take, or the format (`--format`; in training, `data.layout`).",
        )
    name = next(iter(names))
    return name, _with_splits(readings, by_name=FORMATS[name].many), doubts


def _recognise(document: Any) -> str | None:
    return next((name for name, one in FORMATS.items() if one.fits(document)), None)


def _nothing(files: Sequence[File], wanted: str | None) -> DataError:
    titles = [FORMATS[wanted].title] if wanted else [f"{name}: {one.title}" for name, one in FORMATS.items()]
    looked = "none of " + ", ".join(shorten([f"'{file.name}'" for file in files], 4)) if files else "no such file"
    return DataError(
        f"annotations in the format {wanted}" if wanted else "annotations in a known format",
        looked,
        "Give the file or folder that the program exported, or another --format.",
        details=titles,
    )


def _with_splits(readings: list[tuple[File, Reading]], *, by_name: bool) -> list[tuple[File, Reading]]:
    """Splits by the names of folders, and of files if each is for many pictures, where these tell several."""
    splits = [split_of(file.name) if by_name else read_folder(folder_of(file.name)).split for file, _ in readings]
    if len({*splits} - {""}) < 2:
        return readings
    return [(file, _split(reading, split)) for (file, reading), split in zip(readings, splits, strict=True)]


def split_of(name: str) -> str:
    """The split that the name of a file or its folder says; empty if none.

    Example:
        >>> split_of("annotations/instances_val2017.json"), split_of("train/_annotations.coco.json"), split_of("a.json")
        ('val', 'train', '')
    """
    return read_part(PurePosixPath(name).stem).split or read_folder(folder_of(name)).split


def _split(reading: Reading, split: str) -> Reading:
    return replace(reading, pictures=tuple(replace(one, split=one.split or split) for one in reading.pictures))
