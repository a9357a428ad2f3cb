"""CVAT for images 1.1: one XML.

Layer: data. Facts: docs.cvat.ai, "XML annotation format". Run lengths of a mask count along the rows of
its own rectangle and begin with background; shapes of a higher `z_order` lie above others.
"""

from __future__ import annotations

import re
from typing import Annotated as Checked
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat

from limner.data.annotations.documents import Coordinate, to_ring, validate
from limner.data.annotations.geometry import ellipse, rectangle
from limner.data.annotations.shapes import Annotated, Declared, Reading, Rings, Runs, Shape
from limner.data.layouts.folders import SPLIT_WORDS
from limner.errors import DataError
from limner.types import Color, Size

TITLE = "CVAT for images 1.1: image elements with their shapes"

_Side = Checked[int, Field(ge=1, le=1_000_000)]
_Place = Checked[int, Field(ge=-1_000_000, le=1_000_000)]
_COLOR = re.compile(r"#([0-9a-fA-F]{6})")
_SHAPES = ("polygon", "box", "ellipse", "mask", "polyline", "points", "cuboid", "tag", "skeleton")


class _Image(BaseModel):
    name: str
    width: _Side
    height: _Side
    subset: str = ""


class _Mark(BaseModel):
    label: str = ""
    z_order: int = 0
    rotation: FiniteFloat = 0.0


class _Box(_Mark):
    xtl: Coordinate
    ytl: Coordinate
    xbr: Coordinate
    ybr: Coordinate


class _Ellipse(_Mark):
    cx: Coordinate
    cy: Coordinate
    rx: Checked[FiniteFloat, Field(ge=0, le=1e7)]
    ry: Checked[FiniteFloat, Field(ge=0, le=1e7)]


class _Mask(_Mark):
    rle: str
    left: _Place
    top: _Place
    width: _Side
    height: _Side


class _Line(_Mark):
    points: str


def fits(document: Any) -> bool:
    """Whether a document is of this format."""
    return isinstance(document, Element) and document.tag == "annotations"


def read(document: Any, where: str) -> Reading:
    """Read a document.

    Raises:
        DataError: It breaks the format, or holds the tracks of a video.
    """
    if document.find("track") is not None:
        raise DataError(
            "CVAT for images 1.1", f"'{where}' is of video: it has tracks", "Export it as 'CVAT for images 1.1'."
        )
    pictures = []
    for number, element in enumerate(document.findall("image"), start=1):
        image = validate(_Image, element.attrib, f"{where}, image {number}", TITLE)
        size = (image.height, image.width)
        shapes = [
            _shape(mark, size, f"{where}, image '{image.name}', {mark.tag} {place}")
            for place, mark in enumerate((mark for mark in element if mark.tag in _SHAPES), start=1)
        ]
        split = SPLIT_WORDS.get(image.subset.lower(), "")
        pictures.append(Annotated(image.name.replace("\\", "/"), tuple(shapes), size, split))
    declared = [_declared(label) for label in document.findall("./meta/*/labels/label")]
    return Reading(tuple(pictures), tuple(one for one in declared if one.name))


def _declared(label: Element) -> Declared:
    match = _COLOR.fullmatch((label.findtext("color") or "").strip())
    color: Color | None = None
    if match:
        red, green, blue = bytes.fromhex(match[1])
        color = (red, green, blue)
    return Declared((label.findtext("name") or "").strip(), color)


def _shape(element: Element, size: Size, where: str) -> Shape:
    mark = validate(_KIND.get(element.tag, _Mark), element.attrib, where, TITLE)
    if isinstance(mark, _Box):
        ring = to_ring(rectangle(mark.xtl, mark.ytl, mark.xbr, mark.ybr, degrees=mark.rotation), where)
        return Shape(mark.label, (Rings((ring,)),), where, mark.z_order, "box")
    if isinstance(mark, _Ellipse):
        ring = to_ring(ellipse(mark.cx, mark.cy, mark.rx, mark.ry, degrees=mark.rotation), where)
        return Shape(mark.label, (Rings((ring,)),), where, mark.z_order)
    if isinstance(mark, _Mask):
        return Shape(mark.label, (_runs(mark, size, where),), where, mark.z_order)
    if isinstance(mark, _Line):
        return _line(element.tag, mark, where)
    return Shape(mark.label, (), where, mark.z_order, "no-outline")


_KIND = {"box": _Box, "ellipse": _Ellipse, "mask": _Mask, "polygon": _Line, "polyline": _Line}


def _line(tag: str, mark: _Line, where: str) -> Shape:
    pairs = [pair.split(",") for pair in mark.points.split(";") if pair.strip()]
    points = validate(list[tuple[FiniteFloat, FiniteFloat]], pairs, where, TITLE)
    ring = to_ring(np.array(points, np.float64).reshape(-1, 2), where)
    closed = tag == "polygon" or (len(points) > 3 and points[0] == points[-1])
    if not closed or len(ring) < 3:
        return Shape(mark.label, (), f"{where} ({len(points)} points)", mark.z_order, "unclosed")
    return Shape(mark.label, (Rings((ring,)),), where, mark.z_order)


def _runs(mark: _Mask, size: Size, where: str) -> Runs:
    words = [word for word in mark.rle.split(",") if word.strip()]
    lengths = np.array(validate(list[Checked[int, Field(ge=0, le=2**40)]], words, where, TITLE), np.int64)
    pixels = mark.width * mark.height
    # The last run of background may be left out.
    rest = pixels - int(lengths.sum())
    if rest < 0 or mark.width > size[1] or mark.height > size[0] or (rest and len(lengths) % 2):
        raise DataError(
            f"run lengths of a mask of {mark.height}×{mark.width} within the picture at {where}",
            f"{int(lengths.sum()):,} pixels in a picture of {size[0]}×{size[1]}",
            "Export the annotations again, or remove the shape.",
        )
    if rest:
        lengths = np.append(lengths, rest)
    return Runs(lengths, (mark.height, mark.width), (mark.top, mark.left))
