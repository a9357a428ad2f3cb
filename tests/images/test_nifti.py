"""NIfTI volumes, against nibabel's own values and places."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from limner.errors import DataError, MissingExtra
from limner.images import (
    choose_plane,
    is_volume,
    medical,
    nifti,
    page_location,
    read_image,
    read_info,
    read_mask,
    read_volume,
)
from limner.types import PLANES

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SAL"])
def test_every_orientation_is_drawn_alike(scans, tmp_path, name, axes):
    """However the scanner ordered the axes, a voxel is drawn where the patient has it."""
    canonical = nibabel.Nifti1Image(VOXELS, np.diag([2.0, 2, 3, 1]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(canonical.affine), nibabel.orientations.axcodes2ornt(axes)
    )
    nibabel.save(canonical.as_reoriented(turn), tmp_path / name)
    location = str(tmp_path / name)
    # Column 0 is the patient's right, the last voxel of the first axis; row 0 the front.
    axial = read_image(page_location(location, 2, "axial"))[..., 0]
    assert axial.shape == (5, 4)
    assert axial[0, 0] == VOXELS[3, 4, 2]
    assert axial[4, 3] == VOXELS[0, 0, 2]
    assert axial[1, 2] == VOXELS[1, 3, 2]
    coronal = read_image(page_location(location, 1, "coronal"))[..., 0]
    assert coronal[0, 0] == VOXELS[3, 1, 5]  # right, head
    sagittal = read_image(page_location(location, 1, "sagittal"))[..., 0]
    assert sagittal[0, 0] == VOXELS[1, 4, 5]  # front, head
    assert sagittal[5, 4] == VOXELS[1, 0, 0]
    assert read_info(location).pages == 6
    assert read_info(page_location(location, 1, "coronal")).size == (6, 4)


def test_an_oblique_volume_goes_by_its_nearest_axes(tmp_path):
    angle = np.radians(20)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    nibabel.save(nibabel.Nifti1Image(VOXELS, turned @ np.diag([1.0, 1, 4, 1])), tmp_path / "a.nii.gz")
    location = str(tmp_path / "a.nii.gz")
    assert read_image(page_location(location, 0, "axial"))[0, 0, 0] == VOXELS[3, 4, 0]
    assert np.allclose(read_volume(location).spacing, (1, 1, 4))


def test_scale_and_offset_are_applied_as_nibabel_does(scans, tmp_path):
    image = nibabel.Nifti1Image(VOXELS, np.diag([-1.0, -1, 1, 1]))
    image.header.set_slope_inter(0.5, -7)
    nibabel.save(image, tmp_path / "a.nii.gz")
    location = str(tmp_path / "a.nii.gz")
    # Saving fits the stored numbers to the scale; nibabel says what they now mean.
    expected = nibabel.load(location).get_fdata()[..., 3].T
    found = read_image(page_location(location, 3, "axial"))
    assert found.dtype == np.float32
    assert np.allclose(found[..., 0], expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64, ">i2"])
def test_masks_keep_their_values(scans, tmp_path, dtype):
    voxels = (VOXELS % 4).astype(dtype)
    location = scans.nifti(tmp_path / "a.nii.gz", voxels)
    mask = read_mask(page_location(location, 1, "axial")).array
    assert np.array_equal(mask, voxels[1])
    assert read_image(page_location(location, 1, "axial")).dtype == np.float32


def test_nifti_2_and_single_slices(tmp_path):
    nibabel.save(nibabel.Nifti2Image(VOXELS, np.eye(4)), tmp_path / "a.nii")
    assert read_info(str(tmp_path / "a.nii")).pages == 4
    nibabel.save(nibabel.Nifti1Image(VOXELS[..., :1, None], np.diag([1.0, 1, 5, 1])), tmp_path / "b.nii.gz")
    assert read_info(str(tmp_path / "b.nii.gz")).pages == 1
    assert read_image(str(tmp_path / "b.nii.gz")).shape == (5, 4, 1)


def test_the_plane_is_chosen_by_spacing_then_by_the_fewest_slices():
    def chosen(shape, spacing):
        grid = nifti.Volume(shape, np.diag([*spacing, 1.0]))
        return choose_plane([grid])

    assert chosen((100, 100, 20), (1, 1, 5))[0] == "axial"
    assert chosen((15, 256, 256), (4, 1, 1)) == ("sagittal", "slices lie 4 mm apart, pixels 1 mm")
    assert chosen((200, 40, 200), (1, 1, 1))[0] == "coronal"
    assert chosen((64, 64, 64), (1, 1, 1))[0] == "axial"


def test_a_volume_is_unpacked_once(scans, tmp_path, monkeypatch):
    location = scans.nifti(tmp_path / "a.nii.gz", VOXELS)
    unpacked = []
    read = nifti._read
    monkeypatch.setattr(nifti, "_read", lambda *arguments: unpacked.append(1) or read(*arguments))
    for page in range(4):
        read_image(page_location(location, page, "axial"))
    assert len(unpacked) == 1
    scans.nifti(tmp_path / "a.nii.gz", VOXELS[:, :3] + 1)  # written again
    assert read_image(page_location(location, 0, "axial"))[0, 0, 0] == VOXELS[0, 0, 0] + 1


def test_a_volume_in_an_archive(scans, tmp_path, make_zip):
    content = Path(scans.nifti(tmp_path / "a.nii.gz", VOXELS)).read_bytes()
    archive = make_zip({"sub/a.nii.gz": content})
    location = f"zip://sub/a.nii.gz::{archive}"
    assert is_volume(location)
    assert np.array_equal(read_image(page_location(location, 3, "axial"))[..., 0], VOXELS[3])


def test_four_dimensions_are_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5, 2), np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match="3×4×5×2") as error:
        read_info(str(tmp_path / "a.nii.gz"))
    assert "_0000" in error.value.remedy


def test_damage_is_named(scans, tmp_path):
    whole = Path(scans.nifti(tmp_path / "a.nii.gz", VOXELS)).read_bytes()
    for number, content in enumerate([
        whole[:100], whole[:-20], b"", gzip.compress(b"no volume"), gzip.compress(gzip.decompress(whole)[:400]),
    ]):  # fmt: skip
        path = tmp_path / f"{number}.nii.gz"
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"{number}\.nii\.gz"):
            read_image(page_location(str(path), 0, "axial"))


def test_a_header_that_lies_about_its_size(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header.set_data_dtype(np.uint8)
    header["magic"], header["vox_offset"] = b"n+1", 352
    header.set_sform(np.eye(4), 1)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(1000)))
    for read in (read_info, read_image):
        with pytest.raises(DataError, match="voxels"):
            read(page_location(str(tmp_path / "a.nii.gz"), 0, "axial"))


def test_a_missing_package_is_named_with_the_line_to_type(scans, tmp_path, monkeypatch):
    location = scans.nifti(tmp_path / "a.nii.gz", VOXELS)
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    medical._imported.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r"pip install 'limner\[medical\]'"):
            read_info(location)
    finally:
        medical._imported.cache_clear()


def test_planes_are_in_the_order_of_the_axes():
    assert PLANES == ("sagittal", "coronal", "axial")
