"""Write pictures and masks; encode them for a report.

Layer: images. Files appear whole or not at all.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8, UInt16
from PIL import Image

from limner.errors import DataError, OutputError
from limner.files import write_bytes
from limner.types import IGNORE, Color

IGNORE_COLOR: Color = (192, 192, 192)
"""Light grey: the colour `write_mask` gives to pixels that take no part."""


def write_image(
    path: str | Path,
    image: UInt8[np.ndarray, "height width *channels"]
    | UInt16[np.ndarray, "height width *channels"]
    | Float32[np.ndarray, "height width *channels"],
) -> None:
    """Write a picture in the format of the path's suffix, atomically.

    `.png` takes uint8 and uint16 with 1 to 4 channels; `.tif` and `.npy` take everything; `.jpg`,
    `.webp` and `.bmp` take uint8 with 1 or 3 channels, `.webp` also 4.

    Raises:
        OutputError: The format cannot hold the image without loss of bits or channels, is not one
            that Limner writes, or the place cannot be written.
    """
    path = Path(path)
    write_bytes(path, _encode(path, _squeezed(image)))


def write_mask(path: str | Path, ids: UInt8[np.ndarray, "height width"], colors: Sequence[Color]) -> None:
    """Write class ids as a palette PNG or GIF: programs read the ids, people see the colours.

    Args:
        path: Where; ends in `.png` or `.gif`.
        ids: Class ids from 0, and `IGNORE` (255), which is shown in light grey.
        colors: Colour of each class id in turn.

    Raises:
        DataError: An id has no colour.
        OutputError: The place cannot be written, or the suffix is another.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".png", ".gif"):
        raise _refused(path, "class ids with colours", "a path that ends in .png")
    used = ids[ids != IGNORE]
    if used.size and int(used.max()) >= len(colors):
        raise DataError(
            f"class ids from 0 to {len(colors) - 1}", f"id {int(used.max())} for '{path}'", "Give every class a colour."
        )
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: len(colors)] = np.array(colors, dtype=np.uint8).reshape(-1, 3)
    palette[IGNORE] = IGNORE_COLOR
    picture = Image.fromarray(np.ascontiguousarray(ids))
    picture.putpalette(palette.tobytes())
    # Unless told not to, Pillow leaves unused colours out of a GIF and numbers the others anew.
    write_bytes(path, _save(picture, "PNG") if suffix == ".png" else _save(picture, "GIF", optimize=False))


def write_planes(path: str | Path, planes: Float32[np.ndarray, "planes height width"]) -> None:
    """Write numbers as a TIFF of one page for each plane, atomically.

    Raises:
        OutputError: The place cannot be written.
    """
    import tifffile

    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for plane in planes:
            file.write(plane, photometric="minisblack", compression="zlib", predictor=True, metadata=None)
    write_bytes(path, stream.getvalue())


def encode_png(
    image: UInt8[np.ndarray, "height width *channels"]
    | UInt16[np.ndarray, "height width *channels"]
    | Bool[np.ndarray, "height width"],
) -> bytes:
    """A PNG of 1 to 4 channels, 8 or 16 bits each; of bool, of 1 bit.

    Example:
        >>> encode_png(np.zeros((4, 5, 3), np.uint8))[1:4]
        b'PNG'
    """
    if image.dtype == np.uint16:
        import imagecodecs

        return bytes(imagecodecs.png_encode(np.ascontiguousarray(_squeezed(image))))
    return _save(_picture(image), "PNG")


def encode_jpeg(image: UInt8[np.ndarray, "height width *channels"], quality: int = 90) -> bytes:
    """A JPEG of 1 or 3 channels; `quality` 1 to 95, chroma kept at full size from 90 on."""
    return _save(_picture(image), "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2)


def encode_webp(image: UInt8[np.ndarray, "height width *channels"], quality: int | None = 80) -> bytes:
    """A WebP of 1, 3 or 4 channels; lossy with a `quality` of 0 to 100, exact with None."""
    if quality is None:
        return _save(_picture(image), "WEBP", lossless=True)
    return _save(_picture(image), "WEBP", quality=quality)


def _encode(path: Path, image: np.ndarray) -> bytes:
    channels = image.shape[2] if image.ndim == 3 else 1
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _encode_npy(image)
    if suffix in (".tif", ".tiff"):
        return _encode_tiff(image, channels)
    if suffix == ".png" and image.dtype in (np.uint8, np.uint16) and channels <= 4:
        return encode_png(image)
    if image.dtype == np.uint8 and suffix in (".jpg", ".jpeg") and channels in (1, 3):
        return encode_jpeg(image)
    if image.dtype == np.uint8 and suffix == ".webp" and channels in (1, 3, 4):
        return encode_webp(image)
    if image.dtype == np.uint8 and suffix == ".bmp" and channels in (1, 3):
        return _save(_picture(image), "BMP")
    raise _refused(path, f"{image.dtype} with {channels} channels", "a path that ends in .tif or .npy")


def _refused(path: Path, what: str, instead: str) -> OutputError:
    return OutputError(
        f"a format that holds {what}", f"'{path}' names '{path.suffix or 'no suffix'}', which cannot", f"Use {instead}."
    )


def _encode_npy(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, image, allow_pickle=False)
    return stream.getvalue()


def _encode_tiff(image: np.ndarray, channels: int) -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        image,
        photometric="rgb" if channels in (3, 4) else "minisblack",
        extrasamples=("unassalpha",) if channels == 4 else None,
        planarconfig="contig" if channels > 1 else None,
        compression="zlib",
        predictor=True,
        metadata=None,
    )
    return stream.getvalue()


def _squeezed(image: np.ndarray) -> np.ndarray:
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(_squeezed(image)))


def _save(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format=file_format, **options)
    return stream.getvalue()
