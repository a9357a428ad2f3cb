"""PNG, JPEG, BMP, GIF and WebP.

Layer: images. Pillow's format classes are called directly, by what `kinds.sniff` saw, and not through
`Image.open`: no other of Pillow's formats can be reached by a hostile file, its global pixel limit
(which warns, and refuses large microscopy pictures) is replaced by `limits`, and it is faster.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from limner.errors import DataError
from limner.images.kinds import Kind
from limner.images.limits import check_memory, check_pixels
from limner.images.orientation import exif_orientation, upright_size
from limner.images.pictures import Decoded, PictureInfo, choose_page

# Pillow warns of damage in metadata that Limner never looks at (EXIF thumbnails, animation chunks).
# One filter for the process, because `warnings.catch_warnings` is not safe while other threads read.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_CLASSES: dict[Kind, Callable[[Any], ImageFile]] = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,  # also the first picture of the multi-picture files of some cameras
    "bmp": BmpImageFile,
    "gif": GifImageFile,
    "webp": WebPImageFile,
}

KINDS = frozenset(_CLASSES)

# Channels and type of each of Pillow's modes, as they are read here.
_MODES: dict[str, tuple[int, str]] = {
    "1": (1, "bool"),
    "L": (1, "uint8"),
    "P": (3, "uint8"),
    "LA": (2, "uint8"),
    "RGB": (3, "uint8"),
    "RGBA": (4, "uint8"),
    "CMYK": (3, "uint8"),
}

# Channels of each colour type of a PNG (ISO/IEC 15948, table 11.1) that may have 16 bits.
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_PNG_START = 8
_PNG_HEADER = 16  # where width and height stand
_MOST_PACKED = 1032  # bytes that one byte of deflate can stand for at most
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")  # chunks that pixels depend on


def inspect(stream: io.BufferedIOBase, kind: Kind, page: int | None, location: str) -> PictureInfo:
    """Facts from the header; pixels are not decoded, except that later pages of an animation are."""
    deep = _deep_channels(stream, kind)
    with _open(stream, kind) as picture:
        pages = _pages(picture, kind)
        if page is not None:
            picture.seek(choose_page(page, pages, location))
        channels, dtype = (deep, "uint16") if deep else _mode(picture, location)
        if picture.mode == "P" and _opacity(picture) is not None:
            channels = 4
        orientation = _orientation(picture)
        size = upright_size((picture.height, picture.width), orientation)
        return PictureInfo(size, channels, dtype, pages, picture.mode == "P", orientation)


def decode(stream: io.BufferedIOBase, kind: Kind, page: int | None, location: str) -> Decoded:
    """Pixels of one page, with palette indices kept; later pages of an animation come as colours."""
    deep = _deep_channels(stream, kind)
    with _open(stream, kind) as picture:
        channels = deep or _mode(picture, location)[0]
        check_pixels((picture.height, picture.width), channels, location)
        check_memory(picture.height * picture.width * channels * (2 if deep else 1), location)
        if kind == "png":
            _check_png(stream)
        if chosen := choose_page(page, _pages(picture, kind), location):
            picture.seek(chosen)
        orientation = _orientation(picture)
        if deep:
            return Decoded(_decode_deep(stream), orientation)
        array = np.asarray(picture.convert("RGB") if picture.mode == "CMYK" else picture)
        if array.dtype == np.bool_:
            # Pillow keeps True as the byte 255, which numpy takes for 255 as soon as it looks at the bytes.
            return Decoded(array.view(np.uint8) != 0, orientation)
        # Pillow hands out arrays that cannot be written to; `np.array(picture)` is far slower than a copy.
        return Decoded(array.copy(), orientation, _palette(picture))


def _open(stream: io.BufferedIOBase, kind: Kind) -> ImageFile:
    stream.seek(0)
    return _CLASSES[kind](stream)


def _pages(picture: ImageFile, kind: Kind) -> int:
    # An animated PNG has a still picture of its own, and every other program shows that.
    return 1 if kind == "png" else int(getattr(picture, "n_frames", 1))


def _mode(picture: ImageFile, location: str) -> tuple[int, str]:
    if picture.mode not in _MODES:
        raise DataError(
            "grey, colour or palette pixels",
            f"'{location}' stores them as '{picture.mode}'",
            "Save it as an ordinary PNG or TIFF.",
        )
    return _MODES[picture.mode]


def _orientation(picture: ImageFile) -> int:
    exif = picture.info.get("exif")
    return exif_orientation(exif) if isinstance(exif, bytes) else 1


def _deep_channels(stream: io.BufferedIOBase, kind: Kind) -> int:
    """Channels of a PNG with 16 bits each, which Pillow would cut to 8; else 0."""
    if kind != "png":
        return 0
    stream.seek(24)
    depth, color, *_ = stream.read(2) + b"\0\0"
    return _PNG_CHANNELS.get(color, 0) if depth == 16 else 0


def _check_png(stream: io.BufferedIOBase) -> None:
    """Compare the checksums that Pillow passes over: a flipped bit may otherwise give other pixels.

    Raises:
        ValueError: One differs, or what there is could never unpack to the pixels that are promised, for which
            Pillow would make room first; any other file that ends early is left to the decoder.
    """
    position = stream.tell()
    packed = 0
    stream.seek(_PNG_START)
    while len(head := stream.read(8)) == 8 and head[4:] != b"IEND":
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in _PNG_PIXELS:
            content = stream.read(length)
            stated = stream.read(4)
            packed += len(content) if kind == b"IDAT" else 0
            if len(stated) == 4 and int.from_bytes(stated, "big") != zlib.crc32(content, zlib.crc32(kind)):
                raise ValueError(f"the checksum of its {kind.decode()} part differs")
        else:
            stream.seek(length + 4, io.SEEK_CUR)
    needed = _png_bytes(stream)
    if packed * _MOST_PACKED < needed:
        raise ValueError(f"its {packed:,} bytes of pixels cannot unpack to the {needed:,} that its header promises")
    stream.seek(position)


def _png_bytes(stream: io.BufferedIOBase) -> int:
    """Bytes of the pixels of a PNG, by its header; palette indices and grey of less than 8 bits are packed."""
    stream.seek(_PNG_HEADER)
    header = stream.read(10)
    width, height = (int.from_bytes(header[start : start + 4], "big") for start in (0, 4))
    return height * -(-width * header[8] * _PNG_CHANNELS.get(header[9], 1) // 8)


def _decode_deep(stream: io.BufferedIOBase) -> np.ndarray:
    import imagecodecs

    stream.seek(0)
    return np.asarray(imagecodecs.png_decode(stream.read()))


def _palette(picture: ImageFile) -> UInt8[np.ndarray, "entries channels"] | None:
    if picture.mode != "P":
        return None
    colors = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    opacity = _opacity(picture)
    if opacity is None:
        return colors
    alpha = np.full((len(colors), 1), 255, dtype=np.uint8)
    alpha[: len(opacity), 0] = opacity[: len(colors)]
    return np.concatenate([colors, alpha], axis=1)


def _opacity(picture: ImageFile) -> UInt8[np.ndarray, " entries"] | None:
    """Opacity of the first palette entries of a PNG; None when all are opaque.

    Other formats mark one index as "unchanged" or "see-through" for animation, which says nothing
    about a still picture.
    """
    transparency = picture.info.get("transparency")
    if not isinstance(picture, PngImageFile) or transparency is None:
        return None
    if isinstance(transparency, int):
        opacity = np.full(transparency + 1, 255, dtype=np.uint8)
        opacity[transparency] = 0
        return opacity
    return np.frombuffer(transparency, dtype=np.uint8)
