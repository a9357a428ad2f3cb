"""Volumes and series as samples."""

from __future__ import annotations

import numpy as np
import pytest

from limner.data.layouts import find_inputs, find_samples
from limner.errors import ConfigError, DataError
from limner.images import read_image, read_mask

VOXELS = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5)


def ids_of(voxels):
    return (voxels % 3 == 0).astype(np.uint8)


def test_every_slice_is_a_sample_and_a_volume_a_group(scans, tmp_path):
    for name in ("a", "b"):
        scans.nifti(tmp_path / "images" / f"{name}.nii.gz", VOXELS)
        scans.nifti(tmp_path / "masks" / f"{name}.nii.gz", ids_of(VOXELS))
    found = find_samples(tmp_path)
    catalog = found.catalog
    assert catalog.ids == [f"{name}_s{page:03}" for name in "ab" for page in range(4)]
    assert catalog.groups == ["a"] * 4 + ["b"] * 4
    assert catalog.facts["plane"] == ["axial"] * 8
    assert catalog.facts["spacing"][0] == "0.5×0.7"
    for page in range(4):
        assert np.array_equal(read_image(catalog.inputs["image"][page])[..., 0], VOXELS[page])
        assert np.array_equal(read_mask(catalog.targets["mask"][page]).array, ids_of(VOXELS[page]))
    assert "slices lie 3 mm apart" in found.notes[-1]
    assert len(find_samples(tmp_path, plane="coronal").catalog) == 12
    assert find_samples(tmp_path, page=2).catalog.ids == ["a_s002", "b_s002"]


def test_names_of_nnunet_and_the_decathlon(scans, tmp_path):
    for case in ("heart_001", "heart_002"):
        for channel in (0, 1):
            scans.nifti(tmp_path / "imagesTr" / f"{case}_000{channel}.nii.gz", VOXELS + channel)
        scans.nifti(tmp_path / "labelsTr" / f"{case}.nii.gz", ids_of(VOXELS))
        scans.nifti(tmp_path / "imagesTs" / f"{case}9_0000.nii.gz", VOXELS)
        scans.nifti(tmp_path / "imagesTs" / f"{case}9_0001.nii.gz", VOXELS)
    catalog = find_samples(tmp_path).catalog
    assert catalog.ids[:2] == ["heart_001_s000", "heart_001_s001"]
    assert len(catalog) == 8
    first, second = (read_image(catalog.inputs[f"channel{number}"][1]) for number in (0, 1))
    assert np.array_equal(second, first + 1)
    assert len(find_inputs(tmp_path / "imagesTs").ids) == 8
    (tmp_path / "imagesTr" / "heart_002_0001.nii.gz").unlink()
    with pytest.raises(DataError, match="lack one"):
        find_samples(tmp_path)


def test_cases_numbered_with_four_digits_are_no_channels(scans, tmp_path):
    for number in range(3):
        scans.nifti(tmp_path / "images" / f"scan_000{number}.nii.gz", VOXELS)
        scans.nifti(tmp_path / "masks" / f"scan_000{number}.nii.gz", ids_of(VOXELS))
    assert find_samples(tmp_path).catalog.facts["volume"][::4] == ["scan_0000", "scan_0001", "scan_0002"]


def test_a_series_goes_with_a_mask_in_nifti(scans, tmp_path):
    scans.series(tmp_path / "images" / "p1", VOXELS, ["d", "b", "c", "a"], PatientID="Meier")
    scans.nifti(tmp_path / "masks" / "p1.nii.gz", ids_of(VOXELS))
    catalog = find_samples(tmp_path).catalog
    assert catalog.ids == [f"p1_s{page:03}" for page in range(4)]
    assert catalog.groups[0].startswith("patient-")
    for page in range(4):
        assert np.array_equal(read_image(catalog.inputs["image"][page])[..., 0], VOXELS[page])
        assert np.array_equal(read_mask(catalog.targets["mask"][page]).array, ids_of(VOXELS[page]))
    with pytest.raises(ConfigError, match=r"data\.plane=axial"):
        find_samples(tmp_path, plane="sagittal")


@pytest.mark.parametrize("patients", [["A", "A", "B", "B"], ["", "", "", ""], ["anonymous"] * 4])
def test_dicom_files_say_which_belong_together(scans, tmp_path, patients):
    series = ["1.2", "1.2", "1.3", "1.3"]
    for number, (patient, uid) in enumerate(zip(patients, series, strict=True)):
        scans.dicom(tmp_path / "images" / f"{number}", VOXELS[number], PatientID=patient, SeriesInstanceUID=uid)
        scans.dicom(tmp_path / "masks" / f"{number}.dcm", ids_of(VOXELS[number]))
    groups = find_samples(tmp_path).catalog.groups
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_frames_and_pages_go_together(scans, tmp_path):
    for number in range(2):
        scans.dicom(tmp_path / "images" / f"{number}.dcm", VOXELS)
        scans.dicom(tmp_path / "masks" / f"{number}.dcm", ids_of(VOXELS))
    assert len(find_samples(tmp_path, page="all").catalog) == 8


def test_a_volume_needs_a_volume_of_masks(scans, tmp_path):
    scans.nifti(tmp_path / "images" / "a.nii.gz", VOXELS)
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", ids_of(VOXELS[0]))
    with pytest.raises(DataError, match=r"a\.npy"):
        find_samples(tmp_path)
