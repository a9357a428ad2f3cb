"""COCO: one JSON of images, categories and annotations.

Layer: data. Facts: cocodataset.org, "Data format". The polygons of an annotation are taken together,
without holes; a mask with holes is run lengths, which count down the columns and begin with background,
as numbers or packed into text of six bits a letter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Annotated as Checked
from typing import Any

import numpy as np
from jaxtyping import Int64
from pydantic import BaseModel, Field, FiniteFloat, StringConstraints

from limner.data.annotations.documents import to_ring, validate
from limner.data.annotations.shapes import Annotated, Declared, Reading, Rings, Runs, Shape
from limner.errors import DataError
from limner.types import Color, Size

TITLE = "COCO annotations: images, categories and annotations"

_Id = int | Checked[str, StringConstraints(max_length=200)]
_Side = Checked[int, Field(ge=1, le=1_000_000)]
_COLOR = re.compile(r"#?([0-9a-fA-F]{6})")


class _Image(BaseModel):
    id: _Id
    file_name: str
    height: _Side | None = None
    width: _Side | None = None

    @property
    def size(self) -> Size | None:
        return None if self.height is None or self.width is None else (self.height, self.width)


class _Category(BaseModel):
    id: _Id
    name: str
    color: Any = None


class _Lengths(BaseModel):
    size: tuple[_Side, _Side]
    counts: str | list[Checked[int, Field(ge=0, le=2**40)]]


class _Annotation(BaseModel):
    id: _Id | None = None
    image_id: _Id
    category_id: _Id | None = None
    segmentation: _Lengths | list[list[FiniteFloat]] | None = None
    iscrowd: int | None = 0


def fits(document: Any) -> bool:
    """Whether a document is of this format."""
    return isinstance(document, dict) and all(
        isinstance(document.get(key), list) for key in ("images", "annotations", "categories")
    )


def read(document: Any, where: str) -> Reading:
    """Read a document.

    Raises:
        DataError: It breaks the format, has one id for two images or categories, or is of panoptic segments.
    """
    _refuse_panoptic(document, where)
    images = _by_id(validate(list[_Image], document["images"], where, TITLE), "image", where)
    categories = _by_id(validate(list[_Category], document["categories"], where, TITLE), "category", where)
    shapes: defaultdict[_Id, list[Shape]] = defaultdict(list)
    lost = []
    for number, entry in enumerate(document["annotations"]):
        annotation = validate(_Annotation, entry, f"{where}, annotation {number + 1}", TITLE)
        name = f"{where}, annotation {number + 1 if annotation.id is None else annotation.id}"
        image = images.get(annotation.image_id)
        if image is None:
            lost.append(("missing-picture", f"{name}: no image has the id {annotation.image_id}"))
            continue
        category = None if annotation.category_id is None else categories.get(annotation.category_id)
        shapes[image.id].append(_shape(annotation, category, image, name))
    pictures = [Annotated(image.file_name, tuple(shapes[key]), image.size) for key, image in images.items()]
    declared = [Declared(category.name, _color(category.color)) for category in categories.values()]
    return Reading(tuple(pictures), tuple(declared), lost=tuple(lost))


def decode_counts(text: str, where: str) -> Int64[np.ndarray, " runs"]:
    """Run lengths packed into text, as `pycocotools` packs them.

    Each number is a row of letters of five bits, the lowest first; the sixth bit says that another
    follows. From the fourth number on it is the difference to the number before the last one.

    Example:
        >>> decode_counts("52203", "here").tolist()
        [5, 2, 2, 2, 5]

    Raises:
        DataError: It is no such text.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64 or shift > 40:
            raise _broken(where, f"the letter {letter!r}")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift or any(not 0 <= length <= 2**40 for length in lengths):
        raise _broken(where, "an end amid a number" if shift else "a length that is none")
    return np.array(lengths, np.int64)


def _broken(where: str, found: str) -> DataError:
    return DataError(
        f"run lengths as COCO packs them, at {where}", found, "Export the annotations again, or remove the entry."
    )


def _refuse_panoptic(document: Any, where: str) -> None:
    if any(isinstance(entry, dict) and "segments_info" in entry for entry in document["annotations"][:1]):
        raise DataError(
            "COCO annotations of objects, each with its outline or run lengths",
            f"'{where}' has those of panoptic segments, which lie in pictures of their own",
            "Train on these pictures as masks, or give the file of instances.",
        )


def _by_id(entries: list[Any], kind: str, where: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for entry in entries:
        other = found.setdefault(entry.id, entry)
        if other != entry:
            names = [getattr(one, "file_name", None) or getattr(one, "name", "") for one in (other, entry)]
            raise DataError(
                f"an id of its own for each {kind} in '{where}'",
                f"id {entry.id} for '{names[0]}' and for '{names[1]}'",
                "Number them anew: annotations of this id could belong to either.",
            )
    return found


def _shape(annotation: _Annotation, category: _Category | None, image: _Image, where: str) -> Shape:
    label = "" if category is None else category.name
    if category is None and annotation.category_id is not None:
        return Shape("", (), f"{where} of category {annotation.category_id}", doubt="unknown-label")
    segmentation = annotation.segmentation
    if not segmentation:
        return Shape(label, (), where, doubt="no-outline")
    doubt = "crowd" if annotation.iscrowd else ""
    if isinstance(segmentation, _Lengths):
        if image.size is not None and segmentation.size != image.size:
            return Shape(label, (), where, doubt="other-size")
        return Shape(label, (_runs(segmentation, where),), where, doubt=doubt)
    parts = []
    for numbers in segmentation:
        if len(numbers) % 2:
            raise DataError(
                f"x and y by turns at {where}", f"{len(numbers)} numbers", "Correct the polygon, or remove it."
            )
        ring = to_ring(np.array(numbers).reshape(-1, 2), where)
        if len(ring) >= 3:
            parts.append(Rings((ring,)))
        else:
            doubt = "unclosed"
    return Shape(label, tuple(parts), where, doubt=doubt)


def _runs(lengths: _Lengths, where: str) -> Runs:
    counts = lengths.counts
    numbers = decode_counts(counts, where) if isinstance(counts, str) else np.array(counts, np.int64)
    pixels = lengths.size[0] * lengths.size[1]
    if int(numbers.sum()) != pixels:
        raise _broken(where, f"{int(numbers.sum()):,} pixels in runs, {pixels:,} in the picture")
    return Runs(numbers, lengths.size, downwards=True)


def _color(value: Any) -> Color | None:
    if isinstance(value, str) and (match := _COLOR.fullmatch(value)):
        return _triple(list(bytes.fromhex(match[1])))
    return _triple(value)


def _triple(value: Any) -> Color | None:
    whole = isinstance(value, list) and len(value) == 3 and all(isinstance(part, int) for part in value)
    return (value[0], value[1], value[2]) if whole and all(0 <= part <= 255 for part in value) else None
