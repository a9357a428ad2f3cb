"""DICOM pictures, against pydicom's own values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut
from pydicom.sequence import Sequence

from limner.errors import DataError
from limner.images import is_dicom, page_location, read_image, read_info, read_mask

CT = np.arange(-5, 1, dtype=np.int16).reshape(2, 3) * 100


def oracle(location: str) -> np.ndarray:
    """What pydicom says the grey values are."""
    found = pydicom.dcmread(location)
    return apply_modality_lut(found.pixel_array, found)


@pytest.mark.parametrize(
    ("stored", "attributes"),
    [
        (CT, {"RescaleSlope": 1, "RescaleIntercept": -1024}),
        (CT, {"RescaleSlope": "0.25", "RescaleIntercept": "0.5"}),
        (CT, {}),
        (CT.astype(np.uint16), {}),
        (
            np.array([[0, 1, 4095], [7, 2048, 9]], np.uint16),
            {"BitsStored": 12, "RescaleIntercept": -1024, "RescaleSlope": 1},
        ),
        (np.array([[-2048, -1, 2047]], np.int16), {"BitsStored": 12}),
        (np.array([[1, 200]], np.uint8), {"RescaleSlope": 2, "RescaleIntercept": 0}),
        (np.array([[-100, 100]], np.int8), {}),
        (np.array([[0, 2**30 + 64]], np.uint32), {}),
    ],
)
def test_grey_values_are_in_the_unit_that_the_file_states(scans, tmp_path, stored, attributes):
    location = scans.dicom(tmp_path / "a.dcm", stored, **attributes)
    image = read_image(location)
    assert image.dtype == np.float32
    assert np.array_equal(image[..., 0], oracle(location).astype(np.float32))
    assert read_info(location).dtype == "float32"
    assert np.array_equal(read_mask(location).array, stored)  # a mask's values are ids: never rescaled


def test_eight_bits_stay_eight_bits(scans, tmp_path):
    stored = np.array([[0, 255], [3, 4]], np.uint8)
    image = read_image(scans.dicom(tmp_path / "a.dcm", stored, WindowCenter=50, WindowWidth=10))
    assert image.dtype == np.uint8
    assert np.array_equal(image[..., 0], stored)  # no window


def test_white_is_zero_is_turned_round(scans, tmp_path):
    stored = np.array([[0, 100], [4000, 4095]], np.uint16)
    location = scans.dicom(
        tmp_path / "a.dcm", stored, BitsStored=12, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2,
        RescaleIntercept=1,
    )  # fmt: skip
    assert read_image(location)[..., 0].tolist() == [[8191, 7991], [191, 1]]


def test_white_is_zero_with_signs(scans, tmp_path):
    location = scans.dicom(
        tmp_path / "a.dcm", np.array([[-128, 127]], np.int8), PhotometricInterpretation="MONOCHROME1"
    )
    assert read_image(location)[..., 0].tolist() == [[127, -128]]


def test_a_table_of_the_modality(scans, tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor = [4, 0, 16]
    table.add_new("LUTData", "OW", np.array([10, 500, 40, 7], "<u2").tobytes())
    table.ModalityLUTType = "US"
    location = scans.dicom(
        tmp_path / "a.dcm", np.array([[0, 1, 2, 3]], np.uint8), ModalityLUTSequence=Sequence([table])
    )
    assert read_image(location)[0, :, 0].tolist() == [10, 500, 40, 7] == oracle(location)[0].tolist()


def test_padding_is_as_dark_as_the_darkest_pixel(scans, tmp_path):
    stored = np.array([[-2000, -1000], [0, 50]], np.int16)
    location = scans.dicom(tmp_path / "a.dcm", stored, PixelPaddingValue=-2000, RescaleSlope=1, RescaleIntercept=0)
    assert read_image(location)[..., 0].tolist() == [[-1000, -1000], [0, 50]]
    assert read_mask(location).array[0, 0] == -2000


def test_frames_are_pages_with_a_rescale_each(scans, tmp_path):
    stored = np.arange(12, dtype=np.uint16).reshape(3, 2, 2)
    groups = []
    for slope in (1, 2, 3):
        transformation, group = pydicom.Dataset(), pydicom.Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = slope, -1
        group.PixelValueTransformationSequence = Sequence([transformation])
        groups.append(group)
    location = scans.dicom(tmp_path / "a.dcm", stored, PerFrameFunctionalGroupsSequence=Sequence(groups))
    assert read_info(location).pages == 3
    assert read_image(page_location(location, 2))[..., 0].tolist() == [[23, 26], [29, 32]]
    with pytest.raises(DataError, match="3 pages"):
        read_image(location)
    with pytest.raises(DataError, match="page 3"):
        read_image(page_location(location, 3))


def test_colours(scans, tmp_path, color):
    location = scans.dicom(tmp_path / "a.dcm", color)
    assert np.array_equal(read_image(location), color)
    yellow = np.array([[[210, 16, 146]]], np.uint8)  # ITU-R BT.601 of (255, 255, 0), full range, is near this
    full = read_image(scans.dicom(tmp_path / "b.dcm", yellow, PhotometricInterpretation="YBR_FULL"))
    assert np.abs(full[0, 0].astype(int) - [235, 235, 12]).max() < 5


def test_a_palette_gives_its_colours_and_a_mask_its_indices(scans, tmp_path):
    table = {
        f"{name}PaletteColorLookupTable{kind}": value
        for name, entries in (("Red", [0, 65535]), ("Green", [0, 0x8000]), ("Blue", [0, 0]))
        for kind, value in (("Descriptor", [2, 0, 16]), ("Data", np.array(entries, "<u2").tobytes()))
    }
    stored = np.array([[0, 1], [1, 0]], np.uint8)
    location = scans.dicom(tmp_path / "a.dcm", stored, PhotometricInterpretation="PALETTE COLOR", **table)
    assert read_image(location)[0].tolist() == [[0, 0, 0], [255, 128, 0]]
    mask = read_mask(location)
    assert np.array_equal(mask.array, stored)
    assert mask.palette is not None
    assert mask.palette[1].tolist() == [255, 128, 0]


def test_one_bit(scans, tmp_path):
    bits = np.packbits(np.array([1, 0, 0, 1, 1, 1, 0, 0], np.uint8), bitorder="little")
    location = scans.dicom(
        tmp_path / "a.dcm", np.zeros((2, 4), np.uint8), BitsAllocated=1, BitsStored=1, HighBit=0,
        PixelData=bits.tobytes() + b"\0",
    )  # fmt: skip
    assert read_mask(location).array.tolist() == [[True, False, False, True], [True, True, False, False]]


def compressed(scans: Any, path: Path, stored: np.ndarray, syntax: str, frame: bytes, **attributes: Any) -> str:
    found = scans.picture(stored, **attributes)
    found.PixelData = encapsulate([frame])
    found["PixelData"].VR = "OB"
    found.file_meta.TransferSyntaxUID = syntax
    found.save_as(path, enforce_file_format=True)
    return str(path)


GREY = (np.add.outer(np.arange(24), np.arange(32)) * 37 % 4000).astype(np.uint16)


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (pydicom.uid.JPEGLosslessSV1, lambda array: imagecodecs.jpeg8_encode(array, lossless=True, bitspersample=16)),
        (pydicom.uid.JPEGLSLossless, imagecodecs.jpegls_encode),
        (pydicom.uid.JPEG2000Lossless, lambda array: imagecodecs.jpeg2k_encode(array, reversible=True, level=0)),
    ],
)
def test_compressed_pixels_come_back_exactly(scans, tmp_path, syntax, encode):
    location = compressed(scans, tmp_path / "a.dcm", GREY, syntax, encode(GREY))
    assert np.array_equal(read_image(location)[..., 0], GREY)
    assert read_info(location).size == (24, 32)


def test_signed_jpeg_2000(scans, tmp_path):
    signed = GREY.astype(np.int16) - 2000
    frame = imagecodecs.jpeg2k_encode(signed, reversible=True, level=0)
    location = compressed(scans, tmp_path / "a.dcm", signed, pydicom.uid.JPEG2000Lossless, frame)
    assert np.array_equal(read_image(location)[..., 0], signed)


def test_rle_and_jpeg(scans, tmp_path, color):
    found = scans.picture(GREY)
    found.compress(pydicom.uid.RLELossless)
    found.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.array_equal(read_image(str(tmp_path / "a.dcm"))[..., 0], GREY)
    smooth = np.repeat((GREY // 30).astype(np.uint8)[..., None], 3, axis=2)
    frame = imagecodecs.jpeg8_encode(smooth, level=98)
    location = compressed(
        scans, tmp_path / "b.dcm", smooth, pydicom.uid.JPEGBaseline8Bit, frame, PhotometricInterpretation="YBR_FULL_422"
    )
    assert np.abs(read_image(location).astype(int) - smooth).mean() < 3


def test_a_frame_larger_than_its_header_is_refused(scans, tmp_path):
    location = compressed(
        scans, tmp_path / "a.dcm", GREY[:8, :8].copy(), pydicom.uid.JPEGLSLossless, imagecodecs.jpegls_encode(GREY)
    )
    with pytest.raises(DataError, match=r"a\.dcm"):
        read_image(location)


def test_an_unknown_compression_is_named(scans, tmp_path):
    location = compressed(scans, tmp_path / "a.dcm", GREY, pydicom.uid.MPEG2MPML, b"\0\0\1\xba")
    with pytest.raises(DataError, match="compressed as MPEG2") as error:
        read_image(location)
    assert "gdcmconv" in error.value.remedy


def test_files_that_are_no_pictures_say_what_they_are(scans, tmp_path):
    found = scans.picture(GREY, SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3")
    del found.PixelData, found.Rows, found.Columns
    found.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(DataError, match="RT Structure Set"):
        read_info(str(tmp_path / "a.dcm"))
    segments = scans.dicom(tmp_path / "b.dcm", GREY, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    with pytest.raises(DataError, match="segmentation object"):
        read_mask(segments)


@pytest.mark.parametrize("end", [133, 400, 700, -10])
def test_damage_is_named(scans, tmp_path, end):
    path = Path(scans.dicom(tmp_path / "a.dcm", GREY))
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match=r"a\.dcm"):
        read_image(str(path))


def test_a_header_that_lies_about_its_size(scans, tmp_path):
    location = scans.dicom(tmp_path / "a.dcm", GREY, Rows=65535, Columns=65535)
    with pytest.raises(DataError, match="at most"):
        read_image(location)


def test_dicom_without_an_ending_is_told_by_its_first_bytes(scans, tmp_path):
    (tmp_path / "README").write_bytes(b"text")
    assert is_dicom(scans.dicom(tmp_path / "IM0001", GREY))
    assert is_dicom(scans.dicom(tmp_path / "1.2.840.113", GREY))
    assert not is_dicom(str(tmp_path / "README"))
    assert not is_dicom(scans.dicom(tmp_path / "DICOMDIR", GREY))
