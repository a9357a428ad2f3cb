"""DICOM series: which slices belong together, and in which order they lie.

Layer: images. Attributes alone; read with pydicom, an optional package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from limner.errors import DataError, shorten
from limner.images.medical import import_medical
from limner.images.stream import open_location
from limner.images.volumes import Volume
from limner.types import PLANES, Plane

_TAGS = (
    "PatientID", "SeriesInstanceUID", "Rows", "Columns", "PixelSpacing", "SliceThickness", "ImagePositionPatient",
    "ImageOrientationPatient", "NumberOfFrames",
)  # fmt: skip
_UNEVEN = 0.05
_TURN_TO_RAS = np.diag([-1.0, -1.0, 1.0])  # DICOM counts millimetres to the left and to the back (PS3.3 C.7.6.2.1.1)


@dataclass(frozen=True)
class Slice:
    """What one DICOM file says about itself.

    Attributes:
        location: Where it lies.
        patient: `patient-` and eight characters that stand for the patient's ID, which itself is personal and does
            not go into tables and reports; empty where the file names none.
        series: UID of its series, empty where it names none.
        header: The attributes.
    """

    location: str
    patient: str
    series: str
    header: Any


@dataclass(frozen=True, eq=False)
class Series:
    """A series that makes up a volume.

    Attributes:
        locations: Its slices, numbered as those of `volume`.
        patient: See `Slice`.
        volume: Their grid.
        plane: In which they lie.
    """

    locations: tuple[str, ...]
    patient: str
    volume: Volume
    plane: Plane


def read_slice(location: str) -> Slice:
    """Patient, series and place of a DICOM file; its pixels are not read.

    Raises:
        DataError: It cannot be read.
        MissingExtra: pydicom is not installed.
    """
    pydicom = import_medical("pydicom")
    with open_location(location) as stream:
        try:
            header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(_TAGS))
        except Exception as error:  # damaged files raise almost anything
            raise DataError(
                "a whole DICOM file", f"'{location}' is damaged or none: {error}", "Copy or export it again."
            ) from error
    patient = str(header.get("PatientID") or "").strip()
    code = hashlib.blake2b(patient.encode(), digest_size=4).hexdigest() if patient else ""
    return Slice(location, code and f"patient-{code}", str(header.get("SeriesInstanceUID") or ""), header)


def read_series(locations: Sequence[str], name: str) -> Series:
    """Slices in the order in which they lie in the patient, whatever their names.

    Args:
        locations: The slices of one series.
        name: Of the folder that holds them, for messages.

    Raises:
        DataError: Several series; slices without a position, of different sizes or directions, in one place, or
            with one missing between them; or slices that are stored turned or mirrored.
    """
    slices = [read_slice(location) for location in locations]
    _check_one_series(slices, name)
    directions = np.array([part.header.ImageOrientationPatient for part in slices], np.float64)
    positions = np.array([part.header.ImagePositionPatient for part in slices], np.float64) @ _TURN_TO_RAS
    along_row, down = directions[0][:3] @ _TURN_TO_RAS, directions[0][3:] @ _TURN_TO_RAS
    normal = np.cross(along_row, down)
    axis = int(np.abs(normal).argmax())
    normal *= np.sign(normal[axis])  # slices are numbered towards the right, the front, the head
    depths = positions @ normal
    order = np.argsort(depths, kind="stable")
    step = _step(depths[order], slices, order, name)
    first = slices[int(order[0])].header
    plane = PLANES[axis]
    volume = _turned(positions[order[0]], along_row, down, normal * step, first, len(slices), plane, name)
    return Series(tuple(slices[index].location for index in order), slices[0].patient, volume, plane)


def _check_one_series(slices: Sequence[Slice], name: str) -> None:
    series = sorted({part.series for part in slices})
    if len(series) > 1:
        raise DataError(
            "one DICOM series in the folder that goes with a volume of masks",
            f"'{name}' holds {len(series)}",
            "Put each series into a folder of its own.",
            details=shorten(series),
        )
    for part in slices:
        if part.header.get("ImagePositionPatient") is None or part.header.get("ImageOrientationPatient") is None:
            raise DataError(
                "slices that say where they lie (ImagePositionPatient, ImageOrientationPatient)",
                f"'{part.location}' does not",
                "Convert the series to NIfTI, for example with dcm2niix, or give a mask for each slice.",
            )
    first = slices[0]
    for part in slices[1:]:
        same = (part.header.Rows, part.header.Columns) == (first.header.Rows, first.header.Columns) and np.allclose(
            part.header.ImageOrientationPatient, first.header.ImageOrientationPatient, atol=1e-3
        )
        if not same:
            raise DataError(
                "slices of one size and direction in a series",
                f"'{part.location}' and '{first.location}' differ",
                "Take scout pictures and other directions out of the folder.",
            )


def _step(depths: Float64[np.ndarray, " slices"], slices: Sequence[Slice], order: np.ndarray, name: str) -> float:
    """Millimetres from slice to slice."""
    if len(depths) == 1:
        return float(slices[0].header.get("SliceThickness") or 1.0)
    steps = np.diff(depths)
    step = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - step) > _UNEVEN * max(step, 1e-6))
    if step <= 0 or odd.size:
        place = int(odd[0]) if odd.size else 0
        pair = [slices[int(order[place + more])].location for more in (0, 1)]
        raise DataError(
            "slices at equal distances, one in each place",
            f"in '{name}' they lie {step:.4g} mm apart, but {steps[place]:.4g} mm between '{pair[0]}' and '{pair[1]}'",
            "Add the missing slices, or take those out that are there twice (several phases are several series).",
        )
    return step


def _turned(
    origin: Float64[np.ndarray, " xyz"],
    along_row: Float64[np.ndarray, " xyz"],
    down: Float64[np.ndarray, " xyz"],
    step: Float64[np.ndarray, " xyz"],
    header: Any,
    count: int,
    plane: Plane,
    name: str,
) -> Volume:
    """The grid with its axes turned to the patient's."""
    nibabel = import_medical("nibabel")
    rows, columns = (float(value) for value in header.get("PixelSpacing") or (1.0, 1.0))
    affine = np.eye(4)
    affine[:3] = np.column_stack([down * rows, along_row * columns, step, origin])
    shape = (int(header.Rows), int(header.Columns), count)
    orientation = nibabel.orientations.io_orientation(affine)
    wide, high = (axis for axis in range(3) if PLANES[axis] != plane)
    if orientation.tolist() != [[high, -1], [wide, -1], [PLANES.index(plane), 1]]:
        raise DataError(
            "slices stored as they are shown: rows from head or front down, columns from the patient's right or front",
            f"those of '{name}' are stored turned or mirrored",
            "Convert the series to NIfTI, for example with dcm2niix, and give that.",
        )
    turned = affine @ nibabel.orientations.inv_ornt_aff(orientation, shape)
    lengths = dict(zip((high, wide, PLANES.index(plane)), shape, strict=True))
    return Volume((lengths[0], lengths[1], lengths[2]), turned)
