from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.crs import CRS
from rasterio.transform import Affine

from limner.images.geo import kept_tags
from limner.images.tiled_tiff import TILE, TiledTiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

COLORS = [(0, 0, 0), (250, 40, 10), (0, 90, 200)]


def drawn(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Class ids in blocks of 16 pixels, a corner of them empty."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 3, (size[0] // 16 + 1, size[1] // 16 + 1), dtype=np.uint8)
    mask = np.kron(blocks, np.ones((16, 16), np.uint8))[: size[0], : size[1]]
    mask[:700, :1100] = 0
    return mask


def write_in_bands(file: TiledTiff, page: int, numbers: np.ndarray, *, strip: int, band: int) -> None:
    for left in range(0, numbers.shape[1], strip):
        for top in range(0, numbers.shape[0], band):
            file.write(page, top, left, numbers[top : top + band, left : left + strip])


def test_other_programs_read_the_mask_its_colours_and_its_reduced_copies(tmp_path: Path) -> None:
    mask = drawn((2315, 3001))
    path = tmp_path / "mask.tif"
    with TiledTiff.create(path, (2315, 3001), np.uint8, colors=COLORS) as file:
        write_in_bands(file, 0, mask, strip=3 * TILE, band=177)
    np.testing.assert_array_equal(tifffile.imread(path), mask)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.array(picture), mask)
        assert picture.convert("RGB").getpixel((3000, 2300)) == COLORS[mask[2300, 3000]]
    with rasterio.open(path) as raster:
        np.testing.assert_array_equal(raster.read(1), mask)
        assert raster.overviews(1) == [2, 4]
        assert raster.block_shapes == [(TILE, TILE)]
        assert [raster.colormap(1)[number][:3] for number in range(3)] == COLORS
        np.testing.assert_array_equal(raster.read(1, out_shape=(1158, 1501)), mask[::2, ::2])
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.pages[2].asarray(), mask[::4, ::4])


def test_tiles_of_one_value_are_stored_once(tmp_path: Path) -> None:
    path = tmp_path / "empty.tif"
    with TiledTiff.create(path, (5000, 7000), np.uint8) as file:
        for top in range(0, 5000, 512):
            file.write(0, top, 0, np.zeros((min(512, 5000 - top), 7000), np.uint8))
    assert path.stat().st_size < 8000
    assert not tifffile.imread(path).any()


def test_pages_of_numbers(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).random((2, 600, 700), np.float32)
    numbers[1, 5] = np.nan
    path = tmp_path / "probabilities.tif"
    with TiledTiff.create(path, (600, 700), np.float32, pages=2, nodata=np.nan) as file:
        for page, plane in enumerate(numbers):
            write_in_bands(file, page, plane, strip=TILE, band=256)
    np.testing.assert_array_equal(tifffile.imread(path), numbers)
    with rasterio.open(f"GTIFF_DIR:2:{path}") as raster:
        assert np.isnan(raster.nodata)


def test_the_place_on_the_earth_is_kept_to_the_last_bit(tmp_path: Path) -> None:
    source, path = tmp_path / "source.tif", tmp_path / "mask.tif"
    transform = Affine(0.123456789012345, 0, 389123.4567890123, 0, -0.2, 5819999.987654321)
    with rasterio.open(
        source, "w", driver="GTiff", width=40, height=30, count=1, dtype="uint8", crs="EPSG:25833", transform=transform
    ) as raster:
        raster.write(np.zeros((1, 30, 40), np.uint8))
    with tifffile.TiffFile(source) as file:
        tags = kept_tags(file.pages[0].tags)
    with TiledTiff.create(path, (30, 40), np.uint8, nodata=255.0, tags=tags) as file:
        file.write(0, 0, 0, np.zeros((30, 40), np.uint8))
    with rasterio.open(path) as raster:
        assert raster.transform == transform
        assert raster.crs == CRS.from_epsg(25833)
        assert raster.nodata == 255


def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path: Path) -> None:
    def interrupted() -> None:
        with TiledTiff.create(tmp_path / "sub" / "mask.tif", (30, 40), np.uint8) as file:
            file.write(0, 0, 0, np.zeros((30, 40), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list((tmp_path / "sub").iterdir())
