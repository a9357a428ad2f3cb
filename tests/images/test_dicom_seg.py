"""DICOM segmentation objects, read back by highdicom and pydicom."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from limner.errors import DataError
from limner.images import Segment, encode_segmentation

highdicom = pytest.importorskip("highdicom")

SEGMENTS = [Segment("disc", (200, 0, 0)), Segment("Wirbelkörper", (0, 200, 0))]
PLANES = np.zeros((2, 30, 51), bool)
PLANES[0, 3:9, 4:20] = True
PLANES[1, 7:20, 30:] = True  # they may overlap
PLANES[0, 8, 30:40] = True


@pytest.fixture
def study() -> dict[str, Any]:
    """Attributes of a whole picture of a study."""
    return {
        "PatientID": "17",
        "PatientName": "Nobody",
        "PatientBirthDate": "",
        "PatientSex": "O",
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "StudyDate": "20260102",
        "StudyTime": "101500",
        "AccessionNumber": "",
        "StudyID": "3",
        "ReferringPhysicianName": "",
        "Modality": "CT",
        "SeriesNumber": 2,
        "InstanceNumber": 5,
        "PixelSpacing": [0.5, 0.7],
        "SliceThickness": 3,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [10, 20, -7],
    }


def written(location: str, planes: np.ndarray = PLANES, maker: str = "a") -> Any:
    return highdicom.seg.segread(io.BytesIO(encode_segmentation(location, planes, SEGMENTS, maker=maker)))


def test_masks_names_references_and_place_are_those_of_the_picture(scans, tmp_path, study) -> None:
    location = scans.dicom(tmp_path / "a.dcm", np.zeros((30, 51), np.int16), **study)
    source, found = pydicom.dcmread(location), written(location)
    pixels = found.get_pixels_by_source_instance([source.SOPInstanceUID])
    np.testing.assert_array_equal(pixels[0].transpose(2, 0, 1), PLANES)
    (series,) = found.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == [source.SOPInstanceUID]
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "FrameOfReferenceUID", "InstanceNumber"):
        assert found.get(name) == source.get(name)
    assert (found.Modality, found.SegmentationType) == ("SEG", "BINARY")
    assert [segment.SegmentLabel for segment in found.SegmentSequence] == ["disc", "Wirbelkörper"]
    assert {segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for segment in found.SegmentSequence} == {"Tissue"}
    shared = found.SharedFunctionalGroupsSequence[0]
    assert [float(size) for size in shared.PixelMeasuresSequence[0].PixelSpacing] == [0.5, 0.7]
    for frame in found.PerFrameFunctionalGroupsSequence:
        assert list(frame.PlanePositionSequence[0].ImagePositionPatient) == [10, 20, -7]


def test_uids_tell_series_by_source_and_model_and_objects_by_content(scans, tmp_path, study) -> None:
    one, two = (
        scans.dicom(tmp_path / name, np.zeros((30, 51), np.int16), **(study | {"SOPInstanceUID": generate_uid()}))
        for name in ("1.dcm", "2.dcm")
    )
    first = written(one)
    assert first.SeriesInstanceUID == written(two).SeriesInstanceUID
    assert first.SeriesInstanceUID != written(one, maker="b").SeriesInstanceUID
    assert first.SOPInstanceUID == written(one).SOPInstanceUID
    assert len({first.SOPInstanceUID, written(two).SOPInstanceUID, written(one, PLANES[:, ::-1]).SOPInstanceUID}) == 3


def test_a_picture_without_any_class_has_an_object_that_says_so(scans, tmp_path, study) -> None:
    location = scans.dicom(tmp_path / "a.dcm", np.zeros((30, 51), np.int16), **study)
    found = written(location, np.zeros_like(PLANES))
    assert len(found.SegmentSequence) == 2
    assert not found.get_pixels_by_source_instance([pydicom.dcmread(location).SOPInstanceUID]).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"FrameOfReferenceUID": ""}, "has no FrameOfReferenceUID"),
        ({"ImagePositionPatient": [1, 2]}, "attributes a segmentation can take over(.|\n)*a.dcm"),
        ({"frames": 3}, "has 3 frames"),
    ],
)
def test_pictures_that_a_segmentation_cannot_refer_to_are_refused(scans, tmp_path, study, changes, message) -> None:
    stored = np.zeros((changes.pop("frames", 1), 30, 51), np.int16)
    location = scans.dicom(tmp_path / "a.dcm", stored if len(stored) > 1 else stored[0], **(study | changes))
    with pytest.raises(DataError, match=message):
        encode_segmentation(location, PLANES, SEGMENTS, maker="a")
