"""Read and write pictures and masks of every format, from anywhere.

Layer: images. The only importer of Pillow, tifffile, imagecodecs, zarr, rasterio, pydicom, highdicom and nibabel.
Imports no torch.
"""

from limner.images.archives import archive_contents
from limner.images.channels import to_channels
from limner.images.dicom_seg import Segment, encode_segmentation, require_segmentations
from limner.images.geo import Tag, Tags, is_georeferenced
from limner.images.jpeg import PIXELS, JpegStorage
from limner.images.kinds import IMAGE_SUFFIXES, picture_suffix, suffix_of, without_suffix
from limner.images.locations import (
    Location,
    is_url,
    member_location,
    page_location,
    parse_location,
    row_location,
)
from limner.images.pictures import PictureInfo, StoredMask
from limner.images.pixel_size import read_spacing
from limner.images.read import (
    decode_mask,
    encode_volume,
    is_dicom,
    is_picture,
    is_volume,
    read_image,
    read_info,
    read_jpeg_storage,
    read_mask,
    read_volume,
)
from limner.images.remote import exists_url, names_below, remove_url, send_file
from limner.images.resize import resize_image, resize_mask
from limner.images.rle import decode_rle, encode_rle
from limner.images.rle_tables import is_rle_table, read_row, rle_names
from limner.images.series import Series, Slice, read_series, read_slice
from limner.images.shards import make_chunk, shard_location, shards_at
from limner.images.source import Source, natural_key
from limner.images.stream import hash_file, read_bytes, reading_once
from limner.images.tiled_tiff import TILE, TiledTiff
from limner.images.uploads import UPLOAD_KINDS, decode_mask_upload, decode_upload, encode_upload, inspect_upload
from limner.images.volumes import Volume, choose_plane
from limner.images.windows import STREAM_PIXELS, RowReader, Windows, missing, open_windows, windowed_size
from limner.images.write import (
    IGNORE_COLOR,
    encode_jpeg,
    encode_png,
    encode_webp,
    write_image,
    write_mask,
    write_planes,
)
from limner.images.zarr_windows import is_zarr
from limner.images.zip_writer import ZipWriter, write_zip

__all__ = [
    "IGNORE_COLOR",
    "IMAGE_SUFFIXES",
    "PIXELS",
    "STREAM_PIXELS",
    "TILE",
    "UPLOAD_KINDS",
    "JpegStorage",
    "Location",
    "PictureInfo",
    "RowReader",
    "Segment",
    "Series",
    "Slice",
    "Source",
    "StoredMask",
    "Tag",
    "Tags",
    "TiledTiff",
    "Volume",
    "Windows",
    "ZipWriter",
    "archive_contents",
    "choose_plane",
    "decode_mask",
    "decode_mask_upload",
    "decode_rle",
    "decode_upload",
    "encode_jpeg",
    "encode_png",
    "encode_rle",
    "encode_segmentation",
    "encode_upload",
    "encode_volume",
    "encode_webp",
    "exists_url",
    "hash_file",
    "inspect_upload",
    "is_dicom",
    "is_georeferenced",
    "is_picture",
    "is_rle_table",
    "is_url",
    "is_volume",
    "is_zarr",
    "make_chunk",
    "member_location",
    "missing",
    "names_below",
    "natural_key",
    "open_windows",
    "page_location",
    "parse_location",
    "picture_suffix",
    "read_bytes",
    "read_image",
    "read_info",
    "read_jpeg_storage",
    "read_mask",
    "read_row",
    "read_series",
    "read_slice",
    "read_spacing",
    "read_volume",
    "reading_once",
    "remove_url",
    "require_segmentations",
    "resize_image",
    "resize_mask",
    "rle_names",
    "row_location",
    "send_file",
    "shard_location",
    "shards_at",
    "suffix_of",
    "to_channels",
    "windowed_size",
    "without_suffix",
    "write_image",
    "write_mask",
    "write_planes",
    "write_zip",
]
