"""Read and write pictures and masks of every format, from anywhere.

Layer: images. The only importer of Pillow, tifffile and imagecodecs. Imports no torch.
"""

from limner.images.archives import archive_contents
from limner.images.channels import to_channels
from limner.images.kinds import IMAGE_SUFFIXES
from limner.images.locations import Location, key_location, member_location, page_location, parse_location
from limner.images.pictures import PictureInfo, StoredMask
from limner.images.read import read_image, read_info, read_mask
from limner.images.resize import resize_image, resize_mask
from limner.images.source import Source, natural_key
from limner.images.stream import read_bytes
from limner.images.write import (
    IGNORE_COLOR,
    encode_jpeg,
    encode_png,
    encode_webp,
    write_image,
    write_mask,
)
from limner.images.zip_writer import ZipWriter, write_zip

__all__ = [
    "IGNORE_COLOR",
    "IMAGE_SUFFIXES",
    "Location",
    "PictureInfo",
    "Source",
    "StoredMask",
    "ZipWriter",
    "archive_contents",
    "encode_jpeg",
    "encode_png",
    "encode_webp",
    "key_location",
    "member_location",
    "natural_key",
    "page_location",
    "parse_location",
    "read_bytes",
    "read_image",
    "read_info",
    "read_mask",
    "resize_image",
    "resize_mask",
    "to_channels",
    "write_image",
    "write_mask",
    "write_zip",
]
