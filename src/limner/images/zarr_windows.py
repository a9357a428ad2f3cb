"""Parts of a zarr array, and of the full level of an OME-Zarr picture.

Layer: images. Read with zarr, which is imported when it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from limner.errors import DataError, MissingExtra, install_line
from limner.images.depth import image_dtype, to_image
from limner.images.geo import Tags
from limner.types import Size

_MARKS = ("zarr.json", ".zarray", ".zgroup")


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group, of version 2 or 3."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


class ZarrWindows:
    """One array; see `limner.images.windows.Windows`."""

    def __init__(self, array: Any, axes: str, location: str) -> None:
        self._array, self._axes, self._location = array, axes, location
        lengths = dict(zip(axes, array.shape, strict=True))
        single = [axis for axis in axes if axis not in "yxc"]
        if "y" not in lengths or "x" not in lengths or any(lengths[axis] != 1 for axis in single):
            shape = ", ".join(f"{axis} {length:,}" for axis, length in lengths.items())
            raise DataError(
                "a zarr array that is one picture: y, x and perhaps channels",
                f"'{location}' has the axes {shape}",
                "Name an array of one picture, or save each plane as an array of its own.",
            )
        self.size: Size = (int(lengths["y"]), int(lengths["x"]))
        self.channels = int(lengths.get("c", 1))
        self.dtype = image_dtype(array.dtype, location).replace("bool", "uint8")
        chunks = getattr(array, "shards", None) or array.chunks
        self.chunk_rows = min(int(chunks[axes.index("y")]), self.size[0])
        self.nodata: float | None = None
        self.alpha = False
        self.tags: Tags = ()

    def read(self, rows: slice, columns: slice) -> Shaped[np.ndarray, "rows columns channels"]:
        """See `Windows.read`."""
        index = tuple({"y": rows, "x": columns, "c": slice(None)}.get(axis, 0) for axis in self._axes)
        try:
            found = np.asarray(self._array[index])
        except Exception as error:  # codecs raise almost anything on damaged bytes
            raise DataError(
                "a whole zarr array",
                f"'{self._location}' is damaged near row {rows.start:,}, column {columns.start:,}: {error}",
                "Copy or export it again.",
            ) from error
        left = [axis for axis in self._axes if axis in "yxc"]
        found = found.transpose([left.index(axis) for axis in "yxc" if axis in left])
        return np.ascontiguousarray(to_image(found if found.ndim == 3 else found[..., None], self._location))


def open_zarr(path: Path, location: str) -> ZarrWindows:
    """The picture of a zarr folder.

    Raises:
        DataError: It holds none, or several.
        MissingExtra: zarr is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingExtra("zarr, to read zarr arrays", "it is not installed", install_line("zarr")) from error
    opened: Any = zarr.open(str(path), mode="r")
    if hasattr(opened, "shape"):
        return ZarrWindows(opened, _axes(opened.shape), location)
    attributes = dict(opened.attrs)
    scales = (attributes.get("ome") or attributes).get("multiscales")
    if scales:
        array = opened[scales[0]["datasets"][0]["path"]]
        names = [axis["name"] if isinstance(axis, dict) else axis for axis in scales[0].get("axes", ())]
        # Before version 0.3 the axes were always these.
        return ZarrWindows(array, "".join(names) or "tczyx", location)
    arrays = [name for name, _ in opened.arrays()]
    if len(arrays) != 1:
        raise DataError(
            "a zarr array, an OME-Zarr picture, or a group of one array",
            f"'{location}' is a group of {len(arrays)} arrays",
            f"Name the array, such as '{location}/{arrays[0] if arrays else '0'}'.",
        )
    return ZarrWindows(opened[arrays[0]], _axes(opened[arrays[0]].shape), location)


def _axes(shape: tuple[int, ...]) -> str:
    """As of other arrays: channels are first if that axis is shorter than the last, else last."""
    if len(shape) == 2:
        return "yx"
    if len(shape) == 3:
        return "cyx" if shape[0] < shape[2] else "yxc"
    return "tczyx"[-len(shape) :] if len(shape) <= 5 else "?" * len(shape)
