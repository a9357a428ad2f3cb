"""Windows show what the picture read at once shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from rasterio.transform import Affine

from limner.errors import DataError
from limner.images import RowReader, missing, open_windows, read_image, windowed_size

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIZE = 211, 331


def noise(channels: int, dtype: type[np.generic] = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(channels)
    shape = (*SIZE, channels) if channels > 1 else SIZE
    top = 1 if dtype is np.bool_ else 255 if dtype is np.uint8 else 60000
    return rng.integers(0, top, shape, endpoint=True).astype(dtype)


def write_palette(path: Path) -> None:
    table = np.random.default_rng(0).integers(0, 65535, (3, 256), dtype=np.uint16)
    tifffile.imwrite(path, noise(1), photometric="palette", colormap=table, tile=(64, 64), compression="zlib")


def write_slide(path: Path) -> None:
    """As Aperio's scanners write: the scan, a thumbnail, a reduced level, the label."""
    scan = np.kron(noise(3)[::10, ::10], np.ones((10, 10, 1), np.uint8))[: SIZE[0], : SIZE[1]]
    options: dict[str, Any] = {"photometric": "rgb", "compression": "jpeg", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        about = f"Aperio Image Library v10\r\n{SIZE[1]}x{SIZE[0]} (64x64) JPEG/RGB Q=70|AppMag = 20|MPP = 0.5"
        file.write(scan, tile=(64, 64), description=about, **options)
        file.write(scan[::8, ::8], rowsperstrip=16, description=about, **options)
        file.write(scan[::4, ::4], tile=(64, 64), description=about, **options)
        file.write(scan[:20, :30], subfiletype=1, description="Aperio Image Library v10\nlabel 30x20", **options)


TIFFS: dict[str, Callable[[Path], None]] = {
    "tiles": lambda path: tifffile.imwrite(path, noise(3), tile=(64, 48), compression="zlib", predictor=True),
    "strips": lambda path: tifffile.imwrite(path, noise(3), rowsperstrip=37, compression="lzw"),
    "as it is, big-endian": lambda path: tifffile.imwrite(path, noise(3, np.uint16), photometric="rgb", byteorder=">"),
    "planes": lambda path: tifffile.imwrite(
        path,
        np.moveaxis(noise(3), -1, 0),
        photometric="rgb",
        planarconfig="separate",
        tile=(64, 64),
        compression="zlib",
    ),
    "planes as they are": lambda path: tifffile.imwrite(
        path, np.moveaxis(noise(3), -1, 0), photometric="rgb", planarconfig="separate"
    ),
    "jpeg": lambda path: tifffile.imwrite(path, noise(3), tile=(64, 64), compression="jpeg"),
    "white is zero": lambda path: tifffile.imwrite(path, noise(1), photometric="miniswhite", tile=(64, 64)),
    "1 bit": lambda path: tifffile.imwrite(path, noise(1, np.bool_), rowsperstrip=16),
    "floats": lambda path: tifffile.imwrite(path, noise(1).astype(np.float32), tile=(64, 64), compression="zlib"),
    "palette": write_palette,
    "channels as pages": lambda path: tifffile.imwrite(
        path, np.moveaxis(noise(4, np.uint16), -1, 0), imagej=True, metadata={"axes": "CYX"}
    ),
    "OME with levels": lambda path: write_ome(path),
    "scanned slide": write_slide,
}


def write_ome(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(noise(3), subifds=1, tile=(64, 64), photometric="rgb", compression="zlib")
        file.write(noise(3)[::2, ::2], subfiletype=1, tile=(64, 64), photometric="rgb", compression="zlib")


@pytest.mark.parametrize("kind", TIFFS)
def test_windows_of_a_tiff_are_parts_of_the_picture(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    TIFFS[kind](path)
    whole = read_image(str(path))
    with open_windows(str(path)) as windows:
        assert windows.size == SIZE
        assert (windows.channels, windows.dtype) == (whole.shape[2], str(whole.dtype))
        for rows, columns in (
            (slice(0, 211), slice(0, 331)),
            (slice(60, 131), slice(47, 200)),
            (slice(210, 211), slice(330, 331)),
        ):
            np.testing.assert_array_equal(windows.read(rows, columns), whole[rows, columns])
        reader = RowReader(windows, slice(5, 100))
        for start, stop in ((0, 64), (31, 95), (90, 150), (147, 211)):
            np.testing.assert_array_equal(reader.rows(start, stop), whole[start:stop, 5:100])


def test_rows_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    TIFFS["tiles"](path)
    with open_windows(str(path)) as windows:
        read: list[int] = []
        real = windows.read
        monkeypatch.setattr(
            windows, "read", lambda rows, columns: read.extend(range(rows.start, rows.stop)) or real(rows, columns)
        )
        reader = RowReader(windows, slice(0, 331))
        for start in range(0, 211 - 50, 23):
            reader.rows(start, start + 50)
        assert len(read) == len(set(read))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("ome", [False, True])
def test_windows_of_zarr(version: int, ome: bool, tmp_path: Path) -> None:
    whole, path = noise(3), tmp_path / "a.zarr"
    if ome:
        group = zarr.create_group(str(path), zarr_format=version)
        axes = [{"name": name} for name in "tczyx"]
        scales = [{"version": "0.5", "axes": axes, "datasets": [{"path": "0"}, {"path": "1"}]}]
        group.attrs.update({"ome": {"multiscales": scales}} if version == 3 else {"multiscales": scales})
        array = group.create_array("0", shape=(1, 3, 1, *SIZE), chunks=(1, 1, 1, 64, 64), dtype="uint8")
        array[...] = np.moveaxis(whole, -1, 0)[None, :, None]
        group.create_array("1", shape=(1, 3, 1, 105, 165), chunks=(1, 1, 1, 64, 64), dtype="uint8")
    else:
        array = zarr.create_array(str(path), shape=whole.shape, chunks=(64, 64, 3), dtype="uint8", zarr_format=version)
        array[...] = whole
    assert windowed_size(str(path)) == SIZE
    with open_windows(str(path)) as windows:
        np.testing.assert_array_equal(windows.read(slice(60, 131), slice(47, 200)), whole[60:131, 47:200])


def test_other_rasters_keep_their_place(tmp_path: Path) -> None:
    """ERDAS's format, which only GDAL reads here."""
    path, transform = tmp_path / "a.img", Affine(0.5, 0, 400000.25, 0, -0.5, 5800000.75)
    bands = np.moveaxis(noise(3), -1, 0)
    with rasterio.open(
        path,
        "w",
        driver="HFA",
        width=331,
        height=211,
        count=3,
        dtype="uint8",
        crs="EPSG:25833",
        transform=transform,
        nodata=7,
    ) as raster:
        raster.write(bands)
    with open_windows(str(path)) as windows:
        np.testing.assert_array_equal(windows.read(slice(60, 131), slice(47, 200)), noise(3)[60:131, 47:200])
        assert windows.nodata == 7
        assert {33550, 33922, 34735} <= {tag.code for tag in windows.tags}


def test_what_is_no_data(tmp_path: Path) -> None:
    pixels = noise(1).astype(np.float32)
    pixels[:50, :60], pixels[50:60, :60] = -9999, np.nan
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=331, height=211, count=1, dtype="float32", nodata=-9999
    ) as raster:
        raster.write(pixels[None])
    with open_windows(str(path)) as windows:
        nothing = missing(windows.read(slice(0, 211), slice(0, 331)), windows)
        assert nothing is not None
        assert nothing[:60, :60].all()
        assert nothing.sum() == 60 * 60
        assert missing(windows.read(slice(100, 110), slice(0, 331)), windows) is None


def test_clear_parts_of_an_orthophoto_are_no_data(tmp_path: Path) -> None:
    pixels = noise(4)
    pixels[..., 3] = 255
    pixels[10:20, 30:50, 3] = 0
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=331, height=211, count=4, dtype="uint8", crs="EPSG:25833",
        transform=Affine(1, 0, 4e5, 0, -1, 5e6), photometric="rgb", alpha="non-premultiplied",
    ) as raster:  # fmt: skip
        raster.write(np.moveaxis(pixels, -1, 0))
    with open_windows(str(path)) as windows:
        nothing = missing(windows.read(slice(0, 211), slice(0, 331)), windows)
        assert nothing is not None
        assert nothing.sum() == 10 * 20


def test_parts_that_gdal_left_out_are_no_data(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=331, height=211, count=1, dtype="uint8", nodata=9, tiled=True, sparse_ok=True,
        blockxsize=64, blockysize=64,
    ) as raster:  # fmt: skip
        raster.write(np.full((64, 64), 3, np.uint8), 1, window=((64, 128), (64, 128)))
    with open_windows(str(path)) as windows:
        found = windows.read(slice(0, 211), slice(0, 331))[..., 0]
    assert (found[64:128, 64:128] == 3).all()
    assert (found == 3).sum() == 64 * 64
    assert set(np.unique(found)) == {3, 9}


def test_a_damaged_tile_is_named_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(3), tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[6 + 2]
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = bytes(40)
    path.write_bytes(data)
    with open_windows(str(path)) as windows:
        windows.read(slice(0, 64), slice(0, 331))
        with pytest.raises(DataError, match=r"a.tif' is damaged near row 64, column 128"):
            windows.read(slice(60, 70), slice(0, 331))


def test_a_file_that_ends_early_is_told_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(3), photometric="rgb")
    path.write_bytes(path.read_bytes()[:-5000])
    with open_windows(str(path)) as windows:
        windows.read(slice(0, 100), slice(0, 331))
        with pytest.raises(DataError, match="near row 200"):
            windows.read(slice(200, 211), slice(0, 331))


def test_one_huge_compressed_strip_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.images.tiff_windows.SEGMENT_LIMIT", 100_000)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(3), rowsperstrip=211, compression="zlib")
    with pytest.raises(DataError, match="TILED=YES"), open_windows(str(path)):
        pass
    assert windowed_size(str(path)) is None


def test_what_cannot_be_read_by_window(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20_000))
    assert windowed_size(str(tmp_path / "a.png")) is None
    with pytest.raises(DataError, match="--stream never"), open_windows(str(tmp_path / "a.png")):
        pass
    with pytest.raises(DataError, match="archive"), open_windows(f"zip://a.tif::{tmp_path}/a.zip"):
        pass
