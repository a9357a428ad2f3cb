"""The order of DICOM slices, and the grid they make up."""

from __future__ import annotations

import numpy as np
import pytest

from limner.errors import DataError
from limner.images import page_location, read_image, read_series, read_slice, read_volume

VOXELS = np.arange(4 * 3 * 5, dtype=np.int16).reshape(4, 3, 5)


def files(folder):
    return [str(path) for path in sorted(folder.iterdir())]


def test_slices_lie_as_their_positions_say_whatever_their_names(scans, tmp_path):
    scans.series(tmp_path / "s", VOXELS, ["c", "a", "d", "b"])
    series = read_series(files(tmp_path / "s"), "s")
    assert [location[-1] for location in series.locations] == ["c", "a", "d", "b"]
    assert series.plane == "axial"


def test_a_series_and_the_same_scan_as_nifti_are_drawn_alike(scans, tmp_path):
    scans.series(tmp_path / "s", VOXELS)
    location = scans.nifti(tmp_path / "a.nii.gz", VOXELS)
    series, volume = read_series(files(tmp_path / "s"), "s"), read_volume(location)
    assert series.volume.lies_on(volume)
    assert volume.lies_on(series.volume)
    for page, part in enumerate(series.locations):
        assert np.array_equal(read_image(part), read_image(page_location(location, page, "axial")))


@pytest.mark.parametrize(
    ("directions", "step", "plane"),
    [([0, 1, 0, 0, 0, -1], [2, 0, 0], "sagittal"), ([1, 0, 0, 0, 0, -1], [0, 2, 0], "coronal")],
)
def test_other_planes(scans, tmp_path, directions, step, plane):
    for number, part in enumerate(VOXELS):
        position = (number * np.array(step)).tolist()
        place = {"ImageOrientationPatient": directions, "ImagePositionPatient": position}
        scans.dicom(tmp_path / "s" / f"{number}", part, **place)
    series = read_series(files(tmp_path / "s"), "s")
    assert series.plane == plane
    # DICOM counts to the left and back, slices are numbered to the right and front.
    assert [location[-1] for location in series.locations] == ["3", "2", "1", "0"]
    assert series.volume.slices(plane) == 4
    assert series.volume.size(plane) == (3, 5)


def test_what_is_no_volume_is_refused(scans, tmp_path):
    def refused(name, message, **attributes):
        scans.series(tmp_path / name, VOXELS, **attributes)
        return pytest.raises(DataError, match=message)

    with refused("turned", "turned or mirrored", ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]):
        read_series(files(tmp_path / "turned"), "turned")
    with refused("one place", "3 mm|0 mm", ImagePositionPatient=[0, 0, 0]):
        read_series(files(tmp_path / "one place"), "one place")
    with refused("nowhere", "does not", ImagePositionPatient=None):
        read_series(files(tmp_path / "nowhere"), "nowhere")
    scans.series(tmp_path / "gap", VOXELS)
    (tmp_path / "gap" / "IM0002.dcm").unlink()
    uid = read_slice(str(tmp_path / "gap" / "IM0000.dcm")).series
    place = {"ImagePositionPatient": [10, 20, 5], "ImageOrientationPatient": list(scans.axial)}
    scans.dicom(tmp_path / "gap" / "IM0009.dcm", VOXELS[0], SeriesInstanceUID=uid, **place)
    with pytest.raises(DataError, match="mm apart, but"):
        read_series(files(tmp_path / "gap"), "gap")
    scans.series(tmp_path / "two", VOXELS, ["a", "b", "c", "d"])
    scans.series(tmp_path / "two", VOXELS, ["e", "f", "g", "h"])
    with pytest.raises(DataError, match="holds 2"):
        read_series(files(tmp_path / "two"), "two")


def test_a_patient_is_told_from_others_without_being_named(scans, tmp_path):
    one = read_slice(scans.dicom(tmp_path / "1", VOXELS[0], PatientID="Meier^Anna"))
    same = read_slice(scans.dicom(tmp_path / "2", VOXELS[1], PatientID="Meier^Anna"))
    other = read_slice(scans.dicom(tmp_path / "3", VOXELS[1], PatientID="Huber^Max"))
    assert one.patient == same.patient != other.patient
    assert "Meier" not in one.patient
