"""One picture: its shapes drawn, doubted, and laid one over another.

Layer: data, above `overlaps`. Nothing is written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from limner.data.annotations.assign import Job
from limner.data.annotations.classes import Classes
from limner.data.annotations.doubts import Doubt
from limner.data.annotations.geometry import crosses_itself
from limner.data.annotations.overlaps import Mark, Overlap, Painted, Policy, paint, planes
from limner.data.annotations.rasterise import Drawn, draw
from limner.data.annotations.shapes import Rings, Runs, Shape
from limner.errors import DataError
from limner.images import read_info
from limner.types import IGNORE, Size

# Run lengths of a mask this many times its picture are no mask of it.
_MOST_TIMES = 4


@dataclass(frozen=True)
class Row:
    """What became of one shape.

    Attributes:
        shape: Where it stands.
        label: Its class.
        drawn: It is part of the mask.
        pixels: Of the shape within the picture.
        doubts: Kinds.
    """

    shape: str
    label: str
    drawn: bool
    pixels: int
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """What one annotation came to.

    Attributes:
        marks: Shapes with pixels.
        shapes: The shape of each mark.
        painted: The marks laid one over another.
        rows: What became of every shape.
        doubts: About shapes and the whole.
        serious: Overlaps of classes, above and below, that are no seams and that no file settles, with pixels.
        planes: 0 and 255 per class, where classes may overlap.
    """

    marks: tuple[Mark, ...]
    shapes: tuple[Shape, ...]
    painted: Painted
    rows: tuple[Row, ...]
    doubts: tuple[Doubt, ...]
    serious: Counter[tuple[str, str]]
    planes: UInt8[np.ndarray, "classes height width"] | None = None

    def areas(self) -> dict[int, int]:
        """Pixels of each class id that has some, in the mask."""
        if self.planes is not None:
            counts = enumerate(np.count_nonzero(self.planes, axis=(1, 2)).tolist(), start=1)
        else:
            counts = enumerate(np.bincount(self.painted.ids.ravel()).tolist())
        return {class_id: count for class_id, count in counts if count}


def look_at_size(job: Job, location: str) -> Size | Doubt:
    """Size of the picture; a doubt where it cannot be used."""
    where = job.file.name
    try:
        info = read_info(location)
    except DataError as error:
        return Doubt("unreadable", job.name, where, text=error.found)
    if info.pages > 1:
        return Doubt(
            "unreadable", job.name, where, text=f"it has {info.pages:,} pages, of which the annotation names none"
        )
    stated = job.annotated.size
    if stated is not None and stated != info.size:
        text = f"annotated at {stated[0]}×{stated[1]}, the picture is {info.size[0]}×{info.size[1]}"
        return Doubt("other-size", job.name, where, text=text)
    return info.size


def draw_picture(job: Job, size: Size, classes: Classes, policy: Policy) -> Picture:
    """Draw all shapes of a picture."""
    marks, shapes, rows, doubts = [], [], [], []
    for shape in job.annotated.shapes:
        class_id, drawn, found = _draw_shape(shape, size, classes, job.name)
        label = classes.names[0] if classes.unnamed and not shape.label else shape.label.strip()
        doubts += [replace(doubt, label=label) for doubt in found]
        kinds = tuple(doubt.kind for doubt in found)
        if drawn is None or class_id is None:
            rows.append(Row(shape.where, label, False, 0, kinds))
            continue
        marks.append(Mark(class_id, drawn, shape.order))
        shapes.append(shape)
        rows.append(Row(shape.where, label, True, int(drawn.mask.sum()), kinds))
    if not job.annotated.shapes:
        doubts.append(Doubt("no-shapes", job.name, job.file.name))
    painted = paint(marks, size, policy)
    serious, every = _overlaps(painted.overlaps, marks, shapes, classes)
    doubts += [
        Doubt("overlap", job.name, job.file.name, pixels=pixels, label=f"{above} over {below}")
        for (above, below), pixels in every.items()
    ]
    if policy != "multilabel":
        doubts += _hidden(marks, shapes, painted, job.name)
    separate = policy == "multilabel" and len(classes.names) > 1
    found_planes = planes(marks, len(classes.names), size) if separate else None
    return Picture(tuple(marks), tuple(shapes), painted, tuple(rows), tuple(doubts), serious, found_planes)


def _draw_shape(
    shape: Shape, size: Size, classes: Classes, picture: str
) -> tuple[int | None, Drawn | None, list[Doubt]]:
    """Class id and pixels of a shape, None where it is left out, and what is doubtful."""
    doubts = [Doubt(shape.doubt, picture, shape.where)] if shape.doubt else []
    if not shape.parts:
        return None, None, doubts or [Doubt("unclosed", picture, shape.where)]
    class_id = classes.number(shape.label)
    if class_id is None:
        return None, None, [*doubts, Doubt("unknown-label" if shape.label else "no-label", picture, shape.where)]
    masks = [part.size for part in shape.parts if isinstance(part, Runs)]
    if any(height * width > _MOST_TIMES * size[0] * size[1] for height, width in masks):
        return None, None, [*doubts, Doubt("other-size", picture, shape.where)]
    drawn = draw(shape, size)
    if not drawn.mask.any():
        kind = "outside" if drawn.beyond else "empty-shape"
        return None, None, [*doubts, Doubt(kind, picture, shape.where)]
    if drawn.beyond:
        many = "more than could be counted" if drawn.beyond < 0 else ""
        doubts.append(Doubt("clipped", picture, shape.where, pixels=max(drawn.beyond, 0), text=many))
    if any(crosses_itself(ring) for part in shape.parts if isinstance(part, Rings) for ring in part.rings):
        doubts.append(Doubt("self-crossing", picture, shape.where))
    return class_id, drawn, doubts


def _overlaps(
    overlaps: Sequence[Overlap], marks: Sequence[Mark], shapes: Sequence[Shape], classes: Classes
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    serious: Counter[tuple[str, str]] = Counter()
    every: Counter[tuple[str, str]] = Counter()
    for overlap in overlaps:
        ids = (marks[overlap.above].class_id, marks[overlap.below].class_id)
        names = [
            _name(class_id, shapes[place], classes)
            for class_id, place in zip(ids, (overlap.above, overlap.below), strict=True)
        ]
        pair = (names[0], names[1])
        every[pair] += overlap.pixels
        # Whoever draws background or "ignore" over something means to.
        if not (overlap.seam or overlap.stated or set(ids) & {0, IGNORE}):
            serious[pair] += overlap.pixels
    return serious, every


def _name(class_id: int, shape: Shape, classes: Classes) -> str:
    return shape.label if class_id in (0, IGNORE) else classes.names[class_id - 1]


def _hidden(marks: Sequence[Mark], shapes: Sequence[Shape], painted: Painted, picture: str) -> list[Doubt]:
    """Shapes of which no pixel kept their class."""
    return [
        Doubt("hidden", picture, shape.where, shape.label.strip(), int(mark.drawn.mask.sum()))
        for mark, shape in zip(marks, shapes, strict=True)
        if not (painted.ids[mark.drawn.place][mark.drawn.mask] == np.uint8(mark.class_id)).any()
    ]
