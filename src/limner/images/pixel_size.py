"""How large a pixel is, where a file says it in millimetres.

Layer: images. The resolution of TIFF and JPEG in dots per inch is for printers and says nothing of what is shown; it
is not read.
"""

from __future__ import annotations

from limner.images.locations import parse_location
from limner.images.read import is_dicom, is_volume, read_volume
from limner.images.series import read_slice
from limner.images.volumes import choose_plane
from limner.types import Spacing


def read_spacing(location: str) -> Spacing | None:
    """Millimetres from row to row and from column to column; None where the file does not say.

    Of NIfTI from its affine; of DICOM its PixelSpacing, and not the ImagerPixelSpacing of projections, which is that
    of the detector.

    Raises:
        DataError: The file cannot be read.
    """
    place = parse_location(location)
    if is_volume(place.file):
        volume = read_volume(place.file)
        return volume.steps(place.plane or choose_plane([volume])[0])
    if not is_dicom(place.file):
        return None
    values = read_slice(place.file).header.get("PixelSpacing")
    if not values or len(values) != 2 or not all(float(value) > 0 for value in values):
        return None
    return float(values[0]), float(values[1])
