"""Files that are damaged, or made to do damage: a picture, or an error that names the file, and nothing else."""

from __future__ import annotations

import functools
import io
import logging
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.errors import DataError
from limner.images import limits, read_image, read_info, read_mask

ROWS, COLUMNS = np.mgrid[:20, :28]
GREY = ((ROWS * 7 + COLUMNS * 5) % 256).astype(np.uint8)
PALETTE = np.tile(np.arange(256, dtype=np.uint16) * 256, (3, 1))
COLOR = np.dstack([GREY, GREY[::-1], GREY[:, ::-1] // 3])


def saved(picture: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(stream, kind, **options)
    return stream.getvalue()


def tiff(array: np.ndarray, *, bigtiff: bool = False, **options: Any) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=bigtiff, imagej=options.pop("imagej", False)) as writer:
        writer.write(array, **options)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(height: int, width: int, rows: bytes, *, depth: int = 8, color: int = 0, interlaced: int = 0) -> bytes:
    """A PNG of these rows, which need not be what its header says."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def interlaced() -> bytes:
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [GREY[top:8:down, left:8:right] for top, left, down, right in passes]
    return png(8, 8, b"".join(b"\0" + row.tobytes() for part in parts for row in part), interlaced=1)


@functools.cache
def whole_files() -> dict[str, bytes]:
    """A small file of every kind that is read."""
    color, grey = Image.fromarray(COLOR), Image.fromarray(GREY)
    turned = Image.Exif()
    turned[0x0112] = 6
    more = {"save_all": True, "append_images": [color.rotate(180)] * 2}
    return {
        "png 1 bit": saved(grey.convert("1"), "PNG"),
        "png 2 bits": saved(color.quantize(4), "PNG", bits=2),
        "png 4 bits": saved(color.quantize(9), "PNG", bits=4),
        "png grey": saved(GREY, "PNG"),
        "png palette": saved(color.quantize(200), "PNG", transparency=3),
        "png opacity": saved(color.convert("RGBA"), "PNG"),
        "png turned": saved(COLOR, "PNG", exif=turned),
        "png 16 bits": imagecodecs.png_encode(COLOR.astype(np.uint16) * 255),
        "png interlaced": interlaced(),
        "png animated": saved(color, "PNG", **more),
        "jpeg": saved(COLOR, "JPEG", exif=turned),
        "jpeg progressive": saved(COLOR, "JPEG", progressive=True),
        "jpeg cmyk": saved(color.convert("CMYK"), "JPEG"),
        "bmp": saved(COLOR, "BMP"),
        "bmp palette": saved(color.quantize(16), "BMP"),
        "gif": saved(color.quantize(30), "GIF"),
        "gif animated": saved(color.quantize(30), "GIF", save_all=True, append_images=[color.rotate(180).quantize(30)]),
        "webp": saved(COLOR, "WEBP"),
        "webp lossless": saved(COLOR, "WEBP", lossless=True),
        "webp animated": saved(color, "WEBP", **more),
        "tiff": tiff(COLOR, photometric="rgb"),
        "tiff lzw": tiff(COLOR, photometric="rgb", compression="lzw", predictor=True),
        "tiff strips": tiff(COLOR, photometric="rgb", compression="zlib", rowsperstrip=5),
        "tiff tiles": tiff(np.tile(COLOR, (2, 2, 1)), photometric="rgb", tile=(16, 16), compression="zlib"),
        "tiff jpeg": tiff(COLOR, photometric="rgb", compression="jpeg"),
        "tiff planes": tiff(np.moveaxis(COLOR, 2, 0), photometric="rgb", planarconfig="separate"),
        "tiff fax": saved(grey.convert("1"), "TIFF", compression="group4"),
        "tiff float": tiff(GREY.astype(np.float32)),
        "tiff palette": tiff(GREY, photometric="palette", colormap=PALETTE),
        "tiff pages": tiff(np.stack([GREY] * 3), photometric="minisblack"),
        "tiff imagej": tiff(np.stack([GREY] * 6).reshape(2, 3, 20, 28), imagej=True),
        "tiff big": tiff(GREY, bigtiff=True),
        "npy": npy(GREY),
        "npy float": npy(np.asfortranarray(COLOR.astype(np.float64))),
        "npz": npz(a=GREY),
        "npz two": npz(a=GREY, b=COLOR),
    }  # fmt: skip


KINDS = tuple(whole_files())
INTEGERS = (0, 1, 2, 7, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 30_000, 100_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def looked_at(path: Path) -> dict[str, Any]:
    """What each reader gives; an error must be one that names the file."""
    found: dict[str, Any] = {}
    for read in (read_info, read_image, read_mask):
        try:
            found[read.__name__] = read(str(path))
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 - an error is one of two right answers
    if {"read_info", "read_image"} <= set(found) and found["read_info"].pages == 1:
        info, image = found["read_info"], found["read_image"]
        assert (*info.size, info.channels) == image.shape
    return found


def with_right_checksums(content: bytes) -> bytes:
    """A PNG whose parts are what was made of them, on purpose."""
    changed, place = bytearray(content), 8
    while place + 12 <= len(changed):
        end = place + 8 + int.from_bytes(changed[place : place + 4], "big")
        if end + 4 > len(changed):
            break
        changed[end : end + 4] = struct.pack(">I", zlib.crc32(bytes(changed[place + 4 : end])))
        place = end + 4
    return bytes(changed)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A whole file with flipped bits, changed bytes or numbers, a piece of another file, or the end cut off."""
    kind = draw(st.sampled_from(KINDS))
    content = bytearray(whole_files()[kind])
    places = st.one_of(st.integers(0, min(80, len(content) - 1)), st.integers(0, len(content) - 1))
    match draw(st.integers(0, 4)):
        case 0:
            for place, bit in draw(st.lists(st.tuples(places, st.integers(0, 7)), min_size=1, max_size=8)):
                content[place] ^= 1 << bit
        case 1:
            for place, byte in draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
                content[place] = byte
        case 2:
            place, length = draw(places), draw(st.sampled_from([2, 4, 8]))
            number = draw(st.sampled_from(INTEGERS)) % (1 << 8 * length)
            content[place : place + length] = number.to_bytes(length, draw(st.sampled_from(["little", "big"])))
        case 3:
            place, other = draw(places), whole_files()[draw(st.sampled_from(KINDS))]
            begin = draw(st.integers(0, len(other) - 1))
            content[place : place + draw(st.integers(0, 60))] = other[begin : begin + draw(st.integers(1, 200))]
        case _:
            content[draw(st.sampled_from([4, 8, 12, 16, 30])) :] = draw(st.binary(max_size=300))
    if draw(st.integers(0, 4)) == 0:
        del content[draw(st.integers(0, len(content))) :]
    fixed = kind.startswith("png") and draw(st.booleans())
    return with_right_checksums(bytes(content)) if fixed else bytes(content)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to write to. Headers may promise a picture of 4 million pixels, so that no example takes long."""
    monkeypatch.setattr(limits, "PIXEL_LIMIT", 2**22)
    return tmp_path / "picture"


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(content=damaged())
def test_damage_gives_a_picture_or_an_error(scratch: Path, content: bytes) -> None:
    scratch.write_bytes(content)
    looked_at(scratch)


@pytest.mark.slow
@settings(max_examples=5000, suppress_health_check=list(HealthCheck))
@given(content=damaged())
def test_much_damage_gives_a_picture_or_an_error(scratch: Path, content: bytes) -> None:
    scratch.write_bytes(content)
    looked_at(scratch)


def cut_anywhere(scratch: Path, kind: str, step: int) -> None:
    content = whole_files()[kind]
    scratch.write_bytes(content)
    whole = looked_at(scratch).get("read_image")
    for length in range(0, len(content), step):
        scratch.write_bytes(content[:length])
        found = looked_at(scratch).get("read_image")
        assert found is None or (whole is not None and np.array_equal(found, whole)), f"cut at {length}"


# Of an animation that is cut off after its first picture, that picture is whole.
CUT = [kind for kind in KINDS if kind != "gif animated"]


@pytest.mark.parametrize("kind", CUT)
def test_a_file_cut_anywhere_is_never_filled_up(scratch: Path, kind: str) -> None:
    cut_anywhere(scratch, kind, max(1, len(whole_files()[kind]) // 25))


@pytest.mark.slow
@pytest.mark.parametrize("kind", CUT)
def test_a_file_cut_at_any_byte_is_never_filled_up(scratch: Path, kind: str) -> None:
    cut_anywhere(scratch, kind, 1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("png")])
def test_a_flipped_bit_never_gives_other_pixels_of_a_png(scratch: Path, kind: str) -> None:
    content = whole_files()[kind]
    scratch.write_bytes(content)
    whole = read_image(str(scratch))
    for place in range(0, len(content), max(1, len(content) // 60)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        scratch.write_bytes(bytes(changed))
        found = looked_at(scratch).get("read_image")
        assert found is None or np.array_equal(found, whole), f"bit flipped at {place}"


# Finds of longer runs of the above, each by what was wrong with it.


def with_tag(content: bytes, tag: int, value: int | None) -> bytes:
    """A little-endian TIFF with another number under a tag of its first page, or without that tag."""
    changed = bytearray(content)
    (page,) = struct.unpack_from("<I", changed, 4)
    (count,) = struct.unpack_from("<H", changed, page)
    for place in range(page + 2, page + 2 + 12 * count, 12):
        if struct.unpack_from("<H", changed, place) == (tag,):
            if value is None:
                struct.pack_into("<H", changed, place, 65000)
            else:
                struct.pack_into("<HII", changed, place + 2, 4, 1, value)
    return bytes(changed)


@pytest.mark.parametrize("tag", [256, 257], ids=["width", "height"])
def test_a_tiff_without_pixels(scratch: Path, tag: int) -> None:
    scratch.write_bytes(with_tag(tiff(GREY), tag, 0))
    assert looked_at(scratch) == {}


def test_a_tiff_with_fewer_tiles_than_its_size_takes(scratch: Path) -> None:
    scratch.write_bytes(with_tag(whole_files()["tiff tiles"], 257, 1000))
    with pytest.raises(DataError, match=r"12 of 252 strips or tiles are listed"):
        read_image(str(scratch))


def test_a_tiff_whose_palette_is_gone(scratch: Path) -> None:
    scratch.write_bytes(with_tag(whole_files()["tiff palette"], 320, None))
    with pytest.raises(DataError, match="a palette with its colours"):
        read_image(str(scratch))


def test_a_tiff_of_two_colours(scratch: Path) -> None:
    colors = np.array([[0, 255], [10, 20], [30, 40]], np.uint16) * 257
    page = tiff(GREY > 90, photometric="minisblack", extratags=[(320, 3, 6, colors.ravel().tolist(), True)])
    scratch.write_bytes(with_tag(page, 262, 3))
    assert read_info(str(scratch)).dtype == "uint8"
    assert np.array_equal(read_image(str(scratch)), np.where((GREY > 90)[..., None], colors[:, 1], colors[:, 0]) // 257)
    assert np.array_equal(read_mask(str(scratch)).array, GREY > 90)


def test_a_tiff_whose_pages_lead_in_a_circle(scratch: Path) -> None:
    content = bytearray(tiff(GREY))
    (page,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, page)
    struct.pack_into("<I", content, page + 2 + 12 * count, page)
    scratch.write_bytes(content)
    with pytest.raises(DataError, match="leads in a circle"):
        read_image(str(scratch))


def test_an_array_shorter_than_its_header_promises(scratch: Path) -> None:
    scratch.write_bytes(npy(GREY)[:-1])
    with pytest.raises(DataError, match="promises 560 bytes of pixels, and 559 follow"):
        read_image(str(scratch))


def test_what_the_libraries_log_of_damage_reaches_nobody(scratch: Path, caplog: pytest.LogCaptureFixture) -> None:
    scratch.write_bytes(whole_files()["tiff imagej"][:2000])
    assert looked_at(scratch) == {}
    assert caplog.records == []
    with caplog.at_level(logging.ERROR):
        logging.getLogger("tifffile").error("from a program that reads TIFFs itself")
    assert len(caplog.records) == 1


HUGE = {
    "png": lambda: png(30_000, 30_000, bytes(5000)),
    "png 16 bits": lambda: png(30_000, 30_000, bytes(5000), depth=16, color=6),
    "bmp": lambda: b"".join([saved(COLOR, "BMP")[:18], struct.pack("<ii", 30_000, 30_000), saved(COLOR, "BMP")[26:]]),
    "tiff": lambda: with_tag(with_tag(tiff(GREY), 256, 30_000), 257, 30_000),
    "tiff zlib": lambda: with_tag(with_tag(tiff(GREY, compression="zlib"), 256, 30_000), 257, 30_000),
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_header_that_promises_30_000_by_30_000_pixels_is_told_without_them(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(HUGE[kind]())
    assert read_info(str(path)).size == (30_000, 30_000)


def test_a_picture_of_more_than_its_share_of_the_memory_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "memory", lambda: 4 * GREY.size - 4)
    path = tmp_path / "picture"
    for kind in ("png grey", "tiff", "npy", "jpeg", "webp"):
        path.write_bytes(whole_files()[kind])
        assert read_info(str(path)).size in ((20, 28), (28, 20))
        with pytest.raises(DataError, match="says it unpacks to"):
            read_image(str(path))
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("a.png", bytes(GREY.size))
    with pytest.raises(DataError, match="says it unpacks to"):
        read_info(f"zip://a.png::{archive}")


def test_the_memory_is_that_of_the_machine_or_less() -> None:
    text = Path("/proc/meminfo")
    if not text.is_file():
        pytest.skip("no /proc/meminfo")
    total = int(text.read_text().split()[1]) * 1024
    assert 2**26 < limits.memory() <= total


BOMB = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from limner.errors import DataError
from limner.images import read_image, read_info
assert read_info(sys.argv[1]).size == (30_000, 30_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_image(sys.argv[1])
except DataError as error:
    assert sys.argv[1] in str(error)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*HUGE, "png, whole"])
def test_what_unpacks_to_more_than_there_is_takes_no_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(png(30_000, 30_000, bytes(30_001 * 30_000)) if kind == "png, whole" else HUGE[kind]())
    assert path.stat().st_size < 1_000_000
    ran = subprocess.run(
        [sys.executable, "-c", BOMB, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 64_000  # kB
