from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from limner.errors import DataError
from limner.images import read_image, read_info, read_mask


def png_bytes(width: int, height: int, depth: int, color: int, rows: list[bytes]) -> bytes:
    """A PNG made by hand, for bit depths that no writer offers."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("file_format", ["png", "bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_give_back_every_pixel(encode, save, color, file_format, channels):
    array = color[..., 0] if channels == 1 else color
    location = save(f"a.{file_format}", encode(array, file_format))

    image = read_image(location)

    assert image.shape == (5, 7, channels)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, color[..., :channels])
    np.testing.assert_array_equal(read_mask(location).array, array)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_kept(encode, save, rng, channels):
    array = rng.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    location = save("a.png", encode(array, "png"))

    np.testing.assert_array_equal(read_image(location), array)
    np.testing.assert_array_equal(read_mask(location).array, array)
    assert read_info(location).channels == channels


@pytest.mark.parametrize("file_format", ["png", "webp"])
def test_colour_under_full_transparency_is_kept(encode, save, file_format):
    array = np.full((4, 4, 4), (200, 100, 50, 0), dtype=np.uint8)
    options = {"lossless": True, "exact": True} if file_format == "webp" else {}

    np.testing.assert_array_equal(read_image(save("a", encode(array, file_format, **options))), array)


def test_jpeg_is_what_pillow_decodes(encode, save, color):
    data = encode(color, "jpeg", quality=95)

    np.testing.assert_array_equal(read_image(save("A.JPG", data)), np.asarray(Image.open(io.BytesIO(data))))


def test_cmyk_jpeg_becomes_rgb(encode, save):
    location = save("a.jpg", encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "jpeg", quality=100))

    assert read_info(location).channels == 3
    assert read_image(location).shape == (8, 8, 3)
    np.testing.assert_allclose(read_image(location)[0, 0].astype(int), (255, 0, 0), atol=3)
    assert read_mask(location).array.shape == (8, 8, 3)


def test_one_bit_is_a_picture_of_0_and_255_and_a_mask_of_booleans(encode, save):
    truth = np.eye(5, 7, dtype=bool)
    location = save("a.png", encode(truth, "png"))

    np.testing.assert_array_equal(read_image(location)[..., 0], truth * 255)
    assert read_mask(location).array.dtype == bool
    np.testing.assert_array_equal(read_mask(location).array, truth)
    assert read_info(location).dtype == "bool"


@pytest.mark.parametrize(
    ("depth", "row", "expected"), [(2, b"\x1b", [0, 85, 170, 255]), (4, b"\x01\x2f", [0, 17, 34, 255])]
)
def test_few_bits_of_grey_are_scaled_to_eight(save, depth, row, expected):
    location = save("a.png", png_bytes(4, 1, depth, 0, [row]))

    assert read_image(location)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("file_format", ["png", "gif", "bmp"])
def test_palette_is_expanded_in_pictures_and_kept_in_masks(encode, save, indexed, file_format):
    location = save(f"a.{file_format}", encode(indexed, file_format))

    mask = read_mask(location)

    assert mask.array.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert mask.palette is not None
    assert mask.palette[:3].tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
    assert read_image(location)[0].tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
    info = read_info(location)
    assert (info.palette, info.channels, info.size) == (True, 3, (2, 3))


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 128])])
def test_transparent_palette_gives_pictures_an_opacity_channel(encode, save, indexed, transparency):
    location = save("a.png", encode(indexed, "png", transparency=transparency))

    image = read_image(location)

    assert read_info(location).channels == image.shape[2] == 4
    assert image[0, :2, 3].tolist() == [255, 0]
    assert read_mask(location).palette.shape[1] == 3


def test_palette_index_without_a_colour_is_refused(encode, save, indexed):
    data = encode(indexed, "png")
    at = data.index(b"PLTE")
    palette = data[at + 4 : at + 10]
    short = struct.pack(">I", 6) + b"PLTE" + palette + struct.pack(">I", zlib.crc32(b"PLTE" + palette))
    location = save("a.png", data[: at - 4] + short + data[at + 4 + 9 + 4 :])

    with pytest.raises(DataError, match="colour 2 of a palette of 2"):
        read_image(location)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png_is_not_cut_to_eight(save, rng, channels):
    array = rng.integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    location = save("a.png", imagecodecs.png_encode(array[..., 0].copy() if channels == 1 else array))

    image = read_image(location)

    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, array)
    info = read_info(location)
    assert (info.dtype, info.channels, info.size) == ("uint16", channels, (5, 7))
    assert read_mask(location).array.dtype == np.uint16


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp"])
def test_exif_orientation_turns_images_and_masks_as_pillow_would(encode, save, color, value, file_format):
    data = encode(color, file_format, exif=orientation(value))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    location = save("a.picture", data)

    np.testing.assert_array_equal(read_image(location), expected)
    np.testing.assert_array_equal(read_mask(location).array, expected)
    info = read_info(location)
    assert info.size == expected.shape[:2]
    assert info.orientation == value


def test_sixteen_bit_png_is_turned_too(encode, save, rng):
    array = rng.integers(0, 65536, (5, 7), dtype=np.uint16)
    location = save("a.png", encode(array, "png", exif=orientation(6)))

    np.testing.assert_array_equal(read_image(location)[..., 0], np.rot90(array, -1))


@pytest.mark.parametrize("file_format", ["gif", "webp"])
def test_animation_asks_for_a_page(encode, save, file_format):
    frames = [Image.new("L", (6, 4), value) for value in (10, 120, 240)]
    location = save("a", encode(frames[0], file_format, save_all=True, append_images=frames[1:]))

    assert read_info(location).pages == 3
    with pytest.raises(DataError, match=r"3 pages[\s\S]*data\.page=0[\s\S]*data\.page=all"):
        read_image(location)
    values = [read_image(f"{location}#page={page}").mean() for page in range(3)]
    np.testing.assert_allclose(values, [10, 120, 240], atol=4)
    with pytest.raises(DataError, match="3 pages, counted from 0"):
        read_mask(f"{location}#page=3")


def test_single_frame_gif_needs_no_page(encode, save, indexed):
    location = save("mask.gif", encode(indexed, "gif"))

    assert read_info(location).pages == 1
    np.testing.assert_array_equal(read_mask(f"{location}#page=0").array, read_mask(location).array)


def test_camera_file_of_several_jpegs_is_its_first_picture(encode, save):
    pictures = [Image.new("RGB", (8, 6), (value,) * 3) for value in (200, 10)]
    location = save("a.jpg", encode(pictures[0], "mpo", save_all=True, append_images=pictures[1:]))

    assert read_info(location).pages == 1
    np.testing.assert_allclose(read_image(location), 200, atol=2)


def test_arrays_can_be_written_to(encode, save, color):
    location = save("a.png", encode(color, "png"))

    assert read_image(location).flags.writeable
    assert read_mask(location).array.flags.writeable


def test_damaged_metadata_warns_nobody(encode, save, color):
    # An orientation, then an entry that points far outside the block.
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", 0x010E, 2, 500, 60_000)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0)
    location = save("a.jpg", encode(color, "jpeg", exif=exif))
    code = f"from limner.images import read_image; print(read_image({location!r}).shape)"

    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)

    assert (result.stdout.strip(), result.stderr) == ("(7, 5, 3)", "")


def test_a_png_that_promises_more_than_its_bytes_can_hold_is_refused_before_room_is_made(tmp_path):
    content = bytearray(png_bytes(8, 8, 8, 0, [bytes(8)] * 8))
    content[16:24] = struct.pack(">II", 20_000, 20_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match="cannot unpack to the 400,000,000 that its header promises"):
        read_image(str(tmp_path / "a.png"))


@pytest.mark.parametrize(("depth", "color", "row"), [(1, 0, b"\x0f" * 125), (4, 3, b"\0" * 500), (16, 6, bytes(8000))])
def test_a_png_as_well_packed_as_can_be_is_read(tmp_path, depth, color, row):
    content = png_bytes(1000, 1000, depth, color, [row] * 1000)
    if color == 3:
        header = content.index(b"IDAT") - 4
        palette = struct.pack(">I", 3) + b"PLTE" + bytes(3) + struct.pack(">I", zlib.crc32(b"PLTE" + bytes(3)))
        content = content[:header] + palette + content[header:]
    (tmp_path / "a.png").write_bytes(content)
    assert read_image(str(tmp_path / "a.png")).shape[:2] == (1000, 1000)
