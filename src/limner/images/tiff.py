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
# Scanners of slides add pictures of the label and of the whole glass; tifffile puts the scan first.
_SLIDES = ("svs", "ndpi", "scn", "bif", "philips", "qpi", "avs")


class _Reading(threading.local):
    """Whether this thread reads a file at the moment."""

    active = False


_READING = _Reading()
# tifffile and its decoders tell the log of damage and of odd metadata. What matters of it is an error here.
for _library in ("tifffile", "imagecodecs"):
    logging.getLogger(_library).addFilter(lambda _: not _READING.active)


@dataclass(frozen=True)
class Stack:
    """The planes of a file, and which of them make up each picture.

    `rows[page]` lists the planes that are the channels of that page: one plane in most files, one
    per channel where ImageJ or OME metadata says that planes are channels.
    """

    planes: Sequence[Any]
    rows: Integer[np.ndarray, "pages parts"]


def inspect(stream: io.BufferedIOBase, page: int | None, location: str) -> PictureInfo:
    """Facts from the tags; pixels are not decoded."""
    with open_tiff(stream) as file:
        stack = stack_of(file, location)
        row = stack.rows[choose_page(page, len(stack.rows), location) if page is not None else 0]
        header = _header(stack.planes[row[0]], location)
        palette = header.photometric == _PALETTE
        orientation = orientation_of(header)
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
    with open_tiff(stream) as file:
        stack = stack_of(file, location)
        row = stack.rows[choose_page(page, len(stack.rows), location)]
        header = _header(stack.planes[row[0]], location)
        check_memory(header.nbytes * len(row), location)
        parts = [_pixels(stack.planes[part], location) for part in row]
        orientation, palette = orientation_of(header), palette_of(header, location)
    array = parts[0] if len(parts) == 1 else np.dstack(parts)
    if palette is not None and array.dtype == bool:
        array = array.view(np.uint8)  # which of two colours
    return Decoded(array, orientation, palette)


@contextmanager
def open_tiff(stream: io.BufferedIOBase) -> Iterator[Any]:
    """A `tifffile.TiffFile`, whose list of pages is whole; the log stays silent meanwhile."""
    import tifffile

    stream.seek(0)
    with quiet(), tifffile.TiffFile(cast("IO[bytes]", stream)) as file:
        check_chain(file)
        yield file


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, tifffile and its decoders tell the log nothing of what this thread reads."""
    outer = _READING.active
    _READING.active = True
    try:
        yield
    finally:
        _READING.active = outer


def stack_of(file: Any, location: str) -> Stack:
    """The pictures of a file; of a scanned slide the slide alone, without its label and its overview.

    Raises:
        DataError: The planes are not listed in the file.
    """
    if file.series and file.series[0].kind in _SLIDES:
        slide = file.series[0].levels[0]
        return Stack(slide.pages, np.arange(len(slide.pages))[:, None])
    # Reduced copies are the thumbnails and pyramids that viewers use, not pictures of their own.
    series = [one for one in file.series if not one.keyframe.is_reduced]
    if len(series) != 1:
        planes = [plane for plane in file.pages if not plane.is_reduced]
        return Stack(planes, np.arange(len(planes))[:, None])
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
        return Stack(series[0].pages, order[:, None])
    order = order.reshape([length for _, length in lead])
    channel = next((position for position, (axis, _) in enumerate(lead) if axis == "C"), None)
    order = order[..., None] if channel is None else np.moveaxis(order, channel, -1)
    return Stack(series[0].pages, order.reshape(-1, order.shape[-1]))


def _header(plane: Any, location: str) -> Any:
    """The page that describes the plane, once it is known to be of a size that can be read at once."""
    header = header_of(plane, location)
    check_pixels((int(header.imagelength), int(header.imagewidth)), int(header.samplesperpixel), location)
    return header


def header_of(plane: Any, location: str) -> Any:
    """The page that describes the plane, once it is known to be one that can be read faithfully.

    Raises:
        DataError: It is not.
    """
    header = plane.keyframe  # the planes of a stack share one
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
    return as_shown(array, header)


def as_shown(array: np.ndarray, header: Any) -> np.ndarray:
    """Stored numbers with white as the largest."""
    # tifffile writes boolean arrays under "white is zero" without turning them round; take its own files as meant.
    if header.photometric != _WHITE_IS_ZERO or (array.dtype == bool and header.software == "tifffile.py"):
        return array
    if array.dtype.kind == "b":
        return ~array
    return array ^ array.dtype.type(2**header.bitspersample - 1) if array.dtype.kind == "u" else array


def palette_of(header: Any, location: str) -> UInt8[np.ndarray, "entries 3"] | None:
    """Colours of a page of indices; None of other pages.

    Raises:
        DataError: They are missing.
    """
    if header.photometric != _PALETTE:
        return None
    if header.colormap is None:
        raise DataError("a palette with its colours", f"'{location}' has none", "Save it as RGB or grey.")
    colors = np.asarray(header.colormap).T
    # The standard asks for 16 bits; some programs store 8 in them.
    return (colors >> 8 if colors.max(initial=0) > 255 else colors).astype(np.uint8)


def orientation_of(header: Any) -> int:
    """How the page must be turned, 1 to 8; see `limner.images.orientation`."""
    tag = header.tags.get(_ORIENTATION)
    value = int(tag.value) if tag is not None else 1
    return value if 1 <= value <= 8 else 1
