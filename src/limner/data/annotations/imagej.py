"""ImageJ: an outline in a `.roi`, or several of one picture in a `.zip`.

Layer: data. The bytes are read by roifile. Whole coordinates are corners of pixels, as ImageJ's own
masks have it. Outlines of a composite are filled together, so that one within another is a hole. The
class is the outline's group, else its name without a number at the end, as ImageJ has no classes.
"""

from __future__ import annotations

import logging
import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from limner.data.annotations.documents import to_ring
from limner.data.annotations.geometry import ellipse, rectangle
from limner.data.annotations.shapes import Annotated, Reading, Ring, Rings, Shape
from limner.errors import DataError, LimnerError

TITLE = "outlines of ImageJ: .roi, or a .zip of them"

_OUTLINES = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
_LINES = (ROI_TYPE.LINE, ROI_TYPE.FREELINE, ROI_TYPE.POLYLINE, ROI_TYPE.ANGLE)
_SET = re.compile(r"^roi_?set[-_ ]*|[-_ ]*roi_?set$|[-_ ]*rois?$", re.IGNORECASE)
_NUMBER = re.compile(r"([-_ ]*[0-9]+)+$")

logging.getLogger("roifile").setLevel(logging.ERROR)  # damage becomes an error of ours


def fits(document: Any) -> bool:
    """Whether a document is of this format."""
    return isinstance(document, dict) and bool(document) and all(isinstance(data, bytes) for data in document.values())


def read(document: Any, where: str) -> Reading:
    """Read the outlines of one picture, which has the file's name.

    Raises:
        DataError: An outline is damaged, or lies on a slice of a stack.
    """
    shapes = [_read_shape(data, name, f"{where}, outline '{name}'") for name, data in document.items()]
    stem = PurePosixPath(where).stem
    return Reading((Annotated(_SET.sub("", stem) or stem, tuple(shapes), by_stem=True, stem=stem),))


def _read_shape(data: bytes, name: str, where: str) -> Shape:
    try:
        roi = ImagejRoi.frombytes(data)
        return _shape(roi, _label(roi, name), where)
    except LimnerError:
        raise
    except Exception as error:  # damaged bytes raise almost anything
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise DataError(
            f"a whole outline of ImageJ at {where}", reason, "Save the outlines again with ImageJ's ROI Manager."
        ) from error


def _label(roi: ImagejRoi, name: str) -> str:
    if roi.group:
        return f"group {roi.group}"
    return _NUMBER.sub("", roi.name or PurePosixPath(name).stem)


def _shape(roi: ImagejRoi, label: str, where: str) -> Shape:
    slices = [place for place in (roi.position, roi.c_position, roi.z_position, roi.t_position) if place > 1]
    if slices:
        raise DataError(
            f"outlines of one picture at {where}",
            f"one on slice {slices[0]} of a stack",
            "Save each slice as a picture, and its outlines under the name of that picture.",
        )
    if roi.roitype in _LINES:
        return Shape(label, (), where, doubt="unclosed")
    rings = _rings(roi, where)
    if not rings:
        return Shape(label, (), where, doubt="no-outline" if roi.roitype not in _OUTLINES else "unclosed")
    plain = roi.roitype == ROI_TYPE.RECT and not roi.composite
    return Shape(label, (Rings(tuple(rings)),), where, doubt="box" if plain else "")


def _rings(roi: ImagejRoi, where: str) -> list[Ring]:
    if roi.composite:
        found = [to_ring(ring, where) for ring in roi.coordinates(multi=True)]
    elif roi.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE):
        return []
    elif roi.roitype in _OUTLINES:
        found = [to_ring(np.asarray(roi.coordinates(), np.float64), where)]
    elif roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        found = [to_ring(_simple(roi), where)]
    else:
        return []
    return [ring for ring in found if len(ring) >= 3]


def _simple(roi: ImagejRoi) -> Ring:
    left, top, right, bottom = float(roi.left), float(roi.top), float(roi.right), float(roi.bottom)
    if roi.subpixelrect:
        left, top, right, bottom = roi.xd, roi.yd, roi.xd + roi.widthd, roi.yd + roi.heightd
    if not all(abs(side) < 1e7 for side in (left, top, right, bottom)):
        raise ValueError("a side that is no number of a picture")
    if roi.roitype == ROI_TYPE.RECT:
        return rectangle(left, top, right, bottom)
    return ellipse((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)
