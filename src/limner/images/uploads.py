"""A picture that a stranger sent: its bytes, of few formats, and nothing beside the picture in them.

Layer: images, above `read`. Formats that hold several things (archives, volumes) are not taken, since what is meant
would have to be guessed, and each more reader is one more for hostile bytes to try.

A *polyglot* is a file that is a picture and something else: browsers, interpreters and unpackers look in other places
of a file than picture readers do. See A. Albertini, "Abusing file formats; or, Corkami, the novella", PoC||GTFO 7:6
(2015), for where each format is looked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from jaxtyping import Shaped

from limner.errors import DataError
from limner.images import dicom, numpy_files, pillow, tiff
from limner.images.depth import to_image
from limner.images.kinds import HEAD, Kind, describe, sniff
from limner.images.limits import check_pixels
from limner.images.orientation import upright
from limner.images.pictures import Decoded, PictureInfo
from limner.images.read import expanded, explained
from limner.images.write import encode_png

UPLOAD_KINDS: frozenset[Kind] = pillow.KINDS | {"tiff", "npy", "dicom"}
"""What `decode_upload` reads."""

# PDF readers take a header within the first 1,024 bytes, and browsers of old guess the type from as many.
_LOOKED_AT = 1024
_AT_START = (b"%pdf-", b"<html", b"<script", b"<svg", b"<?php", b"<!doctype", b"#!/")
_ANYWHERE = (b"<script", b"<?php", b"<!doctype html")
_AFTER = (*_AT_START, b"pk\x03\x04", b"rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x7felf")
# The end of a zip's directory may be followed by a comment of up to 65,535 bytes.
_ZIP_END, _ZIP_ENTRY, _ZIP_TAIL = b"PK\x05\x06", b"PK\x01\x02", 22 + 65_535


def inspect_upload(data: bytes, where: str, *, page: int | None = None) -> PictureInfo:
    """Facts about a picture from its header, without decoding pixels.

    Args:
        data: All of the file.
        where: What to call it in messages.
        page: Of a file of several pages, from 0; None takes the only one.

    Raises:
        DataError: It is no picture of `UPLOAD_KINDS`, damaged, larger than any picture may be, or of several pages of
            which none is named.
    """
    kind = _kind(data, where)
    with explained(where, kind):
        stream = io.BytesIO(data)
        if kind == "tiff":
            info = tiff.inspect(stream, page, where)
        elif kind == "dicom":
            info = dicom.inspect(stream, page, where)
        elif kind == "npy":
            info = numpy_files.inspect(stream, kind, None, where)
        else:
            info = pillow.inspect(stream, kind, page, where)
    if page is None and info.pages > 1:
        raise DataError(
            "one picture in a file, or the number of a page",
            f"'{where}' has {info.pages:,} pages",
            f"Name the page, from 0 to {info.pages - 1}.",
        )
    check_pixels(info.size, info.channels, where)
    return info


def decode_upload(data: bytes, where: str, *, page: int | None = None) -> Shaped[np.ndarray, "height width channels"]:
    """Read a picture, upright, as `limner.images.read_image` does.

    Args:
        data: All of the file.
        where: What to call it in messages.
        page: See `inspect_upload`.

    Raises:
        DataError: As `inspect_upload`; it holds something beside the picture; or it is damaged or cut short.
    """
    decoded = _decoded(data, where, page, stored=False)
    with explained(where, None):
        array = to_image(expanded(decoded, where), where)
        return np.ascontiguousarray(upright(array[..., None] if array.ndim == 2 else array, decoded.orientation))


def encode_upload(image: Shaped[np.ndarray, "height width *channels"]) -> tuple[str, bytes]:
    """A picture as a file that `decode_upload` reads back to the same pixels, and the file's suffix.

    Example:
        >>> suffix, data = encode_upload(np.arange(6, dtype=np.float32).reshape(2, 3, 1))
        >>> suffix, decode_upload(data, "a picture").sum()
        ('.npy', np.float32(15.0))
    """
    if image.dtype in (np.uint8, np.uint16) and (image.ndim == 2 or image.shape[2] in (1, 3, 4)):
        return ".png", encode_png(image)
    stream = io.BytesIO()
    np.save(stream, image, allow_pickle=False)
    return ".npy", stream.getvalue()


def decode_mask_upload(data: bytes, where: str) -> Shaped[np.ndarray, "height width *channels"]:
    """Read the values of a mask, upright, as they are stored; raises as `decode_upload`."""
    decoded = _decoded(data, where, None, stored=True)
    return np.ascontiguousarray(upright(decoded.array, decoded.orientation))


def _decoded(data: bytes, where: str, page: int | None, *, stored: bool) -> Decoded:
    kind = _kind(data, where)
    with explained(where, kind):
        refuse_polyglot(data, kind, where)
        stream = io.BytesIO(data)
        if kind == "tiff":
            return tiff.decode(stream, page, where)
        if kind == "dicom":
            return dicom.decode(stream, page, where, stored=stored)
        if kind == "npy":
            return numpy_files.decode(stream, kind, None, where)
        return pillow.decode(stream, kind, page, where)


def _kind(data: bytes, where: str) -> Kind:
    kind = sniff(data[:HEAD])
    if kind is None or kind not in UPLOAD_KINDS:
        found = describe(data[:HEAD]) if kind is None else f"of kind {kind.upper()}"
        raise DataError(
            "a picture: PNG, JPEG, BMP, GIF, WebP, TIFF, NumPy or DICOM",
            f"'{where}' is {found}",
            "Send the picture itself, in one of these formats.",
        )
    return kind


def refuse_polyglot(data: bytes, kind: Kind, where: str) -> None:
    """Refuse a file that other programs may take for something else than a picture.

    Args:
        data: All of the file.
        kind: What it is as a picture.
        where: What to call it in messages.

    Raises:
        DataError: It is one: a PDF, a page, a script or an archive too, or something comes after the picture's end.

    Example:
        >>> refuse_polyglot(b"GIF89a" + b"<script>alert(1)</script>", "gif", "x.gif")
        Traceback (most recent call last):
        ...
        limner.errors.DataError: Expected: a file that is a picture and nothing else
        Found:    'x.gif' may also be taken for a page or script: it holds '<script'
        To do:    Open it in a picture program and save it again.
    """
    start = data[:_LOOKED_AT].lower()
    for mark in _AT_START:
        if mark in start:
            raise _polyglot(where, f"may also be taken for a page or script: it holds '{mark.decode()}'")
    tail = data[-_ZIP_TAIL:]
    if _ZIP_END in tail and _ZIP_ENTRY in data:
        raise _polyglot(where, "is a zip archive too")
    if kind in ("tiff", "npy", "dicom"):
        return  # these are not shown by browsers, and have no end beyond which nothing may come
    lower = data.lower()
    for mark in _ANYWHERE:
        if mark in lower:
            raise _polyglot(where, f"may also be taken for a page or script: it holds '{mark.decode()}'")
    end = _END[kind](data) if kind in _END else len(data)
    rest = data[end:]
    # Cameras put previews and notes after a JPEG; of the others nothing comes after the end, but for zeros.
    if kind == "jpeg":
        found = next((mark for mark in _AFTER if mark in rest.lower()), None)
        if found is not None:
            raise _polyglot(where, "holds a file of another kind after the picture's end")
    elif rest.strip(b"\0\r\n "):
        raise _polyglot(where, f"holds {len(rest):,} bytes after the picture's end")


def _polyglot(where: str, found: str) -> DataError:
    return DataError(
        "a file that is a picture and nothing else",
        f"'{where}' {found}",
        "Open it in a picture program and save it again.",
    )


def _png_end(data: bytes) -> int:
    """Where the chunk IEND ends; a file that is cut short is left to the decoder."""
    place = 8
    while place + 8 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        place += 12 + length
        if name == b"IEND":
            return place
    return len(data)


def _jpeg_end(data: bytes) -> int:
    """Behind the first marker EOI outside of segments (ITU-T T.81, annex B)."""
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return len(data)
        marker = data[place + 1]
        if marker == 0xD9:
            return place + 2
        if marker == 0xFF:
            place += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            place += 2
            continue
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:
            place = _after_scan(data, place)
    return place if data[place : place + 2] != b"\xff\xd9" else place + 2


def _after_scan(data: bytes, place: int) -> int:
    """The next marker that is no restart and no stuffed byte."""
    while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
        if data[place + 1] not in (0x00, 0xFF) and not 0xD0 <= data[place + 1] <= 0xD7:
            return place
        place += 1 if data[place + 1] == 0xFF else 2
    return len(data)


def _gif_end(data: bytes) -> int:
    """Behind the trailer (GIF89a specification, section 27)."""
    place = 13 + _gif_table(data[10:11])
    while place < len(data):
        block = data[place]
        if block == 0x3B:
            return place + 1
        if block == 0x21:
            place = _gif_blocks(data, place + 2)
        elif block == 0x2C:
            place = _gif_blocks(data, place + 11 + _gif_table(data[place + 9 : place + 10]))
        else:
            return place  # what comes here is of no block: not of the picture
    return len(data)


def _gif_table(flags: bytes) -> int:
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _gif_blocks(data: bytes, place: int) -> int:
    while place < len(data) and data[place]:
        place += 1 + data[place]
    return place + 1


def _riff_end(data: bytes) -> int:
    length = int.from_bytes(data[4:8], "little")
    return 8 + length + length % 2


_END: dict[Kind, Callable[[bytes], int]] = {"png": _png_end, "jpeg": _jpeg_end, "gif": _gif_end, "webp": _riff_end}
