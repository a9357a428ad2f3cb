"""Masks as DICOM segmentation objects (SEG), each for the DICOM picture it was drawn on.

Layer: images. Written with highdicom, an optional package.

An object is of the type BINARY, which every viewer reads: a bit plane for each class that is drawn. It takes over
patient, study, frame of reference, place and spacing from its picture, and refers to it. All objects of one source
series and one model make up one series; objects of one content have one name.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from limner._version import __version__
from limner.errors import DataError
from limner.images.medical import import_medical
from limner.images.stream import read_bytes
from limner.types import Color

_SERIES_NUMBER = 900
_NEEDED = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "FrameOfReferenceUID",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
)
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)


@dataclass(frozen=True)
class Segment:
    """A class: its name and colour."""

    name: str
    color: Color


def require_segmentations() -> None:
    """See to it that segmentations can be written.

    Raises:
        MissingExtra: highdicom is not installed.
    """
    import_medical("highdicom")


def encode_segmentation(
    location: str, planes: Bool[np.ndarray, "classes height width"], segments: Sequence[Segment], *, maker: str
) -> bytes:
    """A DICOM file with the classes of one picture as segments.

    What a class is in the coded terms of medicine is not known: category and type are SNOMED's "Tissue", and the
    label is the class's name.

    Args:
        location: Of the picture, a DICOM file of one frame.
        planes: Where each class is.
        segments: What the classes are.
        maker: What tells the model from others; with the source series it decides the series of the object.

    Raises:
        DataError: The picture is of several frames, or lacks what a segmentation must take over.
        MissingExtra: highdicom is not installed.
    """
    highdicom, pydicom = import_medical("highdicom"), import_medical("pydicom")
    source = pydicom.dcmread(io.BytesIO(read_bytes(location)), stop_before_pixels=True)
    _check(source, location)
    for name in _MAY_BE_EMPTY:
        if name not in source:  # as in files that were made anonymous
            setattr(source, name, "")
    codes = pydicom.sr.codedict.codes
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="Limner", family=codes.cid7162.ArtificialIntelligence, version=__version__
    )
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=segment.name[:64],
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
            display_color=highdicom.color.CIELabColor.from_rgb(*segment.color),
        )
        for number, segment in enumerate(segments, start=1)
    ]
    content = hashlib.sha256(np.packbits(planes).tobytes()).hexdigest()
    with warnings.catch_warnings(), _refusing(location):
        warnings.simplefilter("ignore")  # of values that the source has and that are odd in themselves
        made = highdicom.seg.Segmentation(
            source_images=[source],
            pixel_array=np.moveaxis(planes, 0, -1)[None],
            segmentation_type="BINARY",
            segment_descriptions=described,
            series_instance_uid=pydicom.uid.generate_uid(entropy_srcs=[str(source.SeriesInstanceUID), maker]),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=pydicom.uid.generate_uid(entropy_srcs=[str(source.SOPInstanceUID), maker, content]),
            instance_number=int(source.get("InstanceNumber") or 1),
            manufacturer="Limner",
            manufacturer_model_name="Limner",
            software_versions=__version__,
            device_serial_number="1",
            content_label="SEGMENTATION",
            series_description="Limner",
        )
    stream = io.BytesIO()
    made.save_as(stream)
    return stream.getvalue()


@contextlib.contextmanager
def _refusing(location: str) -> Iterator[None]:
    """Say of which picture it is where an attribute that is taken over is not as it must be."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(
            "a DICOM picture whose attributes a segmentation can take over",
            f"'{location}': {str(error).strip() or type(error).__name__}",
            "Correct the picture's attributes, or choose another --format.",
        ) from error


def _check(source: Any, location: str) -> None:
    if int(source.get("NumberOfFrames") or 1) > 1:
        raise DataError(
            "a DICOM picture of one frame, for a segmentation of it",
            f"'{location}' has {source.NumberOfFrames} frames",
            "Choose another --format.",
        )
    if missing := [name for name in _NEEDED if not source.get(name)]:
        raise DataError(
            "a DICOM picture that says to which study it belongs and where it lies, for a segmentation of it",
            f"'{location}' has no {', '.join(missing)}",
            "Choose another --format.",
        )
