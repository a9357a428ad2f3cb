"""Tables of the objects of all pictures: their measures, and their outlines as COCO.

Layer: inference.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, UInt8

from limner.bundle import TargetSpec
from limner.data.annotations.outlines import ClassObjects, Outlined, objects_of, outlined
from limner.data.annotations.writing import coco_categories, coco_object
from limner.inference.object_sizes import measure_objects
from limner.inference.tables import Done, open_table

OBJECTS_NAME = "objects.csv"
COCO_NAME = "annotations.json"

_SIZES = (
    "area", "perimeter", "length", "width", "centroid_x", "centroid_y", "left", "top", "right", "bottom",
    "mean_probability",
)  # fmt: skip
_COLUMNS = ("picture", "target", "class", "object", "unit", *_SIZES, "touches_border")


def class_objects(mask: UInt8[np.ndarray, "height width *classes"], spec: TargetSpec) -> Iterator[ClassObjects]:
    """The objects of a predicted mask, class by class, numbered through."""
    return objects_of(_planes(mask, spec))


def outlines_of(
    mask: UInt8[np.ndarray, "height width *classes"], spec: TargetSpec, simplify: float
) -> Iterator[Outlined]:
    """The objects of a predicted mask with their outlines; numbers are those of `class_objects`."""
    for objects in class_objects(mask, spec):
        yield from outlined(objects, spec.names[objects.index], spec.colors[objects.index], simplify)


def _planes(
    mask: UInt8[np.ndarray, "height width *classes"], spec: TargetSpec
) -> Iterator[tuple[int, Bool[np.ndarray, "height width"]]]:
    if spec.task == "multilabel":
        yield from ((index, mask[..., index] == 1) for index in range(len(spec.names)))
    else:
        yield from ((index, mask == index) for index in range(1, len(spec.names)))


@dataclass(frozen=True)
class ObjectTable:
    """A line for each object: its place, its sizes, and how sure the model is of it.

    Attributes:
        path: The CSV.
        targets: What the model predicts; numbers have no objects.
    """

    path: Path
    targets: Mapping[str, TargetSpec]
    key: ClassVar[str] = "objects"

    def record(self, done: Done) -> str:
        """What the journal keeps of a picture: its lines."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        unit, spacing = ("px", (1.0, 1.0)) if done.spacing is None else ("mm", done.spacing)
        for target, spec in self.targets.items():
            if spec.task == "regression":
                continue
            for objects in class_objects(done.prediction.masks[target], spec):
                # Of two exclusive classes there is one plane, of the class that is no background.
                plane = done.prediction.probs[target][0 if spec.task == "binary" else objects.index]
                for sizes in measure_objects(objects, plane, spacing):
                    numbers = [f"{getattr(sizes, name):.6g}" for name in _SIZES]
                    start = [done.picture, target, spec.names[objects.index], sizes.number, unit]
                    writer.writerow([*start, *numbers, "yes" if sizes.touches_border else "no"])
        return stream.getvalue()

    def write(self, records: Sequence[Any]) -> None:
        """Write the table.

        Raises:
            OutputError: It cannot be written.
        """
        with open_table(self.path) as stream:
            stream.write(",".join(_COLUMNS) + "\n")
            stream.writelines(records)


@dataclass(frozen=True)
class CocoTable:
    """All outlines of one target in one file.

    Attributes:
        path: The JSON.
        target: Its name.
        spec: What it means.
        simplify: See `outlined`.
    """

    path: Path
    target: str
    spec: TargetSpec
    simplify: float = 0.0

    @property
    def key(self) -> str:
        """Where its part of a journal's line stands."""
        return f"coco {self.target}"

    def record(self, done: Done) -> dict[str, Any]:
        """What the journal keeps of a picture: its size and annotations, but for their ids."""
        mask = done.prediction.masks[self.target]
        size = (mask.shape[0], mask.shape[1])
        ids = {name: number for number, name, _ in self._categories()}
        objects = [coco_object(one, ids[one.label], size) for one in outlines_of(mask, self.spec, self.simplify)]
        return {"file_name": done.picture, "height": size[0], "width": size[1], "objects": objects}

    def write(self, records: Sequence[Any]) -> None:
        """Write the file, an entry a line and in two rounds, so that it is never in memory.

        Raises:
            OutputError: It cannot be written.
        """
        with open_table(self.path) as stream:
            categories = json.dumps(coco_categories(self._categories()))
            stream.write(f'{{"info": {{"description": "Limner"}},\n"categories": {categories},\n"images": [')
            images = (
                {"id": number, **{name: record[name] for name in ("file_name", "height", "width")}}
                for number, record in enumerate(records, start=1)
            )
            _write_entries(stream, images)
            stream.write('],\n"annotations": [')
            annotations = (
                {"image_id": number, **one}
                for number, record in enumerate(records, start=1)
                for one in record["objects"]
            )
            _write_entries(stream, ({"id": number, **one} for number, one in enumerate(annotations, start=1)))
            stream.write("]}\n")

    def _categories(self) -> list[tuple[int, str, tuple[int, int, int]]]:
        classes = list(zip(self.spec.names, self.spec.colors, strict=True))
        if self.spec.task != "multilabel":
            classes = classes[1:]
        return [(number, name, color) for number, (name, color) in enumerate(classes, start=1)]


def _write_entries(stream: Any, entries: Iterator[dict[str, Any]]) -> None:
    for number, entry in enumerate(entries):
        stream.write(",\n" if number else "\n")
        stream.write(json.dumps(entry))
