"""Which picture each annotation is of: found, missing, doubtful, or there already.

Layer: data, above `places`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from limner.data.annotations.doubts import Doubt
from limner.data.annotations.formats import File
from limner.data.annotations.places import Pictures, Place
from limner.data.annotations.shapes import Annotated, Reading
from limner.data.layouts.found import choose_ids
from limner.errors import DataError, shorten
from limner.images import without_suffix


@dataclass(frozen=True)
class Job:
    """A picture and its annotation.

    Attributes:
        id: Unique name, for files of results.
        annotated: What was marked on it.
        file: The file that says so.
        name: Name of the picture, relative; where only the annotation holds it, that of its file.
        location: Where the picture lies; empty where only the annotation holds it.
    """

    id: str
    annotated: Annotated
    file: File
    name: str
    location: str


def assign_pictures(readings: Sequence[tuple[File, Reading]], place: Place) -> tuple[list[Job], list[Doubt]]:
    """Find the picture of every annotation.

    Returns:
        A job for each picture that has an annotation, and doubts about all others.

    Raises:
        DataError: No annotation has a picture.
    """
    pictures = Pictures(list(place.pictures))
    jobs: dict[str, Job] = {}
    doubts = [Doubt(kind, where=where) for _, reading in readings for kind, where in reading.lost]
    for file, reading in readings:
        for annotated in reading.pictures:
            name, doubt = _find(annotated, file, pictures)
            if doubt is not None:
                doubts.append(doubt)
            if name in jobs:
                first = jobs[name].file.name
                doubts.append(Doubt("repeated-picture", name, f"{file.name}; the first is in {first}"))
            elif name:
                jobs[name] = Job("", annotated, file, name, place.pictures.get(name, ""))
    if not jobs:
        raise _no_pictures(readings, doubts, place)
    doubts += [Doubt("unannotated", name) for name in place.pictures if name not in jobs]
    return _with_ids(list(jobs.values())), doubts


def _find(annotated: Annotated, file: File, pictures: Pictures) -> tuple[str, Doubt | None]:
    """Name of the picture, empty if there is none, and a doubt about it."""
    found, renamed = pictures.find(annotated, file.name)
    where = f"{file.name}: '{annotated.picture}'"
    if len(found) > 1:
        return "", Doubt("ambiguous-picture", annotated.picture, where, text=", ".join(shorten(found, 4)))
    if not found and annotated.embedded:
        return file.name, Doubt("embedded", file.name, where)
    if not found:
        return "", Doubt("missing-picture", annotated.picture, where)
    return found[0], Doubt("renamed", found[0], where) if renamed else None


def _with_ids(jobs: list[Job]) -> list[Job]:
    ids = choose_ids(
        len(jobs),
        lambda index: PurePosixPath(without_suffix(jobs[index].name)).name,
        lambda index: without_suffix(jobs[index].name),
        lambda index: jobs[index].name,
    )
    return [replace(job, id=name) for job, name in zip(jobs, ids, strict=True)]


def _no_pictures(readings: Sequence[tuple[File, Reading]], doubts: Sequence[Doubt], place: Place) -> DataError:
    names = [annotated.picture for _, reading in readings for annotated in reading.pictures]
    if not names:
        return DataError(
            "annotations of at least one picture",
            f"'{place.text}' names none",
            "Export tasks that are annotated.",
            details=shorten([doubt.where for doubt in doubts], 4),
        )
    return DataError(
        f"the pictures that the annotations name, such as '{names[0]}'",
        f"none of {len(names):,} among {len(place.pictures):,} pictures",
        "Name the folder or zip of the pictures: `--images FOLDER` "
        "(in training, `data.layout_options={images: FOLDER}`).",
        details=shorten([f"{doubt.where}: {doubt.kind}" for doubt in doubts if doubt.lost], 4),
    )
