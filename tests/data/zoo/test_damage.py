"""Files that are broken, or made to break: named, at once, without a traceback and without filling the memory."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.data.check.examine import examine
from limner.data.check.stops import understand
from limner.errors import LimnerError

Refuses = Callable[..., Any]


def png_header(height: int, width: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def npy_header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


BROKEN = {
    "0 bytes": b"",
    "zero bytes only": bytes(5000),
    "a web page": b"<!DOCTYPE html><html><body>404</body></html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "100,000 × 100,000 in 100 bytes": png_header(100_000, 100_000),
    "an array of 2⁴⁰ bytes in 128": npy_header((1 << 20, 1 << 20)),
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtins\x94.",
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("side", ["images", "masks"])
def test_a_broken_file_is_named(zoo: Any, refuses: Refuses, side: str, kind: str) -> None:
    zoo.fill()
    zoo.save(f"{side}/05.png", BROKEN[kind])
    checked = refuses("unreadable-files", says=f"{side}/05.png")
    (stop,) = [finding for finding in checked.findings if finding.level == "stop"]
    assert stop.samples == ("05",)
    assert "--skip-unreadable" in stop.remedy or "05.png" in stop.title


@pytest.mark.parametrize("side", ["images", "masks"])
def test_a_file_of_100_bytes_that_says_it_is_huge_is_not_decoded(zoo: Any, refuses: Refuses, side: str) -> None:
    zoo.fill()
    zoo.save(f"{side}/05.png", png_header(30_000, 30_000))
    tracemalloc.start()
    kind = "sizes-differ" if side == "images" else "unreadable-files"
    refuses(kind, says="30,000×30,000" if side == "masks" else "30000×30000")
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("side", ["images", "masks"])
def test_a_file_cut_short_is_named(zoo: Any, refuses: Refuses, side: str) -> None:
    zoo.fill()
    path = zoo.root / side / "05.png"
    path.write_bytes(path.read_bytes()[:-40])
    refuses("unreadable-files", says=f"{side}/05.png")


def test_many_broken_files_are_all_named_at_once(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    for name in ("01", "04", "06"):
        zoo.save(f"images/{name}.png", b"")
    checked = refuses("unreadable-files", says="04.png")
    assert checked.samples == 5


def test_an_archive_with_names_that_lead_out_of_it(zoo: Any, refuses: Refuses) -> None:
    zoo.fill()
    path = zoo.root.parent / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(zoo.root.rglob("*.png")):
            archive.write(file, file.relative_to(zoo.root))
        archive.writestr("../../evil.png", b"x")
    refuses("no-samples", says="../../evil.png", place=path)
    assert not (path.parent.parent / "evil.png").exists()


def test_an_archive_that_is_none(zoo: Any, refuses: Refuses) -> None:
    path = zoo.root / "data.zip"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    refuses("no-samples", says="data.zip", place=path)


def test_an_archive_that_unpacks_to_more_than_the_memory(zoo: Any, refuses: Refuses) -> None:
    """A member of 64 MB of zeros, which are no picture: it is named, and nothing else happens."""
    zoo.fill()
    path = zoo.root.parent / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(zoo.root.rglob("*.png")):
            archive.write(file, file.relative_to(zoo.root))
        archive.writestr("images/90.png", bytes(1 << 26))
        archive.writestr("masks/90.png", bytes(1 << 10))
    refuses("unreadable-files", says="90.png", place=path)


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_names_that_are_not_text(zoo: Any) -> None:
    zoo.fill()
    for side in ("images", "masks"):
        (zoo.root / side / "03.png").rename(os.fsdecode(os.fsencode(zoo.root / side) + b"/\xff\xfe.png"))
    checked = zoo.check()
    assert checked.outcome in ("clean", "cannot train")


def whole_files() -> list[bytes]:
    """One small file of each kind, to be damaged."""
    picture = Image.fromarray((np.indices((12, 16)).sum(axis=0) * 9).astype(np.uint8))
    files = []
    for kind in ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"):
        stream = io.BytesIO()
        picture.save(stream, kind)
        files.append(stream.getvalue())
    stream = io.BytesIO()
    np.save(stream, np.asarray(picture))
    return [*files, stream.getvalue()]


WHOLE = whole_files()
SUFFIXES = (".png", ".jpg", ".tif", ".gif", ".bmp", ".webp", ".npy", ".npz")


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Random bytes, or a whole file that is cut, or in which some bytes are changed."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200))
    content = bytearray(draw(st.sampled_from(WHOLE)))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)):
        content[place] = byte
    return bytes(content[: draw(st.integers(0, len(content)))])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(image=files(), mask=files(), suffixes=st.tuples(st.sampled_from(SUFFIXES), st.sampled_from(SUFFIXES)))
def test_whatever_the_bytes_are_a_check_ends_with_findings(
    image: bytes, mask: bytes, suffixes: tuple[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for side, content, suffix in zip(("images", "masks"), (image, mask), suffixes, strict=True):
            (root / side).mkdir()
            for number in range(2):
                Image.fromarray(np.eye(12, 16, dtype=np.uint8) * 255).save(root / side / f"{number}.png")
            (root / side / f"odd{suffix}").write_bytes(content)
        understood = understand(root)
        findings = list(understood.findings)
        if len(understood.part):
            findings += examine(understood.part, understood.label_maps)
        assert findings
        assert all(finding.title and finding.level in ("stop", "doubt", "note") for finding in findings)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(st.text(min_size=1, max_size=12).map(lambda name: name.replace("\0", "_")), max_size=6),
    cut=st.integers(0, 400),
)
def test_whatever_an_archive_holds_a_check_ends_with_findings(names: list[str], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.zip"
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for number, name in enumerate(dict.fromkeys(names)):
                archive.writestr(name, WHOLE[number % len(WHOLE)])
        path.write_bytes(stream.getvalue()[: max(1, len(stream.getvalue()) - cut)])
        try:
            assert understand(path).findings
        except LimnerError as error:
            pytest.fail(f"an error instead of a finding: {error}")
