"""Who may ask, and what hostile bytes bring about."""

import contextlib
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from limner.errors import DataError
from limner.images import decode_upload, encode_jpeg, encode_png, encode_webp
from limner.serving.naming import safe_name

TOKEN = "0123456789abcdef-token"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def png_bomb(side: int) -> bytes:
    """A PNG of few bytes and many pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compressobj(9)
    row = bytes(side + 1)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


class Harmful:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.path),))


def _archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.html", "<script>alert(1)</script>")
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return stream.getvalue()


def hostile(folder: Path, picture: np.ndarray) -> dict[str, bytes]:
    """Files that must be refused, by what they are."""
    png, jpeg = encode_png(picture), encode_jpeg(picture)
    gif, objects, harm = io.BytesIO(), io.BytesIO(), folder / "harm"
    Image.fromarray(picture).convert("P").save(gif, "GIF")
    np.save(objects, np.array([[Harmful(harm)]], dtype=object), allow_pickle=True)
    npz = io.BytesIO()
    np.savez(npz, a=picture)
    return {
        "nothing": b"",
        "text": b"hello",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "svg with a declaration": b'<?xml version="1.0"?><!DOCTYPE svg><svg/>',
        "html": b"<!DOCTYPE html><script>alert(1)</script>",
        "pickle": pickle.dumps(Harmful(harm)),
        "array of pickles": objects.getvalue(),
        "zip": _archive(),
        "npz": npz.getvalue(),
        "tar": _tar(),
        "gzip": zlib.compress(b"0" * 1000, wbits=31),
        "bomb": png_bomb(20_000),
        "png that promises": png[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + png[24:],
        "png and zip": png + _archive(),
        "png and html": png + b"<html><script>alert(1)</script>",
        "png and more": png + b"tail",
        "jpeg and zip": jpeg + _archive(),
        "jpeg and html": jpeg + b"<script>alert(1)</script>",
        "jpeg with html inside": jpeg[:2] + b"\xff\xfe\x00\x1a<script>alert(1)</script>"[:28] + jpeg[2:],
        "gif as script": b"GIF89a/*" + gif.getvalue()[8:] + b"*/=alert(1)",
        "pdf and png": b"%PDF-1.4\n" + png,
        "webp and more": encode_webp(picture) + b"%PDF-1.4",
        "half": png[: len(png) // 2],
    }


def test_hostile_files_are_refused_and_do_nothing(serve, every_task, picture, tmp_path):
    server = serve(models={"m": every_task("unet")}, save=tmp_path / "saved")
    for what, data in hostile(tmp_path, picture()).items():
        reply = server.predict(data)
        assert reply.status in (400, 413), (what, reply)
        assert reply.error["kind"] in ("DataError", "TooLarge"), what
        assert str(tmp_path) not in reply.body.decode()
        sent = [("image", "a.png", data), ("mask", "a.png", encode_png(np.zeros((24, 32), np.uint8)))]
        assert server.ask("/v1/dataset", files=sent, fields={"target": "binary"}).status in (400, 413), what
    assert not (tmp_path / "harm").exists()
    assert server.ask("/v1/dataset").json == {"count": 0, "names": []}


def test_ordinary_pictures_are_no_polyglots(picture):
    image = picture()
    for form, options in {
        "PNG": {}, "JPEG": {"progressive": True}, "GIF": {}, "WEBP": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"},
    }.items():  # fmt: skip
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, form, comment=b"from a camera", **options)
        assert decode_upload(stream.getvalue(), "it").shape[:2] == (24, 32)
    frames = io.BytesIO()
    Image.fromarray(image).save(frames, "GIF", save_all=True, append_images=[Image.fromarray(image[::-1])])
    assert decode_upload(frames.getvalue(), "it", page=1).shape[:2] == (24, 32)
    # Cameras put previews behind the picture.
    assert decode_upload(encode_jpeg(image) + encode_jpeg(image[:8, :8]), "it").shape == (24, 32, 3)


@st.composite
def damaged(draw):
    """A picture of which bytes were changed, cut or put in."""
    image = np.arange(24 * 32 * 3, dtype=np.uint32).reshape(24, 32, 3).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])))
    broken = bytearray(stream.getvalue())
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(broken) - 1))
        broken[place : place + draw(st.integers(0, 4))] = draw(st.binary(max_size=8))
    return bytes(broken)


@settings(max_examples=150)
@given(damaged())
def test_damaged_pictures_are_read_or_refused(data):
    """Nothing else comes of them."""
    with contextlib.suppress(DataError):
        assert decode_upload(data, "it").ndim == 3


@pytest.mark.slow
def test_a_server_outlives_a_thousand_damaged_pictures(serve, every_task, png):
    server = serve(models={"m": every_task("unet")}, max_pixels=10_000, timeout=20.0)
    # Not by Hypothesis, which minds that the server's threads draw numbers while it does.
    rng = np.random.default_rng(0)
    for kind in rng.choice(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"], 1000):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(stream, str(kind))
        broken = bytearray(stream.getvalue())
        for place in rng.integers(0, len(broken), rng.integers(1, 7)):
            broken[place : place + rng.integers(0, 5)] = rng.bytes(rng.integers(0, 9))
        reply = server.predict(bytes(broken))
        assert reply.status in (200, 400, 413), reply
    assert server.predict(png()).status == 200


def test_a_token_is_asked_for(serve, every_task, png):
    server = serve(models={"m": every_task("unet")}, token=TOKEN)
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert server.ask("/health").status == 200
    for path in ("/v1/models", "/metrics", "/openapi.json", "/v1/nothing"):
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}):
            reply = server.ask(path, headers=headers)
            assert reply.status == 401
            assert TOKEN not in reply.body.decode()
            assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert server.predict(png()).status == 401
    assert server.ask("/v1/models", headers=right).status == 200
    assert server.ask("/v1/predict", files=[("image", "a.png", png())], headers=right).status == 200


def test_pages_from_elsewhere_are_refused(serve, every_task, png):
    server = serve(models={"m": every_task("unet")})
    own = {"Origin": server.url}
    assert server.ask("/v1/models", headers=own).status == 200
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        reply = server.ask("/v1/predict", files=[("image", "a.png", png())], headers=headers)
        assert reply.status in (403, 421)
        assert "Access-Control-Allow-Origin" not in reply.headers
    preflight = server.ask("/v1/predict", method="OPTIONS", headers=own | {"Access-Control-Request-Method": "POST"})
    assert preflight.status == 405
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]


def test_every_answer_forbids_what_pages_need_not(serve, every_task):
    server = serve(models={"m": every_task("unet")})
    for path in ("/", "/health", "/v1/models", "/nothing", "/page/../../secret", "/page/%2e%2e/app.py"):
        reply = server.ask(path)
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert server.ask("/page/%2e%2e/app.py").status == 404


def test_no_answer_tells_a_path_of_this_machine(serve, every_task, png, tmp_path):
    bundle = every_task("unet")
    server = serve(models={"m": bundle}, save=tmp_path)
    replies = [
        server.ask("/v1/models"), server.ask("/openapi.json"), server.ask("/metrics"), server.predict(png()),
        server.predict(png(channels=1)[:60]), server.predict(b"nothing"), server.predict(png(), answers="all"),
        server.predict(png(), spacing="-1"), server.predict(png(), page="x"), server.predict(png(), colour="red"),
        server.ask("/v1/dataset"), server.ask("/nothing"), server.ask("/v1/predict"),
        server.ask("/v1/predict", body=b"x"),
        server.ask("/v1/predict", body=b"x", headers={"Content-Type": "multipart/form-data"}),
        server.ask("/v1/predict", body=b"--b\r\nx", headers={"Content-Type": "multipart/form-data; boundary=b"}),
        server.ask("/v1/predict", body=b"[" * 100_000, headers={"Content-Type": "application/json"}),
        server.ask("/v1/predict", document={"image": "!"}), server.ask("/v1/predict", document={"image": 3}),
        server.ask("/v1/predict", document=[1]), server.ask("/v1/predict", document={"image": {"a": "aGVsbG8="}}),
    ]  # fmt: skip
    for number, reply in enumerate(replies):
        assert reply.status != 500, (number, reply)
        for place in (str(bundle.parent), str(tmp_path), str(Path.home()) + "/", "site-packages", "/tmp/"):
            assert place not in reply.body.decode(), number
    assert all(reply.status in (400, 404, 405, 415, 422) for reply in replies[4:10] + replies[11:])


def test_what_goes_wrong_on_this_machine_is_not_told(serve, every_task, png, tmp_path):
    """The folder is taken away under the server."""
    server = serve(models={"m": every_task("unet")}, save=tmp_path / "saved")
    (tmp_path / "saved" / ".saving").rmdir()
    sent = [("image", "a.png", png()), ("mask", "m.png", encode_png(np.zeros((24, 32), np.uint8)))]
    reply = server.ask("/v1/dataset", files=sent, fields={"target": "binary"})
    assert reply.status == 507
    assert str(tmp_path) not in reply.body.decode()


def test_no_bundle_can_be_sent(serve, every_task, png):
    """Neither a path that takes one, nor a field."""
    bundle = every_task("unet")
    server = serve(models={"m": bundle})
    data = bundle.read_bytes()
    assert server.predict(data).status == 400
    for method in ("POST", "PUT", "DELETE"):
        assert server.ask("/v1/models", method=method, body=data).status == 405
        assert server.ask("/v1/models/m", method=method, body=data).status == 404


@given(st.text(max_size=300))
def test_names_of_strangers_stay_in_the_folder(name):
    safe = safe_name(name)
    assert "/" not in safe
    assert not safe.startswith(".")
    assert "\0" not in safe
    assert len(safe.encode()) <= 201
    assert (Path("/folder") / f"{safe}.png").parent == Path("/folder")


def test_json_numbers_that_are_none_are_refused(serve, every_task):
    server = serve(models={"m": every_task("unet")})
    reply = server.ask("/v1/predict", body=b'{"image": NaN}', headers={"Content-Type": "application/json"})
    assert reply.status == 400
    assert json.loads(reply.body)["error"]["kind"] == "Malformed"
