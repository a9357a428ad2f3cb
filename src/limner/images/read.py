"""Read a picture or a mask, of any format, from anywhere.

Layer: images. The one place where a location meets the format readers, and where whatever a decoder
raises on a damaged file becomes a `DataError` that names the file. Safe to call from many threads.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Shaped, UInt8, UInt16

from limner.errors import DataError, LimnerError
from limner.images import dicom, nifti, numpy_files, pillow, tiff
from limner.images.depth import to_image, to_mask
from limner.images.jpeg import JpegStorage, inspect_storage
from limner.images.kinds import HEAD, IMAGE_SUFFIXES, NIFTI_SUFFIXES, Kind, describe, sniff, suffix_of
from limner.images.limits import check_pixels
from limner.images.locations import Location, is_url, parse_location
from limner.images.orientation import upright
from limner.images.pictures import Decoded, PictureInfo, StoredMask, choose_page
from limner.images.rle_tables import decode_row
from limner.images.stream import open_location
from limner.images.volumes import Volume


def read_info(location: str) -> PictureInfo:
    """Facts about a picture from its header, without decoding pixels.

    A file in an archive or behind a URL is fetched whole. Of a row of run lengths these are the facts that
    its location states.

    Raises:
        DataError: The file is missing, damaged, too large or no picture, or has no such page or key.
    """
    place = parse_location(location)
    if place.row is not None and place.size is not None:
        check_pixels(place.size, 1, location)
        return PictureInfo(place.size, channels=1, dtype="bool", pages=1, palette=False, orientation=1)
    with _opened(location) as (stream, kind, place):
        if kind in pillow.KINDS:
            info = pillow.inspect(stream, kind, place.page, location)
        elif kind == "tiff":
            info = tiff.inspect(stream, place.page, location)
        elif kind == "dicom":
            info = dicom.inspect(stream, place.page, location)
        elif kind == "nifti":
            info = nifti.inspect(stream, place, location)
        else:
            info = numpy_files.inspect(stream, kind, place.key, location)
    check_pixels(info.size, info.channels, location)
    return info


def read_image(
    location: str,
) -> (
    UInt8[np.ndarray, "height width channels"]
    | UInt16[np.ndarray, "height width channels"]
    | Float32[np.ndarray, "height width channels"]
):
    """Read a picture, upright, as `height width channels`.

    uint8 and uint16 are kept. 1-bit pictures become 0 and 255. All other types (int16, int32, uint32,
    int64, float16, float64) become float32, which is exact for whole numbers up to 2²⁴. Palettes are
    expanded to their colours (with an opacity channel when a PNG's palette has one), CMYK becomes
    RGB, and alpha channels are kept. In a three-dimensional `.npy` the channel axis is the first if
    that is shorter than the last, else the last.

    Args:
        location: See `limner.types`.

    Raises:
        DataError: The file is missing, damaged, cut short, too large or no picture; or has several
            pages or arrays and the location names none.
    """
    with _decoded(location, stored=False) as decoded:
        array = to_image(_expanded(decoded, location), location)
        array = upright(array[..., None] if array.ndim == 2 else array, decoded.orientation)
        return np.ascontiguousarray(array)


def read_mask(location: str) -> StoredMask:
    """Read a mask, upright, with its values exactly as stored.

    Palette indices and 1-bit values are kept, colours and alpha channels too. Signed and wide
    integers come as int32, floats as float32. A last axis of length one is dropped. A row of run
    lengths comes as bool.

    Raises:
        DataError: As `read_image`; also when integers do not fit int32, or run lengths are no mask.
    """
    if parse_location(location).row is not None:
        return StoredMask(decode_row(location), None)
    with _decoded(location, stored=True) as decoded:
        array = decoded.array
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[..., 0]
        array = np.ascontiguousarray(upright(to_mask(array, location), decoded.orientation))
        return StoredMask(array, None if decoded.palette is None else np.ascontiguousarray(decoded.palette[:, :3]))


def decode_mask(data: bytes, where: str) -> Shaped[np.ndarray, "height width *channels"]:
    """Values, as stored, of a mask that lies within another file: PNG, or another of Pillow's formats.

    Args:
        data: The picture's own bytes.
        where: What to call it in messages.

    Raises:
        DataError: It is damaged, too large or no such picture.
    """
    stream = io.BytesIO(data)
    with explained(where, None):
        kind = _recognise(stream, where)
    if kind not in pillow.KINDS:
        raise DataError("a PNG", f"'{where}' holds {kind.upper()}", "Save it as PNG.")
    with explained(where, kind):
        return np.ascontiguousarray(pillow.decode(stream, kind, None, where).array)


def read_jpeg_storage(location: str) -> JpegStorage | None:
    """How a JPEG file stores its picture; None of all other files, and where it is not known.

    Raises:
        DataError: As `read_image`.
    """
    with _opened(location) as (stream, kind, _):
        return inspect_storage(stream) if kind == "jpeg" else None


@contextlib.contextmanager
def _decoded(location: str, *, stored: bool) -> Iterator[Decoded]:
    """Pixels as the file has them; where that makes a difference, `stored` or as a picture.

    What is done with them inside is guarded too, as memory may be short.
    """
    if suffix_of(parse_location(location).path) in NIFTI_SUFFIXES:
        with explained(location, "nifti"):
            yield nifti.decode(lambda: _checked_nifti(location), location, stored=stored)
        return
    with _opened(location) as (stream, kind, place):
        if kind in pillow.KINDS:
            yield pillow.decode(stream, kind, place.page, location)
        elif kind == "tiff":
            yield tiff.decode(stream, place.page, location)
        elif kind == "dicom":
            yield dicom.decode(stream, place.page, location, stored=stored)
        elif kind == "nifti":
            yield nifti.decode(lambda: open_location(location), location, stored=stored)
        else:
            yield numpy_files.decode(stream, kind, place.key, location)


def _expanded(decoded: Decoded, location: str) -> Shaped[np.ndarray, "height width *channels"]:
    if decoded.palette is None:
        return decoded.array
    largest = int(decoded.array.max())
    if largest >= len(decoded.palette):
        raise DataError(
            "every pixel's colour is in the palette",
            f"'{location}' uses colour {largest} of a palette of {len(decoded.palette)}",
            "Save the picture again as RGB.",
        )
    expanded: np.ndarray = decoded.palette[decoded.array]
    return expanded


@contextlib.contextmanager
def _opened(location: str) -> Iterator[tuple[io.BufferedIOBase, Kind, Location]]:
    with open_location(location) as stream:
        with explained(location, None):
            kind = _recognise(stream, location)
        with explained(location, kind):
            place = parse_location(location)
            _check_fragment(kind, place, location)
            yield stream, kind, place


@contextlib.contextmanager
def explained(location: str, kind: Kind | None) -> Iterator[None]:
    """Inside, whatever a decoder raises becomes a `DataError` that names the file and its kind."""
    try:
        yield
    except LimnerError:
        raise
    except Exception as error:  # decoders raise almost anything on damaged bytes
        raise _damaged(location, kind, error) from error


def _checked_nifti(location: str) -> io.BufferedIOBase:
    """The stream of a file whose name says that it is a volume, once its content says so too."""
    stream = open_location(location)
    try:
        kind = _recognise(stream, location)
        if kind != "nifti":
            raise DataError(
                "a NIfTI volume, as the name says", f"'{location}' is of kind {kind.upper()}", "Rename the file."
            )
    except BaseException:
        stream.close()
        raise
    return stream


def is_volume(location: str) -> bool:
    """Whether a location means a whole volume, going by its name."""
    place = parse_location(location)
    return place.page is None and suffix_of(place.path) in NIFTI_SUFFIXES


def read_volume(location: str) -> Volume:
    """The grid of a volume, from its header.

    Raises:
        DataError: As `read_info`.
        MissingExtra: nibabel is not installed.
    """
    with explained(location, "nifti"), _checked_nifti(location) as stream:
        return nifti.read_grid(stream, location)


def encode_volume(slices: UInt8[np.ndarray, "slices height width"], location: str) -> bytes:
    """A compressed NIfTI file of masks of all slices of a volume, in the volume's own axes and place.

    Args:
        slices: In order, as `read_image` gives slices.
        location: Of any of the slices.

    Raises:
        DataError: The volume cannot be read.
        MissingExtra: nibabel is not installed.
    """
    place = parse_location(location)
    with explained(location, "nifti"), _checked_nifti(place.file) as stream:
        return nifti.encode(slices, stream, place.plane, location)


def is_dicom(location: str) -> bool:
    """Whether a file is DICOM: by its ending, or by its first bytes where it has none but a number.

    Files behind URLs go by their endings alone.
    """
    suffix = _suffix(location)
    if suffix and not suffix[1:].isdigit():
        return suffix == ".dcm"
    place = parse_location(location)
    if place.path.rpartition("/")[2].upper() == "DICOMDIR" or is_url(place.archive or place.path):
        return False
    try:
        with open_location(location) as stream:
            return sniff(stream.read(HEAD)) == "dicom"
    except DataError:
        return False  # what cannot be opened has never been taken for a picture


def is_picture(location: str) -> bool:
    """Whether Limner takes a file for a picture when it looks through a folder.

    By the ending of its name; a file without one, or with a number for one, is opened to see if it is DICOM.
    """
    return _suffix(location) in IMAGE_SUFFIXES or is_dicom(location)


def _suffix(location: str) -> str:
    """Ending of the file's name; most locations need not be taken apart for it, of which there may be a million."""
    if "#" in location:
        return suffix_of(parse_location(location).path)
    return suffix_of(location.rpartition("::")[0] if location.startswith("zip://") else location)


def _recognise(stream: io.BufferedIOBase, location: str) -> Kind:
    head = stream.read(HEAD)
    kind = sniff(head)
    if kind is None:
        raise DataError(
            "a picture: PNG, JPEG, BMP, GIF, WebP, TIFF, NumPy, DICOM or NIfTI",
            f"'{location}' is {describe(head)}",
            "Remove the file, or replace it by the picture it should be.",
        )
    return kind


def _check_fragment(kind: Kind, place: Location, location: str) -> None:
    # Refused rather than overlooked: it would read something other than what was asked for.
    if place.key is not None and kind != "npz":
        raise DataError(
            "'#key=' after an .npz file", f"'{location}' is of kind {kind.upper()}", "Leave out the part after '#'."
        )
    if place.page and kind in ("npy", "npz"):
        choose_page(place.page, 1, location)


def _damaged(location: str, kind: Kind | None, error: Exception) -> DataError:
    if isinstance(error, MemoryError):
        return DataError(
            "a picture that fits into memory",
            f"'{location}' needs more than there is",
            "If the file is sound, cut it into smaller pictures; if not, remove it.",
        )
    name = f"{kind.upper()} file" if kind else "picture"
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(
        f"a whole {name}",
        f"'{location}' is damaged or cut short: {reason}",
        "Copy or export it again, or remove it from the data.",
    )
