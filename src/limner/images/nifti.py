"""NIfTI volumes, read slice by slice.

Layer: images. Read with nibabel, an optional package. A compressed file has no place where a slice begins, so the
last few volumes stay in memory, unpacked and in their own type.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from jaxtyping import Shaped

from limner.errors import DataError
from limner.images import limits
from limner.images.locations import Location, is_url, parse_location
from limner.images.medical import import_medical
from limner.images.pictures import Decoded, PictureInfo, choose_page
from limner.images.volumes import Volume, choose_plane, cut
from limner.types import PLANES, Plane

_MOST_HELD = 8
_MOST_BYTES = 2**31

_Key: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, eq=False)
class _Voxels:
    """A volume in memory: stored numbers, turned to the patient's axes."""

    volume: Volume
    stored: Shaped[np.ndarray, "left back down"]
    slope: float
    intercept: float

    def cut(self, page: int, plane: Plane) -> np.ndarray:
        """One slice with the file's scale applied."""
        flat = cut(self.stored, page, plane)
        if (self.slope, self.intercept) == (1.0, 0.0):
            return np.ascontiguousarray(flat)
        return flat.astype(np.float64) * self.slope + self.intercept


_HELD: OrderedDict[_Key, _Voxels] = OrderedDict()
_LOCK = threading.RLock()
# A child that is forked while another thread holds the lock would wait for ever.
os.register_at_fork(after_in_child=lambda: globals().update(_LOCK=threading.RLock()))


def inspect(stream: io.BufferedIOBase, place: Location, location: str) -> PictureInfo:
    """Facts from the header; of a compressed file no more is unpacked."""
    volume = read_grid(stream, location)
    plane = place.plane or choose_plane([volume])[0]
    pages = volume.slices(plane)
    if place.page is not None:
        choose_page(place.page, pages, location)
    return PictureInfo(volume.size(plane), 1, "float32", pages)


def decode(open_stream: Callable[[], io.BufferedIOBase], location: str, *, stored: bool) -> Decoded:
    """One slice.

    Args:
        open_stream: Opens the file; not called where its volume is still in memory.
        location: Where it lies.
        stored: Keep the file's own type, as masks want it; else float32, whatever the type, so that volumes
            of one data set are alike.
    """
    place = parse_location(location)
    voxels = _voxels(open_stream, place, location)
    plane = place.plane or choose_plane([voxels.volume])[0]
    array = voxels.cut(choose_page(place.page, voxels.volume.slices(plane), location), plane)
    return Decoded(array if stored else array.astype(np.float32))


def read_grid(stream: io.BufferedIOBase, location: str) -> Volume:
    """Shape and place of a volume, from its header."""
    return _grid(_header(_unpacked(stream)), location)[0]


def encode(
    slices: Shaped[np.ndarray, "slices height width"], stream: io.BufferedIOBase, plane: Plane | None, location: str
) -> bytes:
    """A compressed file of slices, drawn as `decode` gives them, on the grid of the volume that they were cut from.

    Args:
        slices: All of them, in order.
        stream: The volume's file.
        plane: In which it was cut; None left the choice to the volume.
        location: Where it lies.
    """
    nibabel = import_medical("nibabel")
    header = _header(_unpacked(stream))
    volume, orientation = _grid(header, location)
    axis = PLANES.index(plane or choose_plane([volume])[0])
    # The way of `cut` and of `_read` back.
    turned = np.moveaxis(slices.transpose(0, 2, 1)[:, ::-1, ::-1], 0, axis)
    patient = np.array([[0, 1], [1, 1], [2, 1]])
    back = nibabel.orientations.ornt_transform(patient, orientation)
    stored = nibabel.orientations.apply_orientation(turned, back)
    kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    image = kind(np.ascontiguousarray(stored), header.get_best_affine(), header)
    image.set_data_dtype(stored.dtype)
    image.header["cal_min"] = image.header["cal_max"] = 0  # the window of the scan is none of a mask
    # Without the time, so that the same masks are the same bytes.
    return gzip.compress(image.to_bytes(), mtime=0)


def _voxels(open_stream: Callable[[], io.BufferedIOBase], place: Location, location: str) -> _Voxels:
    key = _identity(place)
    # Under the lock: threads that want slices of one volume wait for it, not unpack it each.
    with _LOCK:
        if key not in _HELD:
            for outdated in [other for other in _HELD if other[0] == key[0]]:
                del _HELD[outdated]
            with open_stream() as stream:
                _HELD[key] = _read(stream, location)
            while len(_HELD) > _MOST_HELD or (len(_HELD) > 2 and _held_bytes() > _MOST_BYTES):
                _HELD.popitem(last=False)
        _HELD.move_to_end(key)
        return _HELD[key]


def _held_bytes() -> int:
    return sum(voxels.stored.nbytes for voxels in _HELD.values())


def _identity(place: Location) -> _Key:
    on_disk = place.archive or place.path
    if is_url(on_disk) or not Path(on_disk).exists():
        return place.file, 0, 0
    status = os.stat(on_disk)  # noqa: PTH116 - on the path of every read
    return place.file, status.st_mtime_ns, status.st_size


def _read(stream: io.BufferedIOBase, location: str) -> _Voxels:
    nibabel = import_medical("nibabel")
    unpacked = _unpacked(stream)
    header = _header(unpacked)
    volume, orientation = _grid(header, location)
    limits.check_memory(math.prod(volume.shape) * header.get_data_dtype().itemsize, location)
    unpacked.seek(0)
    kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    proxy = kind.from_stream(unpacked).dataobj
    stored = np.asarray(proxy.get_unscaled()).reshape(_shape(header))
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    turned = nibabel.orientations.apply_orientation(stored, orientation)
    return _Voxels(volume, turned, float(proxy.slope), float(proxy.inter))


def _unpacked(stream: io.BufferedIOBase) -> io.BufferedIOBase:
    stream.seek(0)
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    return cast("io.BufferedIOBase", gzip.GzipFile(fileobj=stream)) if packed else stream


def _header(stream: io.BufferedIOBase) -> Any:
    nibabel = import_medical("nibabel")
    start = stream.read(4)
    stream.seek(0)
    second = int.from_bytes(start, "little") == 540 or int.from_bytes(start, "big") == 540
    kind = nibabel.Nifti2Header if second else nibabel.Nifti1Header
    return kind.from_fileobj(stream)


def _grid(header: Any, location: str) -> tuple[Volume, np.ndarray]:
    """The volume, and how stored axes become the patient's."""
    nibabel = import_medical("nibabel")
    shape = _shape(header)
    if len(shape) != 3 or 0 in shape:
        raise DataError(
            "one volume of three dimensions per file",
            f"'{location}' has the shape {'×'.join(map(str, header.get_data_shape()))}",
            "Save each volume as a file of its own (nibabel.four_to_three, fslsplit). Sequences of one patient are "
            "joined as channels if they are called NAME_0000.nii.gz, NAME_0001.nii.gz, …",
        )
    if np.prod(shape, dtype=np.int64) > limits.PIXEL_LIMIT:
        raise DataError(
            f"a volume has at most {limits.PIXEL_LIMIT:,} voxels",
            f"'{location}' says it has {'×'.join(map(str, shape))}",
            "If the file is sound, cut it into smaller volumes; if it is not, remove it.",
        )
    affine = np.asarray(header.get_best_affine(), np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise DataError(
            "a volume whose header says where its voxels lie",
            f"'{location}' has the affine {affine[:3].tolist()}",
            "Set sform or qform of the file, or convert the scan again.",
        )
    orientation = nibabel.orientations.io_orientation(affine)
    turned = affine @ nibabel.orientations.inv_ornt_aff(orientation, shape)
    left, back, down = (shape[int(axis)] for axis in np.argsort(orientation[:, 0]))
    return Volume((left, back, down), turned), orientation


def _shape(header: Any) -> tuple[int, ...]:
    """Without trailing axes of length one; a single slice is a volume one voxel deep."""
    shape = tuple(int(length) for length in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return (*shape, 1) if len(shape) == 2 else shape
