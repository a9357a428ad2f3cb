from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from limner.errors import DataError
from limner.images import read_image, read_info, read_mask


def tiff_bytes(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_kept_types_come_back_exactly(save, rng, dtype, compression, channels):
    array = (rng.random((5, 7, channels)) * 200).astype(dtype)
    options: dict[str, Any] = {"photometric": "rgb"} if channels == 3 else {"photometric": "minisblack"}
    if channels > 1:
        options["planarconfig"] = "contig"
    location = save("a.tif", tiff_bytes(array.squeeze(), compression=compression, **options))

    image = read_image(location)

    assert image.dtype == dtype
    np.testing.assert_array_equal(image, array)
    info = read_info(location)
    assert (info.size, info.channels, info.dtype, info.pages) == ((5, 7), channels, dtype, 1)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "float64"])
def test_other_numbers_become_float_pictures(save, dtype):
    array = np.array([[0, 1, 60_000 if dtype != "int16" else -3]], dtype=dtype)
    location = save("a.tif", tiff_bytes(array))

    image = read_image(location)

    assert image.dtype == np.float32
    assert read_info(location).dtype == "float32"
    np.testing.assert_array_equal(image[..., 0], array)


def test_signed_mask_keeps_its_values_as_int32(save):
    mask = read_mask(save("a.tif", tiff_bytes(np.array([[-1, 0, 300]], dtype=np.int16))))

    assert mask.array.dtype == np.int32
    assert mask.array.tolist() == [[-1, 0, 300]]


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_both_byte_orders_become_native(save, byteorder):
    image = read_image(save("a.tif", tiff_bytes(np.array([[1, 500]], dtype=np.uint16), byteorder=byteorder)))

    assert image.dtype.isnative
    assert image[0, :, 0].tolist() == [1, 500]


def test_separate_planes_become_the_last_axis(save, rng):
    array = rng.random((4, 6, 8)).astype(np.float32)
    location = save("a.tif", tiff_bytes(array, photometric="minisblack", planarconfig="separate"))

    np.testing.assert_array_equal(read_image(location), np.moveaxis(array, 0, -1))
    assert read_info(location).channels == 4


@pytest.mark.parametrize("options", [{"ome": True}, {"imagej": True}], ids=["ome", "imagej"])
def test_planes_called_channels_are_channels_and_the_rest_are_pages(save, rng, options):
    array = rng.integers(0, 999, (3, 2, 5, 7), dtype=np.uint16)
    location = save("a.tif", tiff_bytes(array, metadata={"axes": "TCYX"}, **options))

    info = read_info(location)
    assert (info.pages, info.channels, info.size) == (3, 2, (5, 7))
    np.testing.assert_array_equal(read_image(f"{location}#page=1"), np.moveaxis(array[1], 0, -1))
    with pytest.raises(DataError, match="3 pages"):
        read_image(location)


def test_stack_asks_for_a_page(save, rng):
    stack = rng.integers(0, 256, (4, 5, 7), dtype=np.uint8)
    location = save("stack.tif", tiff_bytes(stack, photometric="minisblack"))

    with pytest.raises(DataError, match=r"stack\.tif' has 4 pages[\s\S]*data\.page=0[\s\S]*data\.page=all"):
        read_mask(location)
    np.testing.assert_array_equal(read_mask(f"{location}#page=3").array, stack[3])
    with pytest.raises(DataError, match="4 pages, counted from 0"):
        read_info(f"{location}#page=4")


def test_pages_of_different_sizes(encode, save):
    small, large = Image.new("L", (4, 3), 1), Image.new("L", (8, 6), 2)
    location = save("a.tif", encode(small, "tiff", save_all=True, append_images=[large]))

    assert read_info(location).pages == 2
    assert read_image(f"{location}#page=1").shape == (6, 8, 1)


def test_thumbnail_is_not_a_page(save):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(np.ones((40, 50), np.uint8))
        writer.write(np.zeros((4, 5), np.uint8), subfiletype=1)

    assert read_info(save("a.tif", stream.getvalue())).pages == 1


def test_palette_is_kept_in_masks_and_expanded_in_pictures(encode, save, indexed):
    location = save("a.tif", encode(indexed, "tiff"))

    mask = read_mask(location)

    assert mask.array.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert mask.palette[:3].tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
    assert read_image(location)[0, 1].tolist() == [255, 0, 0]
    assert read_info(location).palette


def test_palette_of_eight_bit_colours_in_sixteen(save):
    colormap = np.zeros((3, 256), np.uint16)
    colormap[:, 1] = (200, 100, 50)
    data = tiff_bytes(np.array([[0, 1]], np.uint8), photometric="palette", colormap=colormap)

    assert read_image(save("a.tif", data))[0, 1].tolist() == [200, 100, 50]


@pytest.mark.parametrize("compression", [None, "group4"])
def test_one_bit_fax_is_not_inverted(encode, save, compression):
    truth = np.eye(8, dtype=bool)
    location = save("a.tif", encode(truth, "tiff", compression=compression))

    mask = read_mask(location).array

    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, truth)


@pytest.mark.parametrize("tiffinfo", [{262: 0}, {262: 1}], ids=["white is zero", "black is zero"])
def test_photometric_of_other_programs_is_honoured(encode, save, tiffinfo):
    data = encode(np.eye(8, dtype=bool), "tiff", compression="group4", tiffinfo=tiffinfo)
    expected = np.asarray(Image.open(io.BytesIO(data)))

    np.testing.assert_array_equal(read_mask(save("a.tif", data)).array, expected)


def test_white_is_zero_greys_are_turned_round(save):
    data = tiff_bytes(np.array([[0, 10, 255]], np.uint8), photometric="miniswhite")

    assert read_image(save("a.tif", data))[0, :, 0].tolist() == [255, 245, 0]


def test_boolean_mask_written_with_tifffile_reads_back_as_it_was(save):
    truth = np.eye(5, 9, dtype=bool)

    np.testing.assert_array_equal(read_mask(save("a.tif", tiff_bytes(truth))).array, truth)


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_tag_turns_images_and_masks(encode, save, color, value):
    exif = Image.Exif()
    exif[0x0112] = value
    data = encode(color, "tiff", exif=exif)
    # Pillow turns TIFFs by itself.
    expected = np.asarray(Image.open(io.BytesIO(data)))
    location = save("a.tif", data)

    np.testing.assert_array_equal(read_image(location), expected)
    np.testing.assert_array_equal(read_mask(location).array, expected)
    assert read_info(location).size == expected.shape[:2]


def test_jpeg_compression_gives_rgb(encode, save):
    location = save("a.tif", encode(Image.new("RGB", (16, 16), (200, 100, 50)), "tiff", compression="jpeg"))

    np.testing.assert_allclose(read_image(location)[0, 0].astype(int), (200, 100, 50), atol=3)


def test_cmyk_is_refused_in_words(encode, save):
    location = save("a.tif", encode(Image.new("CMYK", (4, 4)), "tiff"))

    with pytest.raises(DataError, match="colours stored as SEPARATED"):
        read_image(location)


def test_volume_is_refused_in_words(save):
    data = tiff_bytes(np.zeros((4, 32, 32), np.uint8), volumetric=True, photometric="minisblack", tile=(4, 16, 16))

    with pytest.raises(DataError, match="axes 'ZYX'"):
        read_image(save("a.tif", data))


def test_complex_numbers_are_refused(save):
    location = save("a.tif", tiff_bytes(np.zeros((4, 4), np.complex64)))

    with pytest.raises(DataError, match="complex numbers"):
        read_info(location)
    with pytest.raises(DataError, match="complex numbers"):
        read_image(location)
