"""Files move into the folders of their splits whole: none is lost, whenever it stops."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from limner.data.catalog import Catalog
from limner.data.placement import JOURNAL, plan_placement, unfinished
from limner.errors import DataError, OutputError
from limner.images import page_location, row_location


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    names = [f"{number}_{view}" for number in range(3) for view in range(2)]
    for folder, suffix in (("train", ".jpg"), ("train_masks", "_mask.gif")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / "data" / folder / f"{name}{suffix}").write_text(f"{folder} {name}")
    return Catalog(
        names,
        {"image": [str(tmp_path / "data" / "train" / f"{name}.jpg") for name in names]},
        {"mask": [str(tmp_path / "data" / "train_masks" / f"{name}_mask.gif") for name in names]},
        splits=["train", "train", "val", "val", "test", "test"],
    )


def contents(folder: Path) -> dict[str, str]:
    """Relative name of each file → its text, without notes."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != JOURNAL
    }


MOVED = {
    f"{split}_{kind}/{number}_{view}{suffix}": f"{folder} {number}_{view}"
    for number, split in enumerate(("train", "val", "test"))
    for view in range(2)
    for kind, folder, suffix in (("images", "train", ".jpg"), ("masks", "train_masks", "_mask.gif"))
}


def run(catalog: Catalog, folder: Path, how="move") -> Catalog:
    placement, after = plan_placement(catalog, folder, how, folder / "samples.csv")
    placement.check()
    placement.begin()
    placement.complete()
    return after


def test_files_go_into_six_folders_and_the_catalog_says_where(catalog, tmp_path):
    data = tmp_path / "data"
    after = run(catalog, data)
    assert contents(data) == MOVED
    assert not (data / "train").exists()
    assert not (data / JOURNAL).exists()
    for name, column in (("image", after.inputs["image"]), ("mask", after.targets["mask"])):
        assert all(Path(place).is_file() for place in column), name
    assert after.ids == catalog.ids


@pytest.mark.parametrize("steps", range(10))
@pytest.mark.parametrize("across_disks", [False, True])
def test_an_interruption_loses_and_doubles_nothing_and_the_next_run_completes_it(
    catalog, tmp_path, monkeypatch, steps, across_disks
):
    data, original = tmp_path / "data", Path.rename
    done = 0

    def rename(self: Path, target: Path) -> Path:
        nonlocal done
        if done == steps:
            raise KeyboardInterrupt
        done += 1
        if across_disks:
            raise OSError(errno.EXDEV, "other disk")
        return original(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            run(catalog, data)
    assert sorted(contents(data).values()) == sorted(MOVED.values())
    left = unfinished(data)
    assert left is not None
    left.complete()
    assert contents(data) == MOVED
    assert unfinished(data) is None


def test_an_interruption_between_copy_and_removal_across_disks_is_completed(catalog, tmp_path, monkeypatch):
    data = tmp_path / "data"

    def rename(self: Path, target: Path) -> Path:
        raise OSError(errno.EXDEV, "other disk")

    def unlink(self: Path, **_: object) -> None:
        if self.parent.name == "train":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(KeyboardInterrupt):
            run(catalog, data)
    assert set(contents(data).values()) == set(MOVED.values())
    left = unfinished(data)
    assert left is not None
    left.complete()
    assert contents(data) == MOVED


def test_a_file_in_the_way_is_refused_before_anything_moves(catalog, tmp_path):
    data = tmp_path / "data"
    (data / "val_images").mkdir()
    (data / "val_images" / "1_0.jpg").write_text("precious")
    before = contents(data)
    with pytest.raises(OutputError) as caught:
        run(catalog, data)
    assert "1_0.jpg" in caught.value.details[0]
    assert contents(data) == before


def test_a_file_that_came_in_the_way_is_not_replaced(catalog, tmp_path):
    data = tmp_path / "data"
    placement, _ = plan_placement(catalog, data, "move", data / "samples.csv")
    placement.begin()
    (data / "val_images").mkdir()
    (data / "val_images" / "1_0.jpg").write_text("precious")
    with pytest.raises(OutputError, match="something else"):
        placement.complete()
    assert (data / "val_images" / "1_0.jpg").read_text() == "precious"
    assert (data / "train" / "1_0.jpg").is_file()


def test_copies_leave_the_originals(catalog, tmp_path):
    before = contents(tmp_path / "data")
    run(catalog, tmp_path / "copy", "copy")
    assert contents(tmp_path / "copy") == MOVED
    assert contents(tmp_path / "data") == before


def test_two_files_of_one_name_are_refused(catalog, tmp_path):
    other = tmp_path / "other" / "0_0.jpg"
    other.parent.mkdir()
    other.write_text("another")
    catalog.inputs["image"][1] = str(other)
    with pytest.raises(DataError, match="several times"):
        plan_placement(catalog, tmp_path / "data", "move", tmp_path / "samples.csv")


@pytest.mark.parametrize(
    "location",
    [
        page_location("/data/a.tif", 1),
        row_location("/data/masks.csv", "a.jpg", (2, 3)),
        "/data/masks/",
        "zip://a.png::/data/a.zip",
    ],
)
def test_what_has_no_file_of_its_own_cannot_be_moved(catalog, tmp_path, location):
    catalog.targets["mask"][0] = location
    with pytest.raises(DataError, match=r"samples\.csv is enough"):
        plan_placement(catalog, tmp_path / "data", "move", tmp_path / "samples.csv")


def test_damaged_notes_are_refused(tmp_path):
    (tmp_path / JOURNAL).write_text("{")
    with pytest.raises(DataError, match="damaged"):
        unfinished(tmp_path)
