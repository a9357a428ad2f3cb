"""Parts of any raster that GDAL reads: JPEG 2000, ERDAS, VRT and more.

Layer: images. Read with rasterio, which is imported when it is needed. GeoTIFF needs none of it.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from limner.errors import DataError, MissingExtra
from limner.images.depth import image_dtype, to_image
from limner.images.geo import Tags, kept_tags
from limner.images.tiff import open_tiff
from limner.types import Size


class RasterWindows:
    """One raster; see `limner.images.windows.Windows`."""

    def __init__(self, dataset: Any, location: str) -> None:
        self._dataset, self._location = dataset, location
        self.size: Size = (int(dataset.height), int(dataset.width))
        self.channels = int(dataset.count)
        if len(set(dataset.dtypes)) != 1:
            raise DataError(
                "bands of one type", f"'{location}' has {', '.join(dataset.dtypes)}", "Convert them to one type."
            )
        self.dtype = image_dtype(np.dtype(dataset.dtypes[0]), location).replace("bool", "uint8")
        self.chunk_rows = min(int(dataset.block_shapes[0][0]), self.size[0])
        self.nodata = None if dataset.nodata is None else float(dataset.nodata)
        self.alpha = self.channels in (2, 4) and dataset.colorinterp[-1].name == "alpha"
        self.tags: Tags = _georeference(dataset)

    def read(self, rows: slice, columns: slice) -> Shaped[np.ndarray, "rows columns channels"]:
        """See `Windows.read`."""
        import rasterio

        try:
            found = self._dataset.read(window=((rows.start, rows.stop), (columns.start, columns.stop)))
        except rasterio.errors.RasterioError as error:
            raise DataError(
                "a whole raster",
                f"'{self._location}' is damaged near row {rows.start:,}, column {columns.start:,}: {error}",
                "Copy or export it again.",
            ) from error
        return np.ascontiguousarray(to_image(np.moveaxis(found, 0, -1), self._location))


@contextlib.contextmanager
def open_raster(path: Path, location: str) -> Iterator[RasterWindows]:
    """A raster of GDAL's.

    Raises:
        DataError: GDAL does not read it.
        MissingExtra: rasterio is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise MissingExtra(
            "a TIFF or a zarr array, to read it by window",
            f"'{location}' is neither; rasterio, which reads more, is not installed",
            "Type: pip install 'limner[geo]', convert it to a tiled TIFF, or add --stream never to read it at once.",
        ) from error
    try:
        with warnings.catch_warnings():  # a raster without a place on the earth is a picture too
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            dataset = rasterio.open(path)
    except rasterio.errors.RasterioError as error:
        raise DataError(
            "a TIFF, a zarr array or a raster that GDAL reads, to read it by window",
            f"'{location}': {error}",
            "Convert it to a tiled TIFF, or add --stream never to read it at once.",
        ) from error
    with dataset:
        yield RasterWindows(dataset, location)


def _georeference(dataset: Any) -> Tags:
    """The tags of a GeoTIFF at the same place: GDAL knows best how to write them."""
    import rasterio
    from rasterio.io import MemoryFile

    points, reference = dataset.gcps
    if dataset.crs is None and not points and dataset.transform.is_identity:
        return ()
    place = {"gcps": points, "crs": reference} if points else {"transform": dataset.transform, "crs": dataset.crs}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", width=1, height=1, count=1, dtype="uint8", **place) as small:
            small.write(np.zeros((1, 1, 1), np.uint8))
        with rasterio.Env(), open_tiff(io.BytesIO(memory.read())) as file:
            return kept_tags(file.pages[0].tags)
