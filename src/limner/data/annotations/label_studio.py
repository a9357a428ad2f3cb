"""Label Studio: one JSON of tasks, as its exports JSON and JSON-MIN have them.

Layer: data. Facts: labelstud.io, "Task format" and the pages of the tags. Places are per cent of the
picture's width and height. A rectangle turns about its top left corner, an ellipse about its middle. A
region's own label may stand in an entry of its own with the same id.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Annotated as Checked
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat

from limner.data.annotations.brush import decode_brush
from limner.data.annotations.documents import Coordinate, to_ring, validate
from limner.data.annotations.geometry import ellipse, rectangle
from limner.data.annotations.rasterise import encode_runs
from limner.data.annotations.shapes import Annotated, Reading, Ring, Rings, Shape
from limner.errors import DataError
from limner.images import IMAGE_SUFFIXES
from limner.types import Size

TITLE = "an export of Label Studio: tasks with data and annotations"

_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")
_KINDS = ("polygon", "rectangle", "ellipse", "brush")
_Side = Checked[int, Field(ge=1, le=1_000_000)]
_Byte = Checked[int, Field(ge=0, le=255)]


class _Value(BaseModel, extra="allow"):
    points: list[tuple[Coordinate, Coordinate]] | None = None
    closed: bool = True
    x: Coordinate = 0.0
    y: Coordinate = 0.0
    width: Coordinate = 0.0
    height: Coordinate = 0.0
    radius_x: Checked[FiniteFloat, Field(ge=0, le=1e6)] = Field(0.0, alias="radiusX")
    radius_y: Checked[FiniteFloat, Field(ge=0, le=1e6)] = Field(0.0, alias="radiusY")
    rotation: FiniteFloat = 0.0
    rle: list[_Byte] | None = None


class _Region(BaseModel):
    id: str = ""
    type: str = ""
    original_width: _Side | None = None
    original_height: _Side | None = None
    image_rotation: float | None = 0
    value: _Value

    @property
    def size(self) -> Size | None:
        if self.original_width is None or self.original_height is None:
            return None
        return self.original_height, self.original_width


def fits(document: Any) -> bool:
    """Whether a document is of this format."""
    if not isinstance(document, list) or not document or not isinstance(document[0], dict):
        return False
    first = document[0]
    full = isinstance(first.get("data"), dict) and isinstance(first.get("annotations", first.get("completions")), list)
    return full or (isinstance(first.get("image"), str) and ("annotator" in first or "annotation_id" in first))


def read(document: Any, where: str) -> Reading:
    """Read a document. Of several people's annotations of a picture, each is one of its own.

    Raises:
        DataError: It breaks the format.
    """
    pictures = []
    for number, task in enumerate(validate(list[dict[str, Any]], document, where, TITLE), start=1):
        name = f"{where}, task {task.get('id', number)}"
        picture = _picture(task, name)
        for results in _results(task, name):
            shapes, size = _shapes(results, name)
            pictures.append(Annotated(picture, tuple(shapes), size))
    return Reading(tuple(pictures))


def _picture(task: dict[str, Any], where: str) -> str:
    """Name of the picture of a task."""
    data = task.get("data", task)
    data = data if isinstance(data, dict) else {}
    texts = [value for value in (data.get("image"), *data.values()) if isinstance(value, str)]
    names = [name for name in map(picture_name, texts) if f".{name.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES]
    if not names:
        raise DataError(
            f"a picture among the data of {where}",
            ", ".join(map(str, data))[:100] or "none",
            "Export tasks of pictures, or remove this one.",
        )
    return names[0]


def picture_name(text: str) -> str:
    """Name of a picture behind what Label Studio says of it: an upload, a URL, or a local file.

    Example:
        >>> picture_name("/data/upload/3/0a1b2c3d-heart%201.png")
        'heart 1.png'
        >>> picture_name("/data/local-files/?d=scans/heart.png"), picture_name("s3://bucket/a/heart.png?x=1")
        ('scans/heart.png', 'a/heart.png')
    """
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        return text
    local = urllib.parse.parse_qs(parts.query).get("d")
    if local:
        return local[0].replace("\\", "/")
    path = urllib.parse.unquote(parts.path).replace("\\", "/")
    folder, _, name = path.rpartition("/")
    if "upload" in folder.split("/") or not folder:
        return _UPLOAD.sub("", name, count=1)
    return path.lstrip("/")


def _results(task: dict[str, Any], where: str) -> list[list[dict[str, Any]]]:
    """Regions of each annotation of a task that was not cancelled."""
    several = task.get("annotations", task.get("completions"))
    if several is None:  # JSON-MIN: regions stand in the task itself, under the name of each control
        lists = [value for value in task.values() if isinstance(value, list)]
        return [[{"value": one, **one} for several in lists for one in several if isinstance(one, dict)]]
    kind = list[dict[str, Any]]
    annotations = validate(kind, several, where, TITLE)
    return [validate(kind, one.get("result", []), where, TITLE) for one in annotations if not one.get("was_cancelled")]


def _shapes(results: list[dict[str, Any]], where: str) -> tuple[list[Shape], Size | None]:
    labels: dict[str, str] = {}
    for entry in results:
        if isinstance(entry.get("id"), str) and (label := _label(entry.get("value"))):
            labels[entry["id"]] = label
    shapes, sizes = [], set()
    for number, entry in enumerate(results, start=1):
        kind = _kind(entry)
        if kind is None:
            continue  # choices, texts, ratings and labels of other regions
        name = f"{where}, region {number}"
        region = validate(_Region, entry, name, TITLE)
        if region.size is None:
            raise DataError(f"original_width and original_height at {name}", "none", "Export as JSON, which has them.")
        sizes.add(region.size)
        shapes.append(_shape(region, kind, region.size, _label(entry["value"]) or labels.get(region.id, ""), name))
    if len(sizes) > 1:
        raise DataError(f"one size of the picture of {where}", f"{len(sizes)}", "Export the task again, or remove it.")
    return shapes, next(iter(sizes), None)


def _kind(entry: dict[str, Any]) -> str | None:
    """What kind of region an entry is; None of one without a place."""
    value = entry.get("value")
    if not isinstance(value, dict):
        return None
    if "rle" in value:
        return "brush"
    if "points" in value:
        return "polygon"
    if "radiusX" in value:
        return "ellipse"
    if "width" in value and "x" in value:
        return (
            "keypoint"
            if str(entry.get("type", "")).startswith("keypoint") or "keypointlabels" in value
            else "rectangle"
        )
    return "keypoint" if "x" in value else None


def _label(value: Any) -> str:
    """The first class that a region names."""
    for key, names in value.items() if isinstance(value, dict) else ():
        if str(key).endswith("labels") and isinstance(names, list) and names and isinstance(names[0], str):
            return names[0]
    return ""


def _shape(region: _Region, kind: str, size: Size, label: str, where: str) -> Shape:
    if region.image_rotation:
        return Shape(label, (), where, doubt="rotated")
    if kind == "keypoint":
        return Shape(label, (), where, doubt="no-outline")
    value = region.value
    if kind == "brush":
        return Shape(label, (encode_runs(decode_brush(value.rle or [], size, where)),), where)
    if kind == "polygon":
        points = np.array(value.points or [], np.float64).reshape(-1, 2)
        ring = to_ring(points * np.array([size[1], size[0]]) / 100, where)
        if not value.closed or len(ring) < 3:
            return Shape(label, (), f"{where} ({len(points)} points)", doubt="unclosed")
        return Shape(label, (Rings((ring,)),), where)
    return Shape(
        label, (Rings((to_ring(_simple(value, kind, size), where),)),), where, doubt="box" * (kind != "ellipse")
    )


def _simple(value: _Value, kind: str, size: Size) -> Ring:
    x, y, across, down = value.x * size[1] / 100, value.y * size[0] / 100, size[1] / 100, size[0] / 100
    if kind == "ellipse":
        return ellipse(x, y, value.radius_x * across, value.radius_y * down, degrees=value.rotation)
    right, bottom = x + value.width * across, y + value.height * down
    return rectangle(x, y, right, bottom, degrees=value.rotation, about=(x, y))
