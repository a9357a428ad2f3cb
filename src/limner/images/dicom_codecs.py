"""Compressed DICOM pixels that pydicom alone does not decode: a plugin of pydicom's decoders.

Layer: images. imagecodecs comes with Limner anyway, and under a permissive licence; the decoders that pydicom
knows of for lossless JPEG do not. Names and signatures are those that pydicom asks of a plugin.
"""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import get_decoder

PLUGIN = "limner"

_CODECS = {
    uid.JPEGExtended12Bit: "jpeg8",
    uid.JPEGLossless: "jpeg8",
    uid.JPEGLosslessSV1: "jpeg8",
    uid.JPEGLSLossless: "jpegls",
    uid.JPEGLSNearLossless: "jpegls",
    uid.JPEG2000Lossless: "jpeg2k",
    uid.JPEG2000: "jpeg2k",
    uid.HTJ2KLossless: "jpeg2k",
    uid.HTJ2KLosslessRPCL: "jpeg2k",
    uid.HTJ2K: "jpeg2k",
}

DECODER_DEPENDENCIES = dict.fromkeys(_CODECS, ("imagecodecs",))


def is_available(syntax: str) -> bool:
    """Whether frames of this transfer syntax can be decoded."""
    return syntax in _CODECS


def decode_frame(source: bytes, runner: Any) -> bytearray:
    """The samples of one frame, pixel by pixel.

    Args:
        source: The compressed frame.
        runner: pydicom's `DecodeRunner`, which knows the header and is told what came out.

    Raises:
        ValueError: The frame has another size than the header says.
    """
    codec = _CODECS[runner.transfer_syntax]
    if codec == "jpeg8":
        # Colours come as they are stored; the header says what they are.
        color = "RGB" if runner.samples_per_pixel == 3 else "GRAYSCALE"
        array = imagecodecs.jpeg8_decode(source, colorspace=color, outcolorspace=color)
    else:
        array = getattr(imagecodecs, f"{codec}_decode")(source)
    if array.shape[:2] != (runner.rows, runner.columns):
        found = "×".join(map(str, array.shape[:2]))
        raise ValueError(f"a frame of {found} under a header of {runner.rows}×{runner.columns}")
    runner.set_option("bits_allocated", 8 * array.itemsize)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
    if codec == "jpeg2k" and runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")  # the transform is a part of the codec
    return bytearray(np.ascontiguousarray(array).tobytes())


def register() -> None:
    """Make this plugin known to pydicom."""
    for syntax in _CODECS:
        decoder = get_decoder(syntax)
        if PLUGIN not in decoder.available_plugins:
            decoder.add_plugin(PLUGIN, (__name__, "decode_frame"))


def plugin_for(syntax: str) -> str:
    """Name of the plugin to decode a transfer syntax with; empty leaves it to pydicom."""
    return PLUGIN if syntax in _CODECS else ""
