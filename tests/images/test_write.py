from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from limner.errors import DataError, OutputError
from limner.images import (
    IGNORE_COLOR,
    encode_jpeg,
    encode_png,
    encode_webp,
    read_image,
    read_mask,
    write_image,
    write_mask,
)


@pytest.mark.parametrize(
    ("suffix", "dtype", "channels"),
    [
        *[(".png", dtype, channels) for dtype in ("uint8", "uint16") for channels in (1, 2, 3, 4)],
        *[(".tif", dtype, channels) for dtype in ("uint8", "uint16", "float32") for channels in (1, 2, 3, 4, 7)],
        *[(".npy", dtype, channels) for dtype in ("uint8", "float32") for channels in (1, 3)],
        (".bmp", "uint8", 3),
        (".bmp", "uint8", 1),
    ],
)
def test_what_is_written_is_read_back(tmp_path, rng, suffix, dtype, channels):
    image = (rng.random((5, 9, channels)) * 255).astype(dtype)
    path = tmp_path / "new" / f"a{suffix}"

    write_image(path, image)

    again = read_image(str(path))
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, image)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_grey_without_a_channel_axis(tmp_path):
    write_image(tmp_path / "a.png", np.eye(4, dtype=np.uint8))

    assert read_image(str(tmp_path / "a.png")).shape == (4, 4, 1)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_come_close(tmp_path, suffix):
    image = np.full((16, 16, 3), (200, 100, 50), np.uint8)

    write_image(tmp_path / f"a{suffix}", image)

    np.testing.assert_allclose(read_image(str(tmp_path / f"a{suffix}")).astype(int), image, atol=4)


@pytest.mark.parametrize(
    ("name", "dtype", "channels"),
    [
        ("a.png", "float32", 1),
        ("a.png", "uint8", 5),
        ("a.jpg", "uint16", 3),
        ("a.jpg", "uint8", 4),
        ("a.xyz", "uint8", 3),
    ],
)
def test_loss_is_refused(tmp_path, name, dtype, channels):
    with pytest.raises(OutputError, match=name):
        write_image(tmp_path / name, np.zeros((4, 4, channels), dtype))

    assert list(tmp_path.iterdir()) == []


def test_mask_is_ids_to_programs_and_colours_to_people(tmp_path):
    ids = np.array([[0, 1, 2, 255]], np.uint8)
    path = tmp_path / "mask.png"

    write_mask(path, ids, [(0, 0, 0), (255, 0, 0), (0, 0, 255)])

    np.testing.assert_array_equal(read_mask(str(path)).array, ids)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), ids)
    seen = np.asarray(Image.open(path).convert("RGB"))[0].tolist()
    assert seen == [[0, 0, 0], [255, 0, 0], [0, 0, 255], list(IGNORE_COLOR)]


def test_mask_id_without_a_colour_is_refused(tmp_path):
    with pytest.raises(DataError, match="id 2"):
        write_mask(tmp_path / "mask.png", np.array([[0, 2]], np.uint8), [(0, 0, 0), (255, 0, 0)])


def test_mask_is_a_png(tmp_path):
    with pytest.raises(OutputError, match=r"mask\.jpg"):
        write_mask(tmp_path / "mask.jpg", np.zeros((2, 2), np.uint8), [(0, 0, 0)])


@pytest.mark.parametrize(("encoder", "name"), [(encode_png, "PNG"), (encode_jpeg, "JPEG"), (encode_webp, "WEBP")])
@pytest.mark.parametrize("channels", [1, 3])
def test_encoders(color, encoder, name, channels):
    picture = Image.open(io.BytesIO(encoder(color[..., :channels])))

    assert picture.format == name
    assert picture.size == (7, 5)


def test_quality_costs_bytes(rng):
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)

    assert len(encode_jpeg(image, quality=40)) < len(encode_jpeg(image, quality=95))
    assert len(encode_webp(image, quality=20)) < len(encode_webp(image, quality=95))
