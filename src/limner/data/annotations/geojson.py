"""GeoJSON as QuPath writes it: features in pixels, a file for each picture.

Layer: data. Facts: RFC 7946 for the geometry: the first ring of a polygon is its border, others are
holes; QuPath's documentation for `classification`, whose colour is three numbers or, in older
versions, one packed number.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated as Checked
from typing import Any

from pydantic import BaseModel, Field, FiniteFloat

from limner.data.annotations.documents import to_ring, validate
from limner.data.annotations.shapes import Annotated, Declared, Reading, Rings, Shape
from limner.errors import DataError
from limner.types import Color

TITLE = "GeoJSON of features in pixels, as QuPath exports it"

_Point = Checked[list[FiniteFloat], Field(min_length=2, max_length=4)]
_Polygon = list[list[_Point]]
_NO_AREA = ("Point", "MultiPoint", "LineString", "MultiLineString")


class _Classification(BaseModel):
    name: str | None = None
    color: tuple[int, int, int] | None = None
    packed: int | None = Field(None, alias="colorRGB")


class _Properties(BaseModel):
    classification: _Classification | str | None = None


class _Geometry(BaseModel):
    type: str
    coordinates: Any = None
    geometries: list[Any] = []


class _Feature(BaseModel):
    geometry: _Geometry | None
    properties: _Properties | None = None


def fits(document: Any) -> bool:
    """Whether a document is of this format."""
    return (isinstance(document, dict) and document.get("type") == "FeatureCollection") or bool(_features(document))


def _features(document: Any) -> list[Any]:
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        return features if isinstance(features, list) else []
    entries = document if isinstance(document, list) else [document]
    good = all(isinstance(entry, dict) and entry.get("type") == "Feature" for entry in entries)
    return entries if good else []


def read(document: Any, where: str) -> Reading:
    """Read the annotation of one picture, which has the file's name.

    Raises:
        DataError: It breaks the format.
    """
    shapes: list[Shape] = []
    colors: dict[str, Declared] = {}
    for number, entry in enumerate(_features(document), start=1):
        name = f"{where}, feature {number}"
        feature = validate(_Feature, entry, name, TITLE)
        declared = _declared(feature.properties)
        if declared.name and declared.color:
            colors.setdefault(declared.name, declared)
        shapes.append(_shape(feature.geometry, declared.name, name))
    picture = Annotated(PurePosixPath(where).stem, tuple(shapes), by_stem=True)
    return Reading((picture,), colors=tuple(colors.values()))


def _declared(properties: _Properties | None) -> Declared:
    found = properties.classification if properties else None
    if found is None or isinstance(found, str):
        return Declared(found or "")
    color: Color | None = None
    if found.color is not None and all(0 <= part <= 255 for part in found.color):
        color = found.color
    elif found.packed is not None:
        # Java's signed 32 bits: alpha, red, green, blue.
        color = ((found.packed >> 16) & 255, (found.packed >> 8) & 255, found.packed & 255)
    return Declared(found.name or "", color)


def _shape(geometry: _Geometry | None, label: str, where: str) -> Shape:
    if geometry is None:
        return Shape(label, (), where, doubt="no-outline")
    parts = _parts(geometry, where, depth=0)
    lines = geometry.type.endswith("LineString")
    return Shape(label, tuple(parts), where, doubt="" if parts else "unclosed" if lines else "no-outline")


def _parts(geometry: _Geometry, where: str, *, depth: int) -> list[Rings]:
    if geometry.type == "GeometryCollection" and depth == 0:
        inner = validate(list[_Geometry], geometry.geometries, where, TITLE)
        return [part for one in inner for part in _parts(one, where, depth=1)]
    if geometry.type in _NO_AREA:
        return []
    if geometry.type == "Polygon":
        polygons = [validate(_Polygon, geometry.coordinates, where, TITLE)]
    elif geometry.type == "MultiPolygon":
        polygons = validate(list[_Polygon], geometry.coordinates, where, TITLE)
    else:
        raise DataError(
            f"a Polygon or MultiPolygon at {where}",
            f"a {geometry.type[:40]}",
            "Export the objects as polygons, or remove the feature.",
        )
    parts = []
    for polygon in polygons:
        rings = [to_ring([point[:2] for point in ring], where) for ring in polygon]
        rings = [ring for ring in rings if len(ring) >= 3]
        if rings:
            parts.append(Rings(tuple(rings)))
    return parts
