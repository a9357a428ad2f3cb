"""Outlines as other programs read them: COCO, labelme, GeoJSON of QuPath, SVG.

Layer: data, above `outlines`. Texts and values; nothing is written here.

Points are `(x, y)` from the picture's corner, and the centre of the first pixel is `(0.5, 0.5)`, as the readers
here have it: filling an outline gives the mask's very pixels. Formats whose polygons have no holes (COCO, labelme) get
a mask for each object that has some.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from limner.data.annotations.outlines import Outlined, downward_runs
from limner.data.annotations.shapes import Ring
from limner.images import encode_png
from limner.types import Color, Size

FORMATS_WRITTEN = {"coco": ".json", "labelme": ".json", "geojson": ".geojson", "svg": ".svg"}
"""Format → suffix; `coco` is one file for all pictures, the others one for each."""

_LABELME = "5.5.0"


def coco_object(one: Outlined, category: int, size: Size) -> dict[str, Any]:
    """An annotation of COCO, but for its ids.

    Args:
        one: The object.
        category: Id of its class.
        size: Of its picture.
    """
    height, width = one.mask.shape
    segmentation: Any = [_flat(polygon[0]) for polygon in one.polygons]
    if not one.whole:
        segmentation = {"size": list(size), "counts": downward_runs(one.mask, (one.top, one.left), size).tolist()}
    return {
        "category_id": category,
        "segmentation": segmentation,
        "area": int(one.mask.sum()),
        "bbox": [one.left, one.top, width, height],
        "iscrowd": 0,
    }


def coco_categories(names: Iterable[tuple[int, str, Color]]) -> list[dict[str, Any]]:
    """The categories of COCO, of id, name and colour."""
    return [{"id": number, "name": name, "color": list(color)} for number, name, color in names]


def to_labelme(objects: Iterable[Outlined], picture: str, size: Size) -> str:
    """A file of labelme.

    Args:
        objects: Of the picture.
        picture: Its path, as seen from the file.
        size: Its size.
    """
    shapes = [shape for one in objects for shape in _labelme_shapes(one)]
    document: dict[str, Any] = {
        "version": _LABELME,
        "flags": {},
        "shapes": shapes,
        "imagePath": picture,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    return json.dumps(document)


def to_geojson(objects: Iterable[Outlined]) -> str:
    """Features in pixels, as QuPath reads them."""
    features = [
        {
            "type": "Feature",
            "geometry": _geometry(one.polygons),
            "properties": {
                "objectType": "annotation",
                "classification": {"name": one.label, "color": list(one.color)},
                "object": one.number,
            },
        }
        for one in objects
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def to_svg(objects: Iterable[Outlined], title: str, size: Size) -> str:
    """A drawing in the pixels of the picture: a path for each object, of the class that it says."""
    height, width = size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escape(title)}</title>",
    ]
    for one in objects:
        color = "#" + bytes(one.color).hex()
        way = "".join(_svg_ring(ring) for polygon in one.polygons for ring in polygon)
        lines.append(
            f'<path id="object-{one.number}" data-class={quoteattr(one.label)} fill="{color}" fill-opacity="0.3" '
            f'stroke="{color}" fill-rule="evenodd" vector-effect="non-scaling-stroke" d="{way}"/>'
        )
    return "\n".join([*lines, "</svg>\n"])


def _labelme_shapes(one: Outlined) -> list[dict[str, Any]]:
    usual = {"label": one.label, "group_id": one.number, "description": "", "flags": {}}
    if one.whole:
        return [
            {**usual, "points": _points(polygon[0]), "shape_type": "polygon", "mask": None} for polygon in one.polygons
        ]
    height, width = one.mask.shape
    corners = [[one.left, one.top], [one.left + width - 1, one.top + height - 1]]
    data = base64.b64encode(encode_png(one.mask.astype(np.uint8))).decode()
    return [{**usual, "points": corners, "shape_type": "mask", "mask": data}]


def _geometry(polygons: Sequence[Sequence[Ring]]) -> dict[str, Any]:
    # The last point repeats the first (RFC 7946).
    found = [[[*points, points[0]] for points in map(_points, polygon)] for polygon in polygons]
    if len(found) == 1:
        return {"type": "Polygon", "coordinates": found[0]}
    return {"type": "MultiPolygon", "coordinates": found}


def _svg_ring(ring: Ring) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in _points(ring)) + "Z"


def _points(ring: Ring) -> list[list[int]]:
    """Corners of pixels are whole numbers."""
    points: list[list[int]] = ring.astype(np.int64).tolist()
    return points


def _flat(ring: Ring) -> list[int]:
    return [number for point in _points(ring) for number in point]
