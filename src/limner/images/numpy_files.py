"""NumPy `.npy` and `.npz`.

Layer: images. Pickled objects are never loaded: a data file must not be able to run code.
"""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

import numpy as np
from jaxtyping import Shaped
from numpy.lib import format as npy

from limner.errors import DataError
from limner.images.depth import image_dtype
from limner.images.kinds import Kind
from limner.images.limits import check_memory, check_pixels
from limner.images.pictures import Decoded, PictureInfo

# NumPy has Python parse the header, and Python's parser counts its depth over all threads of a process: two at once
# may be told that one of them is broken (python/cpython issue 106905).
_ONE_AT_A_TIME = threading.Lock()


def inspect(stream: io.BufferedIOBase, kind: Kind, key: str | None, location: str) -> PictureInfo:
    """Facts from the header; the array is not read."""
    with _array_stream(stream, kind, key, location) as (array_stream, _):
        shape, dtype, _ = _header(array_stream, location)
    height, width, channels = _layout(shape, location)
    return PictureInfo((height, width), channels, image_dtype(dtype, location))


def decode(stream: io.BufferedIOBase, kind: Kind, key: str | None, location: str) -> Decoded:
    """The array, channels last."""
    with _array_stream(stream, kind, key, location) as (array_stream, length):
        shape, dtype, order = _header(array_stream, location)
        image_dtype(dtype, location)
        height, width, channels = _layout(shape, location)
        check_pixels((height, width), channels, location)
        needed = height * width * channels * dtype.itemsize
        check_memory(needed, location)
        _check_length(length - array_stream.tell(), needed)
        array = np.frombuffer(_read(array_stream, needed), dtype).reshape(shape, order=order)
    return Decoded(_channels_last(array))


def _read(stream: io.BufferedIOBase, count: int) -> bytearray:
    """So many bytes, which may be changed."""
    content = bytearray(count)
    view, done = memoryview(content), 0
    while done < count:
        more = stream.readinto(view[done:])
        if not more:
            _check_length(done, count)
        done += more
    return content


@contextmanager
def _array_stream(
    stream: io.BufferedIOBase, kind: Kind, key: str | None, location: str
) -> Iterator[tuple[io.BufferedIOBase, int]]:
    """The stream of the one `.npy` that was asked for, and its length in bytes."""
    length = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if kind == "npy":
        yield stream, length
        return
    with zipfile.ZipFile(stream) as archive:
        entry = archive.getinfo(_choose_key(archive, key, location))
        with archive.open(entry) as member:
            yield cast("io.BufferedIOBase", member), entry.file_size


def _choose_key(archive: zipfile.ZipFile, key: str | None, location: str) -> str:
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if key is None and len(names) == 1:
        return f"{names[0]}.npy"
    if key is not None and key in names:
        return f"{key}.npy"
    listed = ", ".join(f"'{name}'" for name in names[:10]) or "none"
    raise DataError(
        f"an array '{key}' in the file" if key is not None else "one array per .npz file, or a choice of one",
        f"'{location}' holds {len(names)} arrays: {listed}",
        "Name one with '#key=NAME' after the file name, or save one array per file.",
    )


def _header(
    stream: io.BufferedIOBase, location: str
) -> tuple[tuple[int, ...], np.dtype[np.generic], Literal["C", "F"]]:
    version = npy.read_magic(stream)
    if version > (2, 0):
        # Version 3 exists for field names beyond Latin-1: never a picture.
        raise DataError(
            "an array of plain numbers", f"'{location}' has named fields", "Save each field as a file of its own."
        )
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with _ONE_AT_A_TIME:
        shape, fortran, dtype = read(stream)
    return shape, dtype, "F" if fortran else "C"


def _check_length(found: int, needed: int) -> None:
    """Refuse an array that is cut short before room is made for all that its header promises.

    Raises:
        ValueError: It is.
    """
    if found < needed:
        raise ValueError(f"its header promises {needed:,} bytes of pixels, and {max(found, 0):,} follow")


def _layout(shape: tuple[int, ...], location: str) -> tuple[int, int, int]:
    """Height, width and channels of an array of this shape."""
    if len(shape) not in (2, 3) or 0 in shape:
        raise DataError(
            "an array of (height, width), (height, width, channels) or (channels, height, width)",
            f"'{location}' has shape {shape}",
            "Save one picture per file, in one of these shapes.",
        )
    if len(shape) == 2:
        return shape[0], shape[1], 1
    if _channels_first(shape):
        return shape[1], shape[2], shape[0]
    return shape[0], shape[1], shape[2]


def _channels_first(shape: tuple[int, ...]) -> bool:
    # There are fewer channels than rows or columns in any real picture; last is the habit when in doubt.
    return len(shape) == 3 and shape[0] < shape[2]


def _channels_last(array: np.ndarray) -> Shaped[np.ndarray, "height width *channels"]:
    return np.moveaxis(array, 0, -1) if _channels_first(array.shape) else array
