"""Large pictures among others: what is written, what is refused, and what is left after a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from rasterio.crs import CRS
from rasterio.transform import Affine

from limner.bundle import BundleMeta, PostStep, TargetSpec, save_bundle
from limner.errors import ConfigError, OutputError
from limner.images import read_image, read_mask, write_image
from limner.inference.familiarity import features, learn
from limner.inference.folder import predict_folder
from limner.inference.huge import predict_huge
from limner.inference.outputs import Outputs
from limner.inference.predictor import Predictor
from limner.inference.wanted import Wanted

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
Maker = Callable[..., BundleMeta]
SIZE = 220, 300
PLACE = Affine(0.25, 0, 389000.5, 0, -0.25, 5820000.25)
ALWAYS = Wanted(stream="always")


def drawn(size: tuple[int, int] = SIZE, seed: int = 2) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (size[0] // 8 + 1, size[1] // 8 + 1, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((8, 8, 1), np.uint8))[: size[0], : size[1]])


def write_map(path: Path, picture: np.ndarray, nodata: float | None = None) -> None:
    height, width, count = picture.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=picture.dtype, crs="EPSG:25833",
        transform=PLACE, nodata=nodata, tiled=True, blockxsize=64, blockysize=64, compress="deflate",
    ) as raster:  # fmt: skip
        raster.write(np.moveaxis(picture, -1, 0))


@pytest.fixture
def predictor(make_meta: Maker, make_toy: Callable) -> Predictor:
    return Predictor(make_toy(), make_meta(tile=64), precision="float32")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write_map(tmp_path / "in" / "map.tif", drawn())
    write_image(tmp_path / "in" / "small.png", drawn((40, 50)))
    return tmp_path / "in"


def left(folder: Path) -> list[str]:
    """Everything in a folder but the journal, hidden files too."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not path.endswith(".jsonl"))


def test_pictures_above_the_limit_go_by_window_and_the_rest_as_ever(
    predictor: Predictor, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.inference.pipeline.STREAM_PIXELS", 220 * 300 - 1)
    monkeypatch.setattr("limner.images.windows._SMALLEST_FILE", 100)
    tiles: list[tuple[int, int]] = []
    wanted = Wanted(probabilities="tiff", overlay=True)
    result = predict_folder(
        predictor, [place], tmp_path / "out", wanted, tile_progress=lambda done, total: tiles.append((done, total))
    )
    assert (result.predicted, result.huge, result.failed) == (2, 1, [])
    assert [path.name for path in result.written] == ["map.tif", "small.png"]
    assert tiles[-1] == (result.tiles, result.tiles)
    whole = predictor.predict(str(place / "map.tif"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "map.tif"), whole.mask)
    probs = tifffile.imread(tmp_path / "out" / "probabilities" / "map.tif")
    np.testing.assert_allclose(probs, whole.probs["mask"][0], atol=1e-6)
    assert read_image(str(tmp_path / "out" / "overlays" / "map_overlay.png")).shape == (220, 300, 3)
    with rasterio.open(tmp_path / "out" / "map.tif") as raster:
        assert (raster.transform, raster.crs, raster.nodata) == (PLACE, CRS.from_epsg(25833), None)


def test_what_needs_the_whole_picture_is_read_at_once_where_that_is_possible(
    predictor: Predictor,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("limner.inference.pipeline.STREAM_PIXELS", 220 * 300 - 1)
    monkeypatch.setattr("limner.images.windows._SMALLEST_FILE", 100)
    result = predict_folder(predictor, [place], tmp_path / "out", Wanted(measure=True))
    assert (result.predicted, result.huge) == (2, 0)
    assert "'map.tif' is read at once and not by window: --measure" in caplog.text
    with pytest.raises(ConfigError, match="--measure, which needs the whole picture"):
        predict_folder(predictor, [place], tmp_path / "other", Wanted(measure=True, stream="always"))
    meta = predictor.meta.model_copy(
        update={"post_processing": [PostStep(target="mask", label="cell", step="fill_holes")]}
    )
    monkeypatch.setattr(predictor, "meta", meta)
    result = predict_folder(predictor, [place / "map.tif"], tmp_path / "third")
    assert result.huge == 0
    result = predict_folder(predictor, [place / "map.tif"], tmp_path / "fourth", ALWAYS)
    assert "fill_holes" in result.failed[0][1]


def test_targets_of_every_task(
    make_meta: Maker, make_toy: Callable, targets: dict[str, TargetSpec], place: Path, tmp_path: Path
) -> None:
    meta = make_meta(targets, tile=64)
    toy = make_toy(3, binary=1, multiclass=3, multilabel=2, regression=1)
    predictor = Predictor(toy, meta, precision="float32")
    wanted = Wanted(stream="always", probabilities="tiff", overlay=True)
    result = predict_folder(predictor, [place / "map.tif"], tmp_path / "out", wanted)
    assert result.failed == []
    whole = predictor.predict(str(place / "map.tif"))
    out = tmp_path / "out"
    np.testing.assert_array_equal(tifffile.imread(out / "multiclass" / "map.tif"), whole.masks["multiclass"])
    np.testing.assert_array_equal(
        tifffile.imread(out / "multilabel" / "map" / "wall.tif"), whole.masks["multilabel"][..., 1]
    )
    np.testing.assert_allclose(tifffile.imread(out / "regression" / "map.tif"), whole.values["regression"], atol=1e-5)
    probs = tifffile.imread(out / "probabilities" / "multiclass" / "map.tif")
    np.testing.assert_allclose(probs, whole.probs["multiclass"], atol=1e-6)
    assert len(list(out.glob("overlays/*/map_overlay.png"))) == 4


def test_no_data_stays_no_data(make_meta: Maker, make_toy: Callable, tmp_path: Path) -> None:
    height = drawn().astype(np.float32)
    height[:100, :128] = -9999
    height[150:160, 200:210] = np.nan
    write_map(tmp_path / "dem.tif", height, nodata=-9999)
    meta = make_meta(tile=64, dtype="float32")
    predictor = Predictor(make_toy(), meta, precision="float32")
    result = predict_folder(
        predictor, [tmp_path / "dem.tif"], tmp_path / "out", Wanted(stream="always", probabilities="tiff")
    )
    assert result.failed == []
    assert result.empty == 2 * 3  # tiles of which every pixel is no data: those that begin at 0, 31; 0, 34, 68 px
    with rasterio.open(tmp_path / "out" / "dem.tif") as raster:
        mask = raster.read(1)
        assert raster.nodata == 255
    assert (mask[:100, :128] == 255).all()
    assert (mask[150:160, 200:210] == 255).all()
    assert (mask == 255).sum() == 100 * 128 + 10 * 10
    assert np.isnan(tifffile.imread(tmp_path / "out" / "probabilities" / "dem.tif")[:100, :128]).all()


def test_empty_tiles_become_background_and_are_counted(predictor: Predictor, tmp_path: Path) -> None:
    slide = drawn((256, 512))
    slide[:, :256] = 240
    tifffile.imwrite(tmp_path / "slide.tif", slide, tile=(64, 64), compression="jpeg", photometric="rgb")
    wanted = Wanted(stream="always", skip_empty=True)
    result = predict_folder(predictor, [tmp_path / "slide.tif"], tmp_path / "out", wanted)
    assert (result.tiles, result.empty) == (7 * 15, 7 * 7)
    mask = tifffile.imread(tmp_path / "out" / "slide.tif")
    assert not mask[:, :224].any()
    assert mask[:, 256:].any()


def test_zarr_folders(predictor: Predictor, tmp_path: Path) -> None:
    array = zarr.create_array(str(tmp_path / "scan.zarr"), shape=(*SIZE, 3), chunks=(64, 64, 3), dtype="uint8")
    array[...] = drawn()
    result = predict_folder(predictor, [tmp_path / "scan.zarr"], tmp_path / "out")
    assert [path.name for path in result.written] == ["scan.tif"]
    np.testing.assert_array_equal(tifffile.imread(result.written[0]), predictor.predict(drawn()).mask)


def test_a_picture_unlike_the_training_pictures_is_told(make_meta: Maker, make_toy: Callable, tmp_path: Path) -> None:
    meta = make_meta(tile=64)
    known = np.array([features(drawn((96, 96), seed), meta.inputs) for seed in range(20)])
    meta = meta.model_copy(update={"familiar": learn(known, [""] * 20, known[:0])})
    write_map(tmp_path / "dark.tif", drawn() // 16)
    result = predict_folder(
        Predictor(make_toy(), meta, precision="float32"), [tmp_path / "dark.tif"], tmp_path / "out", ALWAYS
    )
    assert [name for name, _ in result.strange] == ["dark.tif"]


def test_a_damaged_tile_fails_the_picture_and_leaves_nothing(predictor: Predictor, place: Path, tmp_path: Path) -> None:
    with tifffile.TiffFile(place / "map.tif") as file:
        offset = file.pages[0].dataoffsets[5 * 2 + 3]
    data = bytearray((place / "map.tif").read_bytes())
    data[offset : offset + 30] = bytes(30)
    (place / "map.tif").write_bytes(data)
    wanted = Wanted(stream="always", probabilities="tiff", overlay=True)
    result = predict_folder(predictor, [place / "map.tif"], tmp_path / "out", wanted)
    ((name, problem),) = result.failed
    assert name == "map.tif"
    assert "damaged near row 128, column 192" in problem
    assert left(tmp_path / "out") == []


def test_existing_results_and_the_picture_itself_are_kept(predictor: Predictor, place: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "map.tif").write_text("mine")
    result = predict_folder(predictor, [place / "map.tif"], tmp_path / "out", ALWAYS)
    assert "already there" in result.failed[0][1]
    assert (tmp_path / "out" / "map.tif").read_text() == "mine"
    before = (place / "map.tif").read_bytes()
    outputs = Outputs(place, predictor.meta.targets)
    with pytest.raises(OutputError, match="replaced by its mask"):
        predict_huge(predictor, str(place / "map.tif"), outputs, "map", replace_existing=True)
    assert (place / "map.tif").read_bytes() == before


def test_going_on_after_an_interruption(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(4):
        write_map(tmp_path / "in" / f"{number}.tif", drawn(seed=number))

    def stop(done: int, total: int) -> None:
        if done == total and (tmp_path / "out" / "1.tif").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_folder(predictor, [tmp_path / "in"], tmp_path / "out", ALWAYS, tile_progress=stop)
    assert left(tmp_path / "out") == ["0.tif", "1.tif"]
    result = predict_folder(predictor, [tmp_path / "in"], tmp_path / "out", ALWAYS, resume=True)
    assert (result.resumed, result.predicted, result.huge) == (2, 2, 4)
    (tmp_path / "out" / "2.tif").unlink()
    result = predict_folder(predictor, [tmp_path / "in"], tmp_path / "out", ALWAYS, resume=True)
    assert (result.resumed, result.predicted) == (3, 1)
    np.testing.assert_array_equal(
        read_mask(str(tmp_path / "out" / "2.tif")).array, predictor.predict(str(tmp_path / "in" / "2.tif")).mask
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_leaves_no_half_file(
    predictor: Predictor, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def full(path: Path, mode: str = "r", *rest: object, **options: object) -> object:
        return real(Path("/dev/full") if mode == "w+b" else path, mode, *rest, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match="the disk is full"):
        predict_folder(predictor, [place / "map.tif"], tmp_path / "out", ALWAYS)
    monkeypatch.undo()
    assert left(tmp_path / "out") == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_picture(make_meta: Maker, make_unet: Callable, tmp_path: Path) -> None:
    """8,000×8,000 in colour is 192 MB, its sums 256 MB; predicting may take half of that beyond a small picture."""
    meta = make_meta(tile=512, overlap=0.25)
    save_bundle(tmp_path / "model.safetensors", make_unet(meta), meta)
    code = """
import resource, sys
from limner.workflow.predict import predict
bundle, pictures, out = sys.argv[1:]
result = predict(bundle, [pictures], out, stream="always", skip_empty=True, device="cpu")
assert result.huge == 1 and not result.failed, result.failed
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    peaks = []
    for side in (1024, 8000):
        path = tmp_path / f"{side}.tif"
        block = drawn((512, 512))

        def tiles(side: int = side, block: np.ndarray = block):
            across = -(-side // 512)
            for number in range(across**2):
                # Three of four tiles are glass.
                yield block if (number % across + number // across) % 4 == 0 else np.full_like(block, 240)

        tifffile.imwrite(
            path, tiles(), shape=(side, side, 3), dtype=np.uint8, tile=(512, 512), compression="zlib", photometric="rgb"
        )
        command = [
            sys.executable,
            "-c",
            code,
            str(tmp_path / "model.safetensors"),
            str(path),
            str(tmp_path / str(side)),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        peaks.append(int(found.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 224 * 2**20
    with tifffile.TiffFile(tmp_path / "8000" / "8000.tif") as file:
        assert file.pages[0].shape == (8000, 8000)
