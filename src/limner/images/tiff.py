"""TIFF: 1 to 32 bits, floats, any number of channels, stacks, ImageJ and OME files.

Layer: images. Read with tifffile, because Pillow refuses or narrows most scientific TIFFs.
"""

from __future__ import annotations

import io
import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np
from jaxtyping import Integer, UInt8

from limner.errors import DataError
from limner.images.depth import image_dtype
from limner.images.limits import check_memory, check_pixels
from limner.images.orientation import upright_size
from limner.images.pictures import Decoded, PictureInfo, choose_page
from limner.images.tiff_damage import check_chain, check_segments

# PhotometricInterpretation, TIFF 6.0 section 8; JPEG-compressed YCbCr is decoded to RGB.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _TRANSPARENCY, _YCBCR = 0, 1, 2, 3, 4, 6
_PLAIN = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _TRANSPARENCY)
_JPEG = (6, 7)
_ORIENTATION = 274


class _Reading(threading.local):
    """Whether this thread reads a file at the moment."""

    active = False


_READING = _Reading()
# tifffile and its decoders tell the log of damage and of odd metadata. What matters of it is an error here.
for _library in ("tifffile", "imagecodecs"):
    logging.getLogger(_library).addFilter(lambda _: not _READING.active)


@dataclass(frozen=True)
class _Stack:
    """The planes of a file, and which of them make up each picture.

    `rows[page]` lists the planes that are the channels of that page: one plane in most files, one
    per channel where ImageJ or OME metadata says that planes are channels.
    """

    planes: Sequence[Any]
    rows: Integer[np.ndarray, "pages parts"]


def inspect(stream: io.BufferedIOBase, page: int | None, location: str) -> PictureInfo:
    """Facts from the tags; pixels are not decoded."""
    with _open(stream) as file:
        stack = _stack(file, location)
        row = stack.rows[choose_page(page, len(stack.rows), location) if page is not None else 0]
        header = _header(stack.planes[row[0]], location)
        palette = header.photometric == _PALETTE
        orientation = _orientation(header)
        return PictureInfo(
            upright_size((header.imagelength, header.imagewidth), orientation),
            3 if palette else header.samplesperpixel * len(row),
            "uint8" if palette else image_dtype(header.dtype, location),
            len(stack.rows),
            palette,
            orientation,
        )


def decode(stream: io.BufferedIOBase, page: int | None, location: str) -> Decoded:
    """Pixels of one page, channels last, with palette indices kept."""
    with _open(stream) as file:
        stack = _stack(file, location)
        row = stack.rows[choose_page(page, len(stack.rows), location)]
        header = _header(stack.planes[row[0]], location)
        check_memory(header.nbytes * len(row), location)
        parts = [_pixels(stack.planes[part], location) for part in row]
        orientation, palette = _orientation(header), _palette(header, location)
    array = parts[0] if len(parts) == 1 else np.dstack(parts)
    if palette is not None and array.dtype == bool:
        array = array.view(np.uint8)  # which of two colours
    return Decoded(array, orientation, palette)


@contextmanager
def _open(stream: io.BufferedIOBase) -> Iterator[Any]:
    import tifffile

    stream.seek(0)
    _READING.active = True
    try:
        with tifffile.TiffFile(cast("IO[bytes]", stream)) as file:
            check_chain(file)
            yield file
    finally:
        _READING.active = False


def _stack(file: Any, location: str) -> _Stack:
    # Reduced copies are the thumbnails and pyramids that viewers use, not pictures of their own.
    series = [one for one in file.series if not one.keyframe.is_reduced]
    if len(series) != 1:
        planes = [plane for plane in file.pages if not plane.is_reduced]
        return _Stack(planes, np.arange(len(planes))[:, None])
    axes, shape = series[0].get_axes(False), series[0].get_shape(False)
    plane_axes = series[0].keyframe.axes
    if series[0].is_truncated or series[0].is_multifile:
        raise DataError(
            "a TIFF whose pages are listed in the file itself",
            f"'{location}' is a raw stack with one page entry, or a part of a set of several files",
            "Save it again as an ordinary multi-page TIFF (in ImageJ: less than 4 GB, or as an image sequence).",
        )
    lead = [(axis, length) for axis, length in zip(axes, shape, strict=True) if axis not in plane_axes]
    order = np.arange(len(series[0].pages))
    if math.prod(length for _, length in lead) != len(order):
        return _Stack(series[0].pages, order[:, None])
    order = order.reshape([length for _, length in lead])
    channel = next((position for position, (axis, _) in enumerate(lead) if axis == "C"), None)
    order = order[..., None] if channel is None else np.moveaxis(order, channel, -1)
    return _Stack(series[0].pages, order.reshape(-1, order.shape[-1]))


def _header(plane: Any, location: str) -> Any:
    """The page that describes the plane, once it is known to be one that can be read faithfully."""
    header = plane.keyframe  # the planes of a stack share one
    check_pixels((int(header.imagelength), int(header.imagewidth)), int(header.samplesperpixel), location)
    jpeg_color = header.photometric == _YCBCR and header.compression in _JPEG
    if header.photometric not in _PLAIN and not jpeg_color:
        found = f"colours stored as {getattr(header.photometric, 'name', header.photometric)}"
    elif header.axes not in ("YX", "YXS", "SYX"):
        found = f"axes '{header.axes}'"
    elif header.dtype is None:
        found = f"{header.bitspersample} bits per sample"
    else:
        return header
    raise DataError(
        "a TIFF with flat grey, RGB or palette pages", f"'{location}' has {found}", "Save it as RGB or grey."
    )


def _pixels(plane: Any, location: str) -> np.ndarray:
    header = _header(plane, location)
    check_segments(plane)
    array = np.asarray(plane.asarray())
    if header.axes == "SYX":
        array = np.moveaxis(array, 0, -1)
    # tifffile writes boolean arrays under "white is zero" without turning them round; take its own files as meant.
    if header.photometric != _WHITE_IS_ZERO or (array.dtype == bool and header.software == "tifffile.py"):
        return array
    if array.dtype.kind == "b":
        return ~array
    return array ^ array.dtype.type(2**header.bitspersample - 1) if array.dtype.kind == "u" else array


def _palette(header: Any, location: str) -> UInt8[np.ndarray, "entries 3"] | None:
    if header.photometric != _PALETTE:
        return None
    if header.colormap is None:
        raise DataError("a palette with its colours", f"'{location}' has none", "Save it as RGB or grey.")
    colors = np.asarray(header.colormap).T
    # The standard asks for 16 bits; some programs store 8 in them.
    return (colors >> 8 if colors.max(initial=0) > 255 else colors).astype(np.uint8)


def _orientation(header: Any) -> int:
    tag = header.tags.get(_ORIENTATION)
    value = int(tag.value) if tag is not None else 1
    return value if 1 <= value <= 8 else 1
