"""labelme: a JSON beside each picture.

Layer: data. Facts: labelme's own files, versions 3 to 6. A circle is its middle and a point on it, a
rectangle two corners, a mask two corners, both of which belong to it, and a picture in base 64. Shapes
of one label and one `group_id` are one object.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated as Checked
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat

from limner.data.annotations.documents import to_ring, validate
from limner.data.annotations.geometry import ellipse, rectangle
from limner.data.annotations.rasterise import encode_runs
from limner.data.annotations.shapes import Annotated, Reading, Ring, Rings, Runs, Shape
from limner.errors import DataError
from limner.images import decode_mask

TITLE = "a labelme file: shapes, imagePath"

_Side = Checked[int, Field(ge=1, le=1_000_000)]
_Point = tuple[FiniteFloat, FiniteFloat]


class _Mark(BaseModel):
    label: str
    points: list[_Point]
    shape_type: str | None = "polygon"
    mask: str | None = None
    group: int | str | None = Field(None, alias="group_id")


class _File(BaseModel):
    shapes: list[_Mark]
    picture: str | None = Field(alias="imagePath")
    data: str | None = Field(None, alias="imageData")
    height: _Side | None = Field(None, alias="imageHeight")
    width: _Side | None = Field(None, alias="imageWidth")


def fits(document: Any) -> bool:
    """Whether a document is of this format."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def read(document: Any, where: str) -> Reading:
    """Read the annotation of one picture.

    Raises:
        DataError: It breaks the format, or a mask in it is damaged.
    """
    file = validate(_File, document, where, TITLE)
    shapes = [
        replace(_shape(mark, f"{where}, shape {number}"), group="" if mark.group is None else str(mark.group))
        for number, mark in enumerate(file.shapes, start=1)
    ]
    size = None if file.height is None or file.width is None else (file.height, file.width)
    stem = PurePosixPath(where).stem
    # Written on Windows, the path to the picture has other separators.
    picture = (file.picture or "").replace("\\", "/") or stem
    return Reading((Annotated(picture, tuple(shapes), size, stem=stem, embedded=bool(file.data)),))


def embedded_picture(document: Any, where: str) -> bytes:
    """The file of the picture that an annotation holds.

    Raises:
        DataError: It is damaged.
    """
    return _decoded(validate(_File, document, where, TITLE).data or "", where)


def _shape(mark: _Mark, where: str) -> Shape:
    kind, points = mark.shape_type or "polygon", mark.points
    if kind == "mask" or mark.mask:
        return Shape(mark.label, (_mask(mark, where),), where)
    ring = to_ring(np.array(points, np.float64).reshape(-1, 2), where)
    if kind in ("point", "points"):
        return Shape(mark.label, (), where, doubt="no-outline")
    if kind in ("rectangle", "circle"):
        if len(points) != 2:
            raise DataError(f"two points of the {kind} at {where}", f"{len(points)}", "Draw it again, or remove it.")
        return Shape(mark.label, (Rings((_simple(kind, points),)),), where, doubt="box" if kind == "rectangle" else "")
    closed = kind in ("polygon", "oriented_rectangle") or (len(points) > 3 and points[0] == points[-1])
    if kind in ("polygon", "oriented_rectangle", "line", "linestrip"):
        if not closed or len(ring) < 3:
            return Shape(mark.label, (), f"{where} ({kind} of {len(points)} points)", doubt="unclosed")
        return Shape(mark.label, (Rings((ring,)),), where)
    raise DataError(
        f"polygon, rectangle, circle, line, linestrip, point or mask at {where}",
        f"the shape_type '{kind[:40]}'",
        "Draw it as a polygon, or remove it.",
    )


def _simple(kind: str, points: list[_Point]) -> Ring:
    (x, y), (other_x, other_y) = points
    if kind == "rectangle":
        return rectangle(min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y))
    radius = math.hypot(other_x - x, other_y - y)
    return ellipse(x, y, radius, radius)


def _mask(mark: _Mark, where: str) -> Runs:
    if len(mark.points) != 2 or not mark.mask:
        raise DataError(
            f"a mask and its two corners at {where}", f"{len(mark.points)} points", "Draw it again, or remove it."
        )
    array = decode_mask(_decoded(mark.mask, where), where)
    array = array if array.ndim == 2 else array.max(axis=2)
    (left, top), (right, bottom) = mark.points
    size = (round(bottom) - round(top) + 1, round(right) - round(left) + 1)
    if array.shape != size:
        raise DataError(
            f"a mask of {size[0]}×{size[1]} pixels, as its corners say, at {where}",
            f"{array.shape[0]}×{array.shape[1]}",
            "Draw it again, or remove it.",
        )
    return encode_runs(array != 0, (round(top), round(left)))


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError) as error:
        raise DataError(
            f"a picture in base 64 at {where}", str(error)[:100], "Save the annotation again with labelme."
        ) from None
