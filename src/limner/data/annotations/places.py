"""Where annotations and their pictures lie, and which picture an annotation means.

Layer: data. A picture is found by the path in the annotation, as far as that leads: annotations are made
on other machines, whose folders are not here. Where a name fits several pictures, none is chosen.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from limner.data.annotations.documents import SUFFIXES
from limner.data.annotations.formats import File, split_of
from limner.data.annotations.shapes import Annotated
from limner.data.layouts.listing import folder_of
from limner.errors import DataError
from limner.images import IMAGE_SUFFIXES, Source, without_suffix


@dataclass(frozen=True)
class Place:
    """Annotations and pictures.

    Attributes:
        files: Files that may hold annotations.
        pictures: Name of each picture, relative → location.
        text: The place of the annotations, for messages.
    """

    files: tuple[File, ...]
    pictures: dict[str, str]
    text: str


def open_place(annotations: str | Path, images: str | Path | None = None) -> Place:
    """List what lies at a place.

    Args:
        annotations: A file, a folder of files, or a zip of either.
        images: Folder or zip of the pictures, if they lie elsewhere. A relative path is looked for as it
            stands, then beside the annotations.

    Raises:
        DataError: It is missing, or holds no file that can be read.
    """
    path = Path(annotations).expanduser()
    single = path.is_file() and (path.suffix.lower() in SUFFIXES - {".zip"} or _is_outlines(path, broken=False))
    if not single and path.is_file() and path.suffix.lower() != ".zip":
        raise DataError(
            "annotations: .json, .geojson, .xml, .roi, or a folder or .zip of them",
            f"'{path}'",
            "Give the file that the program exported.",
        )
    source = None if single else Source.open(annotations)
    files: tuple[File, ...]
    if source is None:
        files = (File(path.name, str(path.absolute())),)
    else:
        files = tuple(File(name, source.location(name)) for name in source.files() if _may_be(source, name))
    home = path.absolute().parent if single else path
    other = Source.open(_found(home, images)) if images is not None else source or Source.open(home)
    names = [name for name in other.files() if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]
    return Place(files, {name: other.location(name) for name in names}, str(annotations))


def _found(home: Path, images: str | Path) -> str | Path:
    if "://" in str(images) or Path(images).expanduser().exists():
        return images
    beside = home / images if home.is_dir() else home.parent / images
    return beside if beside.exists() else images


def _may_be(source: Source, name: str) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".zip":
        return source.kind == "folder" and _is_outlines(Path(source.place) / name, broken=True)
    return suffix in SUFFIXES


def _is_outlines(path: Path, *, broken: bool) -> bool:
    """Whether a zip holds outlines of ImageJ, and neither pictures nor other annotations; `broken` if it is damaged."""
    if path.suffix.lower() != ".zip":
        return False
    try:
        suffixes = {PurePosixPath(name).suffix.lower() for name in Source.open(path).files()}
    except DataError:
        return broken
    return ".roi" in suffixes and not suffixes & (IMAGE_SUFFIXES | {".json", ".geojson", ".xml"})


class Pictures:
    """The pictures of a place, to be asked for by the names that annotations have."""

    def __init__(self, names: Sequence[str]) -> None:
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            last = name.rpartition("/")[2].casefold()
            self._by_name[last].append(name)
            self._by_stem[without_suffix(last)].append(name)

    def find(self, annotated: Annotated, file: str) -> tuple[list[str], bool]:
        """Pictures that fit an annotation equally well, and whether by its file's name alone."""
        wanted, folder = annotated.picture, folder_of(file)
        last = wanted.rpartition("/")[2].casefold()
        found = self._by_name.get(last) or (self._by_stem.get(last, []) if annotated.by_stem else [])
        renamed = not found and bool(annotated.stem)
        if renamed:
            last = annotated.stem.casefold()
            found = self._by_name.get(last) or self._by_stem.get(last, [])
        scores = [_score(name, wanted, folder, annotated.split or split_of(file)) for name in found]
        best = [name for name, score in zip(found, scores, strict=True) if score == max(scores)]
        return best, renamed


def _score(name: str, wanted: str, folder: str, split: str) -> tuple[bool, int, bool, bool, int]:
    """How well a picture of the right name fits otherwise: by path, capitals, split, and nearness."""
    parts, others = name.split("/"), posixpath.normpath(wanted).split("/")
    alike = next(
        (n for n, (one, other) in enumerate(zip(reversed(parts), reversed(others), strict=False)) if one != other),
        min(len(parts), len(others)),
    )
    exact = name == posixpath.normpath(posixpath.join(folder, wanted))
    near = posixpath.commonprefix([folder.split("/"), folder_of(name).split("/")])
    return exact, alike, bool(split) and split_of(name) == split, folder == folder_of(name), len(near)
