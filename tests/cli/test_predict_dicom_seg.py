"""`limner predict --format dicom-seg`: the masks of DICOM pictures as DICOM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from limner.images import read_image, read_mask

highdicom = pytest.importorskip("highdicom")


def test_each_picture_has_a_segmentation_that_is_its_mask(
    limner: Callable[..., Any], refused: Callable[..., str], trained: Any, cells: Path, scans: Any, tmp_path: Path
) -> None:
    study = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}
    place = {"PixelSpacing": [1, 1], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "SliceThickness": 1}
    for number, picture in enumerate(sorted((cells / "images").iterdir())[:3]):
        grey = read_image(str(picture)).mean(axis=2).astype(np.uint8)
        own = {"ImagePositionPatient": [0, 0, number], "InstanceNumber": number + 1}
        scans.dicom(tmp_path / "scan" / f"{number}.dcm", grey, **study, **place, **own)
    assert limner("predict", trained.folder, tmp_path / "scan", "-o", tmp_path / "png").code == 0
    result = limner("predict", trained.folder, tmp_path / "scan", "-o", tmp_path / "seg", "--format", "dicom-seg")
    assert result.code == 0, result
    assert sorted(path.name for path in (tmp_path / "seg").glob("[!.]*")) == ["0.dcm", "1.dcm", "2.dcm"]
    series = set()
    for number in range(3):
        source = pydicom.dcmread(tmp_path / "scan" / f"{number}.dcm")
        found = highdicom.seg.segread(tmp_path / "seg" / f"{number}.dcm")
        pixels = found.get_pixels_by_source_instance([source.SOPInstanceUID], segment_numbers=[1])
        np.testing.assert_array_equal(pixels[0, ..., 0], read_mask(str(tmp_path / "png" / f"{number}.png")).array)
        series.add(found.SeriesInstanceUID)
    assert len(series) == 1
    lost = dict(study, FrameOfReferenceUID="")
    scans.dicom(tmp_path / "scan" / "lost.dcm", grey, **lost, **place, ImagePositionPatient=[0, 0, 9])
    result = limner("predict", trained.folder, tmp_path / "scan", "-o", tmp_path / "part", "--format", "dicom-seg")
    assert result.code == 1
    assert "3 masks written" in result.out
    assert "Failed  lost.dcm" in result.err
    assert "has no FrameOfReferenceUID" in result.err
    words = [cells / "images", "-o", tmp_path / "no", "--format", "dicom-seg"]
    assert "DICOM pictures of one frame" in refused("predict", trained.folder, *words)
    assert not (tmp_path / "no").exists()
