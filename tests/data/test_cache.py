"""The cache gives what the files hold, whoever builds it and however it was damaged."""

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from limner.data import cache
from limner.data.cache import CachedSamples, DirectSamples, default_cache_dir, open_samples
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.errors import ConfigError, DataError

BINARY = LabelMap("binary", ("background", "foreground"), ((0, 0, 0), (255, 0, 0)), "values", ((0,), (255,)))
PLANES = LabelMap("multilabel", ("a", "b"), ((0, 0, 255), (255, 0, 0)), "planes", ((0,), (1,)))


def save_sample(folder, number, size=(6, 8), dtype=np.uint8):
    rng = np.random.default_rng((number, *size))
    np.save(folder / f"{number}.npy", rng.integers(0, 200, (*size, 3)).astype(dtype))
    np.save(folder / f"{number}_mask.npy", rng.integers(0, 2, size).astype(np.uint8) * 255)
    np.save(folder / f"{number}_planes.npy", rng.integers(0, 2, (*size, 2)).astype(np.uint8))


def make_catalog(folder, sizes=((6, 8),) * 3, dtype=np.uint8):
    for number, size in enumerate(sizes):
        save_sample(folder, number, size, dtype)
    names = [str(number) for number in range(len(sizes))]
    return Catalog(
        names,
        {"image": [str(folder / f"{name}.npy") for name in names]},
        {target: [str(folder / f"{name}_{target}.npy") for name in names] for target in ("mask", "planes")},
    )


@pytest.fixture
def catalog(tmp_path):
    return make_catalog(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def open_(catalog, folder, **options):
    settings = {"channels": 3, "dtype": "uint8", "fit": "native", "cache_dir": folder}
    return open_samples(catalog, {"mask": BINARY, "planes": PLANES}, **{**settings, **options})


def entries(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir())


def same(first, second):
    every = np.arange(len(first))[::-1].copy()
    one, two = first.take(every), second.take(every)
    for left, right in [(one.images, two.images), *((one.targets[name], two.targets[name]) for name in one.targets)]:
        for a, b in zip(left, right, strict=True):
            assert a.dtype == b.dtype
            assert np.array_equal(a, b)


@pytest.mark.parametrize("options", [{}, {"fit": "resize", "size": (4, 5)}])
@pytest.mark.parametrize("sizes", [((6, 8),) * 3, ((6, 8), (9, 7), (12, 15))], ids=["one size", "many sizes"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_cache_gives_what_the_files_hold(tmp_path, folder, sizes, dtype, options):
    catalog = make_catalog(tmp_path, sizes, dtype)
    cached = open_(catalog, folder, dtype=dtype, **options)
    direct = open_(catalog, None, dtype=dtype, **options)
    assert isinstance(cached, CachedSamples)
    assert isinstance(direct, DirectSamples)
    same(cached, direct)
    assert (cached.ids, cached.uniform, len(cached)) == (direct.ids, direct.uniform, len(direct))
    assert [cached.size(number) for number in range(3)] == [direct.size(number) for number in range(3)]


def test_an_entry_is_built_once(catalog, folder):
    told = []
    open_(catalog, folder, progress=lambda *said: told.append(said))
    assert told == [("cache", 1, 3), ("cache", 2, 3), ("cache", 3, 3)]
    open_(catalog, folder, progress=lambda *said: told.append(said))
    assert len(told) == 3


def test_a_file_that_changes_makes_another_entry(catalog, folder, tmp_path):
    before = open_(catalog, folder).take(np.array([1])).images[0].copy()
    save_sample(tmp_path, 1, (6, 9))
    after = open_(catalog, folder).take(np.array([1])).images[0]
    assert after.shape != before.shape
    assert len(entries(folder)) == 2


def test_what_changes_pixels_makes_another_entry_and_words_do_not(catalog, folder):
    open_(catalog, folder)
    open_(catalog, folder, fit="resize", size=(4, 4))
    other = LabelMap("binary", ("background", "foreground"), BINARY.colors, "values", ((255,), (0,)))
    open_samples(catalog, {"mask": other}, channels=3, dtype="uint8", fit="native", cache_dir=folder)
    assert len(entries(folder)) == 3
    renamed = LabelMap("binary", ("ground", "cell"), BINARY.colors, "values", ((255,), (0,)), because="seen")
    open_samples(catalog, {"mask": renamed}, channels=3, dtype="uint8", fit="native", cache_dir=folder)
    assert len(entries(folder)) == 3


def test_hashes_known_to_the_catalog_save_reading_the_files(catalog, folder):
    catalog.facts = {"hash": ["a", "b", "c"], "target_hash": ["d", "e", "f"], "height": ["6"] * 3, "width": ["8"] * 3}
    open_(catalog, folder)
    for column in (*catalog.inputs.values(), *catalog.targets.values()):
        for location in column:
            Path(location).unlink()
    assert open_(catalog, folder).take(np.array([2])).images[0].shape == (6, 8, 3)


@pytest.mark.parametrize("damage", ["shorter", "gone", "no manifest"])
def test_a_damaged_entry_is_built_again(catalog, folder, damage):
    open_(catalog, folder)
    (entry,) = entries(folder)
    if damage == "shorter":
        (entry / "input_0.bin").write_bytes(b"short")
    else:
        (entry / ("target_0.bin" if damage == "gone" else "manifest.json")).unlink()
    same(open_(catalog, folder), open_(catalog, None))


def test_what_a_killed_process_left_does_no_harm(catalog, folder):
    open_(catalog, folder)
    (entry,) = entries(folder)
    (entry / "input_0.bin").unlink()
    entry.rename(f"{entry}.building")
    same(open_(catalog, folder), open_(catalog, None))
    assert entries(folder) == [entry]


def test_without_room_samples_are_decoded_anew(catalog, folder, caplog):
    with caplog.at_level(logging.WARNING):
        samples = open_(catalog, folder, limit_bytes=100)
    assert isinstance(samples, DirectSamples)
    assert "No room" in caplog.text


def test_a_full_disk_is_survived_and_leaves_nothing(catalog, folder, monkeypatch, caplog):
    def no_space(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    assert isinstance(open_(catalog, folder), DirectSamples)
    assert entries(folder) == []
    assert "No space left" in caplog.text


def test_a_place_that_cannot_be_written_is_survived(catalog, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    assert isinstance(open_(catalog, tmp_path / "file"), DirectSamples)
    assert "No cache" in caplog.text


def test_all_files_that_cannot_be_decoded_are_named_at_once(catalog, folder):
    for name in ("image", "mask"):
        location = (catalog.inputs | catalog.targets)[name][1 if name == "image" else 2]
        np.save(location, np.full((6, 8), 7, np.uint8))
    np.save(catalog.inputs["image"][1], np.full((6, 8, 3), 7, np.uint16))
    with pytest.raises(DataError) as caught:
        open_(catalog, folder)
    assert "1.npy" in str(caught.value)
    assert "2_mask.npy" in str(caught.value)
    assert entries(folder) == []


def test_resize_needs_a_size(catalog):
    with pytest.raises(ConfigError, match=r"data\.size"):
        open_(catalog, None, fit="resize")


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("LIMNER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache_dir() == Path("/somewhere/limner")


SLOW_BUILD = """
import sys, time
import numpy as np
from limner.data.cache import open_samples
from limner.data.catalog import Catalog

def told(stage, done, total):
    print("building" if done == 1 else "", flush=True)
    time.sleep(float(sys.argv[3]))

catalog = Catalog.load(sys.argv[1])
samples = open_samples(catalog, {}, channels=3, dtype="uint8", fit="native", cache_dir=sys.argv[2], progress=told)
print(type(samples).__name__, samples.take(np.array([0])).images[0].sum(), flush=True)
"""


@pytest.fixture
def start_build(catalog, folder, tmp_path):
    """Starts a process that builds the entry, pausing for `delay` seconds after each sample."""
    catalog.save(tmp_path / "samples.csv")

    def start(delay):
        arguments = [sys.executable, "-c", SLOW_BUILD, str(tmp_path / "samples.csv"), str(folder), str(delay)]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)

    return start


def test_of_two_processes_one_builds_and_both_read(catalog, start_build):
    both = [start_build(0.2), start_build(0.2)]
    said = [process.communicate(timeout=60)[0].split() for process in both]
    total = str(open_(catalog, None).take(np.array([0])).images[0].sum())
    assert sorted(said) == [["CachedSamples", total], ["building", "CachedSamples", total]]


def test_a_builder_that_is_killed_is_replaced(catalog, folder, start_build):
    with start_build(60) as builder:
        assert builder.stdout.readline() == "building\n"
        builder.kill()
    assert [path.suffix for path in entries(folder)] == [".building"]
    cached = open_samples(catalog, {}, channels=3, dtype="uint8", fit="native", cache_dir=folder)
    same(cached, open_samples(catalog, {}, channels=3, dtype="uint8", fit="native"))
    assert [path.suffix for path in entries(folder)] == [""]


def test_nobody_removes_an_entry_that_is_read(catalog, folder):
    reader = open_(catalog, folder)
    needed = sum(path.stat().st_size for path in entries(folder)[0].iterdir())
    other = open_(catalog, folder, fit="resize", size=(6, 9), limit_bytes=int(needed * 1.5))
    assert isinstance(other, DirectSamples)
    del reader
    other = open_(catalog, folder, fit="resize", size=(6, 9), limit_bytes=int(needed * 1.5))
    assert isinstance(other, CachedSamples)
    assert len(entries(folder)) == 1


def test_the_public_names():
    assert set(cache.__all__) >= {"Samples", "Taken", "open_samples"}
