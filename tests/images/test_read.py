from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.errors import DataError
from limner.images import limits, member_location, read_image, read_info, read_mask


def samples() -> dict[str, bytes]:
    """One small file of every format, of noise so that compressed data is dense."""
    array = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    made = {}
    for name in ("png", "jpeg", "bmp", "gif", "webp"):
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, name)
        made[name] = stream.getvalue()
    for name, compression in (("tiff", None), ("tiff-lzw", "lzw"), ("tiff-zlib", "zlib")):
        stream = io.BytesIO()
        tifffile.imwrite(stream, array, photometric="rgb", compression=compression)
        made[name] = stream.getvalue()
    stream = io.BytesIO()
    np.save(stream, array)
    made["npy"] = stream.getvalue()
    stream = io.BytesIO()
    np.savez_compressed(stream, array)
    made["npz"] = stream.getvalue()
    return made


SAMPLES = samples()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "picture"


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps headers that chance made enormous from being believed."""
    monkeypatch.setattr(limits, "PIXEL_LIMIT", 2**20)


def read_everything(location: str) -> list[DataError]:
    """Read in every way; anything but a DataError escapes and fails the test."""
    errors = []
    for read in (read_info, read_image, read_mask):
        try:
            read(location)
        except DataError as error:
            errors.append(error)
    assert all(location in str(error) for error in errors)
    return errors


@pytest.mark.parametrize("name", SAMPLES)
def test_the_whole_file_is_read(scratch, name):
    scratch.write_bytes(SAMPLES[name])

    assert read_everything(str(scratch)) == []
    assert read_image(str(scratch)).shape == (24, 32, 3)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_file_cut_short_is_refused_and_never_filled_up(scratch, name, share):
    scratch.write_bytes(SAMPLES[name][: int(len(SAMPLES[name]) * share)])

    for read in (read_image, read_mask):
        with pytest.raises(DataError, match=r"damaged or cut short|is plain text|no format"):
            read(str(scratch))


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_bytes_give_nothing_but_data_errors(scratch, small_limit, name, data):
    content = bytearray(SAMPLES[name])
    # Mostly in the headers, where decoders take decisions.
    places = st.one_of(st.integers(0, 120), st.integers(0, len(content) - 1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=6)):
        content[min(place, len(content) - 1)] = value
    scratch.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))

    read_everything(str(scratch))


@given(content=st.binary(max_size=600), signature=st.sampled_from([b"", *(data[:16] for data in SAMPLES.values())]))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_bytes_give_nothing_but_data_errors(scratch, small_limit, content, signature):
    scratch.write_bytes(signature + content)

    assert read_everything(str(scratch))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: 0 bytes"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"\0" * 100, "is filled with zero bytes"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(save, content, words):
    location = save("a.jpg", content)

    with pytest.raises(DataError, match=rf"a\.jpg' {words}"):
        read_image(location)


def test_content_counts_and_not_the_suffix(encode, save, color):
    location = save("really_a_png.jpg", encode(color, "png"))

    np.testing.assert_array_equal(read_image(location), color)


@pytest.mark.parametrize(
    ("name", "fragment"), [("png", "#key=a"), ("npy", "#key=a"), ("npy", "#page=1"), ("jpeg", "#page=1")]
)
def test_page_or_key_that_a_file_cannot_have_is_refused(save, name, fragment):
    location = save("a", SAMPLES[name]) + fragment

    for read in (read_info, read_image, read_mask):
        with pytest.raises(DataError, match="a#"):
            read(location)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match="there is none"):
        read_image(str(tmp_path / "absent.png"))
    with pytest.raises(DataError, match="it is a folder"):
        read_info(str(tmp_path))


def test_bomb_is_refused_by_its_header(save):
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    location = save(
        "bomb.png", b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )

    for read in (read_info, read_image, read_mask):
        with pytest.raises(DataError, match="says it is 60,000×60,000"):
            read(location)


def test_picture_beyond_pillows_own_limit_is_read(encode, save, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)

    assert read_image(save("a.png", encode(np.zeros((50, 60), np.uint8), "png"))).shape == (50, 60, 1)


@pytest.mark.parametrize("name", SAMPLES)
def test_pixel_limit_holds_for_every_format(scratch, monkeypatch, name):
    scratch.write_bytes(SAMPLES[name])
    monkeypatch.setattr(limits, "PIXEL_LIMIT", 24 * 32 - 1)

    assert len(read_everything(str(scratch))) == 3


def test_many_threads_read_the_same_places(save, make_zip):
    archive = make_zip(SAMPLES)
    locations = [save(name, data) for name, data in SAMPLES.items()]
    locations += [member_location(archive, name) for name in SAMPLES]
    expected = [read_image(location) for location in locations]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(read_image, locations * 10))

    for position, image in enumerate(results):
        np.testing.assert_array_equal(image, expected[position % len(locations)])
