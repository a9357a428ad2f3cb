"""Writes the folder of a conversion, and says what is in it.

Layer: data, above `drawing`. `data.layouts.converted` reads it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from limner.data.annotations.assign import Job
from limner.data.annotations.classes import Classes
from limner.data.annotations.doubts import KINDS, Doubt, count_doubts
from limner.data.annotations.drawing import Picture, Row
from limner.data.annotations.names import CONVERSION, SAMPLES, SHAPES, SIGNATURE
from limner.data.class_colors import BACKGROUND
from limner.data.stored_masks import join_planes
from limner.errors import DataError
from limner.files import write_bytes, write_text
from limner.images import picture_suffix, read_bytes, write_image, write_mask
from limner.types import Color, Task

_MOST_OBJECTS = 0xFFFF


@dataclass(frozen=True)
class ClassCount:
    """One class of a conversion.

    Attributes:
        name: Its name.
        color: Its colour in the masks.
        shapes: How many were drawn.
        pictures: With at least a pixel of it.
        pixels: In all masks.
    """

    name: str
    color: Color
    shapes: int
    pictures: int
    pixels: int


@dataclass(frozen=True)
class Converted:
    """What a conversion did.

    Attributes:
        folder: Where it is.
        kind: Format of the annotations.
        task: Of the masks.
        overlap: Policy.
        classes: Without the background.
        ignored: Masks hold pixels of value 255 that take no part.
        pictures: Number of masks.
        doubts: All of them.
    """

    folder: Path
    kind: str
    task: Task
    overlap: str
    classes: tuple[ClassCount, ...]
    ignored: bool
    pictures: int
    doubts: tuple[Doubt, ...]

    @property
    def lost(self) -> bool:
        """Whether something was left out."""
        return any(doubt.lost for doubt in self.doubts)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; doubts are counted, and the first few of each kind named."""
        doubts = {}
        for kind, count, pixels in count_doubts(self.doubts):
            examples = [describe(doubt) for doubt in self.doubts if doubt.kind == kind][:5]
            entry = {"count": count, "pixels": pixels, "left_out": KINDS[kind][0], "meaning": KINDS[kind][1]}
            doubts[kind] = {**entry, "examples": examples}
        return {
            "format": SIGNATURE,
            "version": 1,
            "annotations": self.kind,
            "task": self.task,
            "overlap": self.overlap,
            "pictures": self.pictures,
            "ignored": self.ignored,
            "classes": [{**vars(one), "color": list(one.color)} for one in self.classes],
            "doubts": doubts,
        }


@dataclass(frozen=True)
class Sample:
    """A picture with its mask.

    Attributes:
        job: Whose it is.
        image: Location of the picture, or its name in the folder.
        mask: Name of the mask in the folder, or several joined as planes.
        rows: What became of its shapes.
    """

    job: Job
    image: str
    mask: str
    rows: tuple[Row, ...]


def describe(doubt: Doubt) -> str:
    """A doubt in a line, without its kind."""
    parts = [doubt.picture, doubt.where, doubt.label, f"{doubt.pixels:,} pixels" if doubt.pixels else "", doubt.text]
    return ", ".join(dict.fromkeys(part for part in parts if part))


class Writer:
    """Writes into the folder of a conversion. Pictures may be written by several threads.

    Args:
        folder: New.
        classes: Of the masks.
        planes: There is a mask for each class, unless there is but one.
        instances: Also write the number of each object.
    """

    def __init__(self, folder: Path, classes: Classes, *, planes: bool, instances: bool) -> None:
        self._folder = folder
        self._classes = classes
        self._folders = _folder_names(classes.names) if planes and len(classes.names) > 1 else []
        self._instances = instances
        self._objects: dict[str, list[list[str]]] = {}

    def write_picture(self, job: Job, data: bytes) -> tuple[str, str]:
        """Write a picture that the annotation holds; gives its location, and its name in the folder."""
        name = f"images/{job.id}{picture_suffix(data, job.file.name)}"
        write_bytes(self._folder / name, data)
        return str(self._folder / name), name

    def copy_picture(self, job: Job) -> str:
        """Copy a picture, byte for byte; gives its name in the folder."""
        suffix = PurePosixPath(job.name).suffix
        name = f"images/{job.id.removesuffix(suffix)}{suffix}"
        write_bytes(self._folder / name, read_bytes(job.location))
        return name

    def write_mask(self, job: Job, picture: Picture) -> str:
        """Write the mask of a picture; gives what `samples.csv` says of it."""
        if self._instances:
            self._write_objects(job, picture)
        if picture.planes is None:
            name = f"masks/{job.id}.png"
            write_mask(self._folder / name, picture.painted.ids, [BACKGROUND, *self._classes.colors])
            return name
        names = [f"masks/{folder}/{job.id}.png" for folder in self._folders]
        for name, plane in zip(names, picture.planes, strict=True):
            write_image(self._folder / name, plane)
        return join_planes(names)

    def _write_objects(self, job: Job, picture: Picture) -> None:
        numbers: dict[tuple[object, ...], int] = {}
        of_mark = [0]
        for place, (mark, shape) in enumerate(zip(picture.marks, picture.shapes, strict=True)):
            key = (shape.label, shape.group) if shape.group else (place,)
            real = 0 < mark.class_id <= len(self._classes.names)
            of_mark.append(numbers.setdefault(key, len(numbers) + 1) if real else 0)
        if len(numbers) > _MOST_OBJECTS:
            raise DataError(
                f"at most {_MOST_OBJECTS:,} objects in a picture",
                f"{len(numbers):,} in '{job.name}'",
                "Leave --instances out.",
            )
        objects = np.array(of_mark, np.uint16)[picture.painted.top + 1]
        write_image(self._folder / "instances" / f"{job.id}.png", objects)
        pixels = np.bincount(objects.ravel(), minlength=len(numbers) + 1)
        names = {of_mark[place + 1]: mark.class_id for place, mark in enumerate(picture.marks)}
        self._objects[job.id] = [
            [job.id, str(number), self._classes.names[names[number] - 1], str(pixels[number])]
            for number in range(1, len(numbers) + 1)
        ]

    def finish(self, converted: Converted, samples: Sequence[Sample]) -> None:
        """Write the tables, once all pictures are there."""
        folder = self._folder
        splits = any(sample.job.annotated.split for sample in samples)
        rows = [[one.job.id, one.image, one.mask, *([one.job.annotated.split] if splits else [])] for one in samples]
        write_text(folder / SAMPLES, _table(["id", "image", "mask", *(["split"] if splits else [])], rows))
        write_text(folder / SHAPES, _table(_SHAPE_COLUMNS, _shape_rows(converted, samples)))
        if self._instances:
            lines = [line for sample in samples for line in self._objects.get(sample.job.id, [])]
            write_text(folder / "instances.csv", _table(["id", "object", "class", "pixels"], lines))
        content = {**converted.to_dict(), "folders": self._folders}
        write_text(folder / CONVERSION, json.dumps(content, indent=2, ensure_ascii=False))


_SHAPE_COLUMNS = ["picture", "shape", "class", "state", "pixels", "doubts"]


def _shape_rows(converted: Converted, samples: Sequence[Sample]) -> Iterable[list[str]]:
    """A row for each shape, then one for each doubt about something other than a shape."""
    named = set()
    for sample in samples:
        for row in sample.rows:
            named.add(row.shape)
            state = "drawn" if row.drawn else "left out"
            yield [sample.job.name, row.shape, row.label, state, str(row.pixels), "; ".join(row.doubts)]
    for doubt in converted.doubts:
        if doubt.where not in named or doubt.kind == "hidden":
            state = "left out" if doubt.lost else ""
            text = f"{doubt.kind}: {doubt.text}" if doubt.text else doubt.kind
            yield [doubt.picture, doubt.where, doubt.label, state, str(doubt.pixels), text]


def _folder_names(names: Sequence[str]) -> list[str]:
    """A name of a folder for each class; with its number where two would be alike."""
    plain = [re.sub(r"[^\w-]+", "_", name).strip("_")[:60] or "class" for name in names]
    if len({name.casefold() for name in plain}) == len(plain):
        return plain
    return [f"{number}_{name}" for number, name in enumerate(plain, start=1)]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()
