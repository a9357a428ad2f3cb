"""Files in shards: the same bytes, whole or completed, and nothing else in their place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.shards import MARK, is_shards, located, write_shards
from limner.errors import DataError, OutputError
from limner.images import page_location, read_bytes, read_image

pytest.importorskip("litdata")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Five samples of random bytes, and the pages of a stack that two of them share."""
    generator, paths = np.random.default_rng(0), []
    for number in range(5):
        paths.append(tmp_path / "data" / f"{number} | #a.bin")
        paths[-1].parent.mkdir(exist_ok=True)
        paths[-1].write_bytes(generator.bytes(40_000 + number))
    stack = tmp_path / "data" / "stack.tif"
    stack.write_bytes(b"a stack")
    return Catalog(
        ids=list("abcde"),
        inputs={"image": [str(path) for path in paths]},
        targets={"mask": [page_location(str(stack), 0), page_location(str(stack), 1), "", "", ""]},
        groups=[""] * 5,
        splits=["train"] * 5,
        facts={},
    )


def _describe(catalog: Catalog, folder: Path) -> None:
    catalog.save(folder / "samples.csv")


def _nothing(done: int, total: int) -> None:
    pass


def test_files_come_back_byte_for_byte_from_wherever_the_shards_are_moved(catalog: Catalog, tmp_path: Path) -> None:
    made = write_shards(catalog, _describe, str(tmp_path / "shards"), _nothing)
    assert (made.files, made.kept, is_shards(tmp_path / "shards")) == (6, 0, True)
    moved = (tmp_path / "shards").rename(tmp_path / "elsewhere")
    found = located(Catalog.load(moved / "samples.csv"), str(moved))
    for before, now in zip(catalog.inputs["image"], found.inputs["image"], strict=True):
        assert read_bytes(now) == read_bytes(before)
    assert [location.rpartition("#")[2] for location in found.targets["mask"][:2]] == ["page=0", "page=1"]
    assert read_bytes(found.targets["mask"][1]) == b"a stack"
    assert found.targets["mask"][2:] == ["", "", ""]


def test_an_interrupted_call_is_completed_to_the_same_bytes(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.data.shards._CHUNK_BYTES", 90_000)
    whole = write_shards(catalog, _describe, str(tmp_path / "whole"), _nothing)
    assert whole.chunks == 3

    def interrupt(done: int, total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(catalog, _describe, str(tmp_path / "part"), interrupt)
    assert not is_shards(tmp_path / "part")
    other = Catalog(catalog.ids[::-1], {"image": catalog.inputs["image"][::-1]}, {}, [""] * 5, ["train"] * 5, {})
    with pytest.raises(OutputError, match="begun from others"):
        write_shards(other, _describe, str(tmp_path / "part"), _nothing)
    assert write_shards(catalog, _describe, str(tmp_path / "part"), _nothing).kept == 1
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("whole", "part")]
    assert contents[0] == contents[1]
    with pytest.raises(OutputError, match="whole shards"):
        write_shards(catalog, _describe, str(tmp_path / "part"), _nothing)


def test_only_empty_places_are_filled(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="other files"):
        write_shards(catalog, _describe, str(tmp_path), _nothing)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_store_gets_the_same_files(catalog: Catalog, tmp_path: Path) -> None:
    import fsspec

    write_shards(catalog, _describe, str(tmp_path / "shards"), _nothing)
    write_shards(catalog, _describe, "memory://bucket/shards", _nothing)
    store = fsspec.filesystem("memory")
    found = {path.rpartition("/")[2]: store.cat_file(path) for path in store.find("/bucket/shards")}
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()}
    assert is_shards("memory://bucket/shards")
    assert json.loads(found[MARK])["files"] == 6


@pytest.mark.parametrize("location", ["/data/masks.csv#row=a.jpg@2x2", "/data/masks/"])
def test_what_is_no_file_is_refused(location: str, tmp_path: Path) -> None:
    catalog = Catalog(["a"], {"image": [location]}, {}, [""], ["train"], {})
    with pytest.raises(DataError, match="limner convert"):
        write_shards(catalog, _describe, str(tmp_path / "shards"), _nothing)


def test_missing_shards_and_numbers_are_named(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="file 0 of the shards"):
        read_image(f"shards://{tmp_path}/none!/0/a.png")
    write_shards(catalog, _describe, str(tmp_path / "shards"), _nothing)
    with pytest.raises(DataError, match="file 99 of the shards"):
        read_image(f"shards://{tmp_path}/shards!/99/a.png")
