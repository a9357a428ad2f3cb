"""Predicting by window gives the numbers of predicting at once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from torch.nn import functional

from limner.bundle import BundleMeta, PostStep, TargetSpec
from limner.errors import ConfigError, DataError, ResourceError
from limner.images import open_windows
from limner.inference import streaming
from limner.inference.predictor import Predictor
from limner.inference.previews import Preview
from limner.inference.streaming import grown, predict_bands

Maker = Callable[..., BundleMeta]
SIZE = 233, 1190


def written(tmp_path: Path, size: tuple[int, int] = SIZE) -> tuple[str, np.ndarray]:
    coarse = np.random.default_rng(2).integers(0, 255, (size[0] // 8 + 1, size[1] // 8 + 1, 3), dtype=np.uint8)
    picture = np.ascontiguousarray(np.kron(coarse, np.ones((8, 8, 1), np.uint8))[: size[0], : size[1]])
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture, tile=(64, 64), compression="zlib")
    return str(path), picture


def put_together(predictor: Predictor, location: str, target: str = "mask", **options: bool) -> np.ndarray:
    """Probabilities of all bands; every pixel is given once."""
    with open_windows(location) as windows:
        found: dict[str, np.ndarray] = {}
        times = np.zeros(windows.size, int)
        for band in predict_bands(predictor, windows, location, **options):
            mean = band.opinion.mean(target).numpy()
            whole = found.setdefault(target, np.zeros((len(mean), *windows.size), np.float32))
            whole[:, band.rows, band.columns] = mean
            times[band.rows, band.columns] += 1
        assert (times == 1).all()
    return found[target]


@pytest.mark.parametrize("window", ["gaussian", "spline"])
def test_tiles_are_those_of_the_picture_predicted_at_once(
    window: str, make_meta: Maker, make_unet: Callable, targets: dict[str, TargetSpec], tmp_path: Path
) -> None:
    location, _ = written(tmp_path)
    meta = make_meta({"mask": targets["multiclass"]}, tile=64)
    predictor = Predictor(make_unet(meta), meta, precision="float32", window=window)
    whole = predictor.predict(location).probs["mask"]
    np.testing.assert_allclose(put_together(predictor, location), whole, atol=1e-6)


def test_strips_change_nothing(
    make_meta: Maker, make_unet: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location, _ = written(tmp_path)
    meta = make_meta(tile=64)
    predictor = Predictor(make_unet(meta), meta, precision="float32")
    whole = predictor.predict(location).probs["mask"]
    monkeypatch.setattr(streaming, "BUDGET", 1)
    with open_windows(location) as windows:
        columns = {(band.columns.start, band.columns.stop) for band in predict_bands(predictor, windows, location)}
    assert columns == {(0, 512), (512, 1024), (1024, 1190)}
    np.testing.assert_allclose(put_together(predictor, location), whole, atol=1e-6)


def test_a_network_that_sees_less_than_the_overlap_answers_as_without_tiles(
    make_meta: Maker, make_toy: Callable, tmp_path: Path
) -> None:
    """A 3×3 convolution on tiles of 64 against the same on the whole picture: nothing differs but rounding."""
    location, picture = written(tmp_path)
    for window in ("gaussian", "spline"):
        predictor = Predictor(make_toy(), make_meta(tile=64), precision="float32", window=window)
        streamed = put_together(predictor, location)
        pixels = (torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 - 0.5) / 0.25
        with torch.inference_mode():
            whole = make_toy()(pixels)["mask"][0].sigmoid().numpy()
        # The convolution's zeros beyond a tile's edge weigh a little in its outermost pixel.
        inner = np.s_[:, 1:-1, 1:-1]
        assert np.abs(streamed[inner] - whole[inner]).max() < 1e-3


def test_members_and_views_are_averaged_as_at_once(
    make_meta: Maker, make_unet: Callable, targets: dict[str, TargetSpec], tmp_path: Path
) -> None:
    # A multiple of tile and stride: views of a padded picture have the padding on the other side.
    location, _ = written(tmp_path, (192, 256))
    meta = make_meta({"mask": targets["multilabel"]}, tile=64).model_copy(
        update={"symmetries": ["flip_h", "flip_v", "rotate90"]}
    )
    predictor = Predictor(make_unet(meta), meta, precision="float32", uncertainty="tta")
    assert len(predictor.looks) == 8
    whole = predictor.predict(location).probs["mask"]
    np.testing.assert_allclose(put_together(predictor, location), whole, atol=1e-5)


def test_a_network_of_one_size_sees_the_same_small_picture(
    make_meta: Maker, make_unet: Callable, tmp_path: Path
) -> None:
    location, _ = written(tmp_path, (700, 530))
    meta = make_meta(fit="resize", size=(64, 96))
    predictor = Predictor(make_unet(meta), meta, precision="float32")
    whole = predictor.predict(location).probs["mask"]
    np.testing.assert_allclose(put_together(predictor, location), whole, atol=1e-5)


@pytest.mark.parametrize("size", [(90, 130), (20, 130), (90, 10), (7, 5)])
def test_numbers_grow_by_rows_as_at_once(size: tuple[int, int]) -> None:
    numbers = torch.rand(2, 20, 30, generator=torch.Generator().manual_seed(0))
    shrinks = size[0] < 20 or size[1] < 30
    whole = functional.interpolate(numbers[None], size, mode="bilinear", antialias=shrinks)[0]
    bands = [grown(numbers, size, start, min(start + 3, size[0])) for start in range(0, size[0], 3)]
    torch.testing.assert_close(torch.cat(bands, dim=1), whole, atol=5e-6, rtol=0)


def test_skipped_tiles_do_not_change_their_neighbours(make_meta: Maker, make_toy: Callable, tmp_path: Path) -> None:
    """The left half is glass. Where a tile was predicted, only such tiles count; elsewhere there is nothing."""
    _, picture = written(tmp_path, (256, 512))
    picture[:, :256] = 240
    path = str(tmp_path / "slide.tif")
    tifffile.imwrite(path, picture, tile=(64, 64), compression="zlib")
    predictor = Predictor(make_toy(), make_meta(tile=64), precision="float32")
    plain = put_together(predictor, path)
    skipping = put_together(predictor, path, skip_empty=True)
    np.testing.assert_allclose(skipping[:, :, 264:], plain[:, :, 264:], atol=1e-6)
    with open_windows(path) as windows:
        bands = list(predict_bands(predictor, windows, path, skip_empty=True))
    skipped = np.concatenate([band.skipped for band in bands])
    # Of 15 columns of tiles, 32 pixels apart, the first 7 lie in the glass; the eighth begins at 224.
    assert skipped[:, :224].all()
    assert not skipped[:, 224:].any()
    assert (sum(band.tiles for band in bands), sum(band.empty for band in bands)) == (7 * 15, 7 * 7)


def test_progress_counts_tiles(make_meta: Maker, make_toy: Callable, tmp_path: Path) -> None:
    location, _ = written(tmp_path, (128, 128))
    told: list[tuple[int, int]] = []
    predictor = Predictor(make_toy(), make_meta(tile=64))
    with open_windows(location) as windows:
        list(predict_bands(predictor, windows, location, progress=lambda done, total: told.append((done, total))))
    assert told == [(number, 9) for number in range(1, 10)]


def test_what_needs_the_whole_picture_is_refused(make_meta: Maker, make_toy: Callable, tmp_path: Path) -> None:
    location, _ = written(tmp_path, (128, 128))
    steps = [PostStep(target="mask", label="cell", step="largest")]
    meta = make_meta(tile=64).model_copy(update={"post_processing": steps})
    with open_windows(location) as windows, pytest.raises(ConfigError, match="largest"):
        next(predict_bands(Predictor(make_toy(), meta), windows, location))


def test_a_picture_of_another_kind_is_refused_with_its_rows(
    make_meta: Maker, make_toy: Callable, tmp_path: Path
) -> None:
    path = str(tmp_path / "a.tif")
    tifffile.imwrite(path, np.zeros((128, 128, 3), np.uint16), photometric="rgb")
    with open_windows(path) as windows, pytest.raises(DataError, match=r"a.tif \(rows 0 to 64\)' holds uint8"):
        next(predict_bands(Predictor(make_toy(), make_meta(tile=64)), windows, path))


def test_too_little_memory_for_a_tile_says_so(
    make_meta: Maker, make_toy: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location, _ = written(tmp_path, (128, 128))
    toy = make_toy()
    monkeypatch.setattr(toy, "forward", lambda _: (_ for _ in ()).throw(RuntimeError("not enough memory")))
    with open_windows(location) as windows, pytest.raises(ResourceError, match="a tile of 64×64"):
        next(predict_bands(Predictor(toy, make_meta(tile=64)), windows, location))


def test_a_preview_is_the_means_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.inference.previews.SIDE", 4)
    picture = np.random.default_rng(0).integers(0, 255, (11, 7, 2), dtype=np.uint8)
    mask = np.arange(77, dtype=np.uint8).reshape(11, 7)
    preview = Preview((11, 7), 2, "uint8")
    for rows in (slice(0, 2), slice(2, 7), slice(7, 8), slice(8, 11)):
        for columns in (slice(0, 5), slice(5, 7)):
            preview.add(rows, columns, picture[rows, columns], {"mask": mask[rows, columns]})
    small = preview.picture()
    assert small.shape == (4, 3, 2)
    np.testing.assert_array_equal(small[1, 1], np.rint(picture[3:6, 3:6].mean(axis=(0, 1))))
    np.testing.assert_array_equal(small[3, 2], np.rint(picture[9:11, 6:7].mean(axis=(0, 1))))
    np.testing.assert_array_equal(preview.masks()["mask"], mask[[1, 4, 7, 9]][:, [1, 4, 6]])
