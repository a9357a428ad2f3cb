"""Read and write pictures and masks of every format, from anywhere.

Layer: images. The only importer of Pillow, tifffile and imagecodecs. Imports no torch.
"""

from limner.images.archives import archive_contents
from limner.images.channels import to_channels
from limner.images.jpeg import PIXELS, JpegStorage
from limner.images.kinds import IMAGE_SUFFIXES
from limner.images.locations import (
    Location,
    key_location,
    member_location,
    page_location,
    parse_location,
    row_location,
)
from limner.images.pictures import PictureInfo, StoredMask
from limner.images.read import read_image, read_info, read_jpeg_storage, read_mask
from limner.images.resize import resize_image, resize_mask
from limner.images.rle import decode_rle, encode_rle
from limner.images.rle_tables import is_rle_table, read_row, rle_names
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
    "PIXELS",
    "JpegStorage",
    "Location",
    "PictureInfo",
    "Source",
    "StoredMask",
    "ZipWriter",
    "archive_contents",
    "decode_rle",
    "encode_jpeg",
    "encode_png",
    "encode_rle",
    "encode_webp",
    "is_rle_table",
    "key_location",
    "member_location",
    "natural_key",
    "page_location",
    "parse_location",
    "read_bytes",
    "read_image",
    "read_info",
    "read_jpeg_storage",
    "read_mask",
    "read_row",
    "resize_image",
    "resize_mask",
    "rle_names",
    "row_location",
    "to_channels",
    "write_image",
    "write_mask",
    "write_zip",
]
