"""Samples of several pictures and of measured numbers: read, cached and prepared."""

import json
from pathlib import Path

import numpy as np
import pytest

from limner.data.cache import CachedSamples, open_samples
from limner.data.catalog import Catalog
from limner.data.fingerprint import Fingerprint
from limner.data.inputs import check_same_size
from limner.data.labels import LabelMap, read_target
from limner.data.prepare import prepare
from limner.data.samples import Decoding
from limner.data.target_options import TargetOptions
from limner.errors import ConfigError, DataError
from limner.images import write_image

BINARY = LabelMap("binary", ("background", "foreground"), ((0, 0, 0), (255, 0, 0)), "values", ((0,), (255,)))
DEPTH = LabelMap("regression", (), (), unit="m", factor=0.5, ignore=(0,), stored="uint8")
PARTS = {"background": 3, "composite": 1}
SIZE = (6, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four composites (grey) on two backgrounds (colour), with masks and 8-bit depths."""
    rng = np.random.default_rng(0)
    for number in range(2):
        write_image(tmp_path / f"bg{number}.png", rng.integers(0, 256, (*SIZE, 3), np.uint8))
    rows = ["id,input.background,input.composite,mask,depth"]
    for number in range(4):
        write_image(tmp_path / f"comp{number}.png", rng.integers(0, 256, (*SIZE, 1), np.uint8))
        write_image(tmp_path / f"mask{number}.png", rng.integers(0, 2, (*SIZE, 1), np.uint8) * 255)
        write_image(tmp_path / f"depth{number}.png", rng.integers(0, 9, (*SIZE, 1), np.uint8))
        rows.append(f"{number},bg{number // 2}.png,comp{number}.png,mask{number}.png,depth{number}.png")
    (tmp_path / "samples.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.fixture
def catalog(folder: Path) -> Catalog:
    def column(kind: str, step: int = 1) -> list[str]:
        return [str(folder / f"{kind}{number // step}.png") for number in range(4)]

    return Catalog(
        list("0123"),
        {"background": column("bg", 2), "composite": column("comp")},
        {"mask": column("mask"), "depth": column("depth")},
    )


def open_(catalog, cache_dir, depth=DEPTH, **options):
    settings = {"channels": 4, "dtype": "uint8", "fit": "native", "parts": PARTS, "cache_dir": cache_dir}
    return open_samples(catalog, {"mask": BINARY, "depth": depth}, **{**settings, **options})


@pytest.mark.parametrize("options", [{}, {"fit": "resize", "size": (4, 5)}], ids=["native", "resize"])
@pytest.mark.parametrize("stored", ["uint8", "uint16", "float32"])
def test_the_cache_gives_what_the_files_hold(catalog, tmp_path, stored, options):
    depth = LabelMap("regression", (), (), factor=0.5, ignore=(0,), stored=stored)
    cached, direct = open_(catalog, tmp_path / "cache", depth, **options), open_(catalog, None, depth, **options)
    assert isinstance(cached, CachedSamples)
    order = np.array([3, 0, 2, 1])
    one, two = cached.take(order), direct.take(order)
    np.testing.assert_array_equal(one.stacked()[0], two.stacked()[0])
    for name in ("mask", "depth"):
        np.testing.assert_array_equal(one.stacked()[1][name], two.stacked()[1][name])
    assert one.stacked()[1]["depth"].dtype == np.float32
    assert np.isnan(one.stacked()[1]["depth"]).any()


def test_inputs_are_joined_in_the_order_of_the_columns(catalog):
    from limner.images import read_image

    (image,) = open_(catalog, None).take(np.array([3])).images
    np.testing.assert_array_equal(image[..., :3], read_image(catalog.inputs["background"][3]))
    np.testing.assert_array_equal(image[..., 3:], read_image(catalog.inputs["composite"][3]))


def test_a_shared_file_is_stored_once_and_numbers_as_they_were(catalog, tmp_path):
    open_(catalog, tmp_path / "cache")
    (entry,) = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    pixels = SIZE[0] * SIZE[1]
    assert (entry / "input_0.bin").stat().st_size == 2 * pixels * 3
    assert (entry / "input_1.bin").stat().st_size == 4 * pixels
    assert (entry / "target_1.bin").stat().st_size == 4 * pixels


def test_a_missing_map_of_numbers_is_unknown_everywhere(catalog, tmp_path):
    catalog.targets["depth"][1] = ""
    for cache_dir in (tmp_path / "cache", None):
        depth = open_(catalog, cache_dir).take(np.array([0, 1])).targets["depth"]
        assert np.isnan(depth[1]).all()
        assert not np.isnan(depth[0]).all()


def test_numbers_wider_than_the_others_are_refused(catalog, tmp_path):
    write_image(catalog.targets["depth"][2], np.full((*SIZE, 1), 300, np.uint16))
    with pytest.raises(DataError, match=r"depth2\.png' holds uint16"):
        open_(catalog, tmp_path / "cache")


@pytest.mark.parametrize("cached", [True, False])
def test_inputs_of_different_sizes_are_both_named(catalog, tmp_path, cached):
    write_image(catalog.inputs["composite"][1], np.zeros((6, 9, 1), np.uint8))
    with pytest.raises(DataError) as caught:
        open_(catalog, tmp_path / "cache" if cached else None).take(np.array([1]))
    assert "bg0.png' is 6×8" in str(caught.value)
    assert "comp1.png' is 6×9" in str(caught.value)


def test_inputs_of_one_size_pass():
    check_same_size({"a": (4, 5), "b": (4, 5)})


def test_numbers_are_measured_by_hand(tmp_path):
    np.save(tmp_path / "depth.npy", np.array([[0, 3], [7, 200]], np.uint16))
    label_map = LabelMap("regression", (), (), factor=0.001, ignore=(0,))
    found = read_target(str(tmp_path / "depth.npy"), label_map)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[np.nan, 0.003], [0.007, 0.2]], np.float32))
    np.save(tmp_path / "depth.npy", np.array([[np.inf, 3.5], [np.nan, -2]], np.float32))
    found = read_target(str(tmp_path / "depth.npy"), LabelMap("regression", (), ()))
    np.testing.assert_array_equal(found, np.array([[np.nan, 3.5], [np.nan, -2]], np.float32))


def test_a_label_map_of_numbers_survives_json():
    assert LabelMap.from_dict(json.loads(json.dumps(DEPTH.to_dict()))) == DEPTH


def options(**values):
    return {"depth": TargetOptions(task="regression", unit="m", factor=0.5, **values)}


def test_a_table_with_two_inputs_and_two_targets(folder):
    found = prepare(folder / "samples.csv", val=1, test=1, targets=options(ignore_values=[0]))
    assert list(found.catalog.inputs) == ["background", "composite"]
    assert {name: label_map.task for name, label_map in found.label_maps.items()} == {
        "mask": "binary",
        "depth": "regression",
    }
    print_ = found.fingerprint
    assert (print_.channels, print_.parts) == (4, PARTS)
    assert len(print_.mean) == len(print_.std) == 4
    assert set(print_.class_share) == {"mask"}
    depth = found.label_maps["depth"]
    stored = [
        read_target(found.catalog.targets["depth"][index], LabelMap("regression", (), (), ignore=(0,)))
        for index in found.catalog.indices("train")
    ]
    assert (depth.low, depth.high) == (0.5 * np.nanmin(stored), 0.5 * np.nanmax(stored))
    assert (depth.unit, depth.stored) == ("m", "uint8")
    assert Fingerprint.from_dict(json.loads(json.dumps(print_.to_dict()))) == print_


def test_without_being_told_numbers_are_refused_with_the_line_to_type(tmp_path):
    rows = ["image,mask,target.far"]
    for number in range(3):
        write_image(tmp_path / f"{number}.png", np.zeros((80, 80, 1), np.uint8))
        np.save(tmp_path / f"mask{number}.npy", np.eye(80, dtype=np.uint8))
        np.save(tmp_path / f"{number}.npy", np.random.default_rng(number).uniform(0, 9, (80, 80)).astype(np.float32))
        rows.append(f"{number}.png,mask{number}.npy,{number}.npy")
    (tmp_path / "samples.csv").write_text("\n".join(rows).replace("mask,", "target.mask,", 1))
    with pytest.raises(DataError, match=r"'data\.targets=\{far: \{task: regression\}\}'"):
        prepare(tmp_path / "samples.csv", val=1, test=1)


def test_constant_numbers_are_refused(folder):
    for number in range(4):
        write_image(folder / f"depth{number}.png", np.full((*SIZE, 1), 7, np.uint8))
    with pytest.raises(DataError, match=r"3\.5 alone"):
        prepare(folder / "samples.csv", val=1, test=1, targets=options())


def test_inputs_of_different_sizes_are_refused_before_training(folder):
    write_image(folder / "comp2.png", np.zeros((6, 9, 1), np.uint8))
    with pytest.raises(DataError) as caught:
        prepare(folder / "samples.csv", targets=options())
    assert "bg1.png' is 6×8" in str(caught.value)
    assert "comp2.png' is 6×9" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dept": TargetOptions(task="regression")}, "'dept'"),
        ({"mask": TargetOptions(unit="m")}, "no task"),
        ({"mask": TargetOptions(task="regression", values=[[0], [1]])}, "class_names or values"),
    ],
)
def test_options_that_cannot_be_are_refused(folder, given, message):
    with pytest.raises(ConfigError, match=message):
        prepare(folder / "samples.csv", targets=given)


def test_a_picture_of_another_kind_than_its_part_is_named(catalog):
    with pytest.raises(DataError, match=r"bg0\.png' has 3 channels"):
        Decoding(2, "uint8", None, {"background": 1, "composite": 1}).sample(catalog, {}, 0)
