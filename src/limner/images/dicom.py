"""DICOM: grey values in the unit that the file states, colours, palettes, single and multi-frame.

Layer: images. Read with pydicom, an optional package.

Pixels stay in the order in which they are stored, which is the order in which viewers show them. Grey of more than
8 bits always becomes float32, whether or not a rescale is stated, so that the slices of one data set are of one type.
Nothing is windowed: the window of a file is made for eyes and differs between files (see `data.window`).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from limner.errors import DataError
from limner.images.limits import check_memory, check_pixels
from limner.images.medical import import_medical
from limner.images.pictures import Decoded, PictureInfo, choose_page

_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def inspect(stream: io.BufferedIOBase, page: int | None, location: str) -> PictureInfo:
    """Facts from the attributes; pixels are not read."""
    header = read_header(stream, location)
    frames = _frames(header)
    index = choose_page(page, frames, location) if page is not None else 0
    palette = header.PhotometricInterpretation == "PALETTE COLOR"
    return PictureInfo(
        (int(header.Rows), int(header.Columns)),
        3 if palette else int(header.SamplesPerPixel),
        _image_dtype(header, index),
        frames,
        palette,
    )


def decode(stream: io.BufferedIOBase, page: int | None, location: str, *, stored: bool) -> Decoded:
    """Pixels of one frame, channels last.

    Args:
        stream: The file.
        page: Which frame, from 0.
        location: Named in messages.
        stored: Leave grey values as they are stored, as masks want it. Else the modality's rescale or table is
            applied, "white is zero" is turned round, and padding gets the lowest value that is none.
    """
    header = read_header(stream, location)
    index = choose_page(page, _frames(header), location)
    array = _pixels(stream, header, index, location)
    if header.BitsAllocated == 1:
        return Decoded(array.astype(bool))
    if header.PhotometricInterpretation == "PALETTE COLOR":
        return Decoded(array, palette=_palette(header))
    if stored or array.ndim == 3:
        return Decoded(array)
    return Decoded(_grey(array, header, index))


def read_header(stream: io.BufferedIOBase, location: str) -> Any:
    """All attributes up to the pixels, as pydicom's `Dataset`.

    Raises:
        DataError: There are no pixels, none that are a picture, or more than `PIXEL_LIMIT`.
        MissingExtra: pydicom is not installed.
    """
    pydicom = import_medical("pydicom")
    stream.seek(0)
    header = pydicom.dcmread(stream, stop_before_pixels=True)
    kind = getattr(header.get("SOPClassUID", ""), "name", "") or "an unnamed class"
    if header.get("SOPClassUID", "") == _SEGMENTATION:
        raise DataError(
            "a DICOM picture, or a mask as NIfTI, PNG or NumPy",
            f"'{location}' is a DICOM segmentation object (SEG), whose frames are segments of slices",
            "Convert it to NIfTI, for example with dcmqi's segimage2itkimage, and give that.",
        )
    if not header.get("Rows") or not header.get("Columns"):
        raise DataError(
            "a DICOM picture", f"'{location}' holds no pixels ({kind})", "Remove the file from the pictures."
        )
    size, channels = (int(header.Rows), int(header.Columns)), int(header.get("SamplesPerPixel", 1))
    check_pixels(size, channels, location)
    check_memory(size[0] * size[1] * channels * 4, location)  # as float32
    return header


def _frames(header: Any) -> int:
    return max(1, int(header.get("NumberOfFrames") or 1))


def _pixels(stream: io.BufferedIOBase, header: Any, index: int, location: str) -> Shaped[np.ndarray, "height width *_"]:
    from limner.images.dicom_codecs import plugin_for

    pixels = import_medical("pydicom").pixels
    syntax = header.file_meta.TransferSyntaxUID
    try:
        readable = pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        readable = False
    if not readable:
        raise DataError(
            "pixels that are plain, or compressed as RLE, JPEG, JPEG-LS or JPEG 2000",
            f"'{location}' is compressed as {syntax.name} ({syntax}), which cannot be read here",
            "Uncompress it, for example with `gdcmconv --raw` or `dcmdjpeg`, and give that.",
        )
    stream.seek(0)
    # The frame's own bytes alone are read where they are not compressed.
    array: np.ndarray = pixels.pixel_array(stream, index=index, decoding_plugin=plugin_for(syntax))
    return array


def _grey(array: Shaped[np.ndarray, "height width"], header: Any, index: int) -> Shaped[np.ndarray, "height width"]:
    """Values in the modality's unit, bright where the picture is bright."""
    if header.get("PixelPaddingValue") is not None:
        array = _without_padding(array, header)
    inverted = header.PhotometricInterpretation == "MONOCHROME1"
    if "ModalityLUTSequence" in header:
        bits = int(header.ModalityLUTSequence[0].LUTDescriptor[2])
        values = np.asarray(import_medical("pydicom").pixels.apply_modality_lut(array, header), np.float32)
        return 2**bits - 1 - values if inverted else values
    if inverted and array.dtype.kind in "iu":
        bits = int(header.BitsStored)
        array = ((-1 if header.PixelRepresentation else 2**bits - 1) - array.astype(np.int64)).astype(array.dtype)
    slope, intercept = _rescale(header, index)
    if _image_dtype(header, index) == "uint8":
        return array
    return (array.astype(np.float64) * slope + intercept).astype(np.float32)


def _without_padding(array: Shaped[np.ndarray, "height width"], header: Any) -> Shaped[np.ndarray, "height width"]:
    """Padding, which stands for no measurement, as dark as the darkest pixel that is one."""
    first = int(header.PixelPaddingValue)
    last = int(header.get("PixelPaddingRangeLimit") or first)
    padding = (array >= min(first, last)) & (array <= max(first, last))
    if not padding.any() or padding.all():
        return array
    dark = array[~padding].max() if header.PhotometricInterpretation == "MONOCHROME1" else array[~padding].min()
    return np.where(padding, dark, array)


def _rescale(header: Any, index: int) -> tuple[float, float]:
    """Slope and intercept: of the file, or of the frame in an enhanced multi-frame file."""
    source = header
    for name, place in (("SharedFunctionalGroupsSequence", 0), ("PerFrameFunctionalGroupsSequence", index)):
        groups = header.get(name)
        if groups and place < len(groups) and groups[place].get("PixelValueTransformationSequence"):
            source = groups[place].PixelValueTransformationSequence[0]
    slope, intercept = source.get("RescaleSlope"), source.get("RescaleIntercept")
    return (1.0 if slope is None else float(slope)), (0.0 if intercept is None else float(intercept))


def _image_dtype(header: Any, index: int) -> str:
    if header.BitsAllocated == 1:
        return "bool"
    if header.PhotometricInterpretation == "PALETTE COLOR":
        return "uint8"
    if int(header.get("SamplesPerPixel", 1)) > 1:
        return "uint8" if header.BitsAllocated <= 8 else "uint16"
    plain = _rescale(header, index) == (1.0, 0.0) and "ModalityLUTSequence" not in header
    return "uint8" if plain and header.BitsAllocated == 8 and not header.PixelRepresentation else "float32"


def _palette(header: Any) -> UInt8[np.ndarray, "entries 3"]:
    entries = np.arange(2 ** int(header.BitsStored), dtype=np.uint16)
    colors = import_medical("pydicom").pixels.apply_color_lut(entries[None], header)[0]
    return np.ascontiguousarray((colors >> 8 if colors.dtype == np.uint16 else colors).astype(np.uint8))
