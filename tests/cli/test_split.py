"""`limner split` as a user meets it: a table that training takes, and files that are never lost."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.images import write_image, write_mask


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    """Eight cars of sixteen pictures in the layout of Carvana."""
    rng = np.random.default_rng(0)
    for car in range(8):
        for view in range(1, 17):
            name = f"{car:012x}_{view:02d}"
            write_image(tmp_path / "cars" / "train" / f"{name}.jpg", rng.integers(0, 255, (16, 24, 3), dtype=np.uint8))
            mask = np.zeros((16, 24), np.uint8)
            mask[4:10, 5 : 9 + view] = 1
            path = tmp_path / "cars" / "train_masks" / f"{name}_mask.gif"
            write_mask(path, mask, [(0, 0, 0), (255, 255, 255)])
    return tmp_path / "cars"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.*") if path.is_file())


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_cars_stay_whole_and_the_table_says_what_came_of_the_numbers(limner, cars, tmp_path):
    before = names(cars)
    result = limner("split", cars, "--val", 20, "--test", 20, "-o", tmp_path / "samples.csv")
    assert result.code == 0
    assert "val has 16 samples, the nearest to 20 that keeps groups whole" in result.err
    assert f"limner train {tmp_path / 'samples.csv'}" in result.out
    table = rows(tmp_path / "samples.csv")
    counts = {split: sum(row["split"] == split for row in table) for split in ("train", "val", "test")}
    assert counts == {"train": 96, "val": 16, "test": 16}
    assert len({(row["group"], row["split"]) for row in table}) == 8
    assert names(cars) == before


def test_ungrouped_gives_the_very_numbers_and_says_what_that_costs(limner, cars, tmp_path):
    options = ["--val", 20, "--test", 21, "--ungrouped", "-o", tmp_path / "samples.csv", "--json"]
    result = limner("split", cars, *options)
    assert result.json["samples"] == {"train": 87, "val": 20, "test": 21}
    assert any("better than on new data" in note for note in result.json["notes"])


def test_shares_and_seeds(limner, cars, tmp_path):
    first, again, other = (tmp_path / f"{name}.csv" for name in "abc")
    for table, seed in ((first, 1), (again, 1), (other, 2)):
        limner("split", cars, "--split", "50:25:25", "--seed", seed, "-o", table)
    assert [row["split"] for row in rows(first)] == [row["split"] for row in rows(again)]
    assert [row["split"] for row in rows(first)] != [row["split"] for row in rows(other)]
    assert sum(row["split"] == "val" for row in rows(first)) == 32


@pytest.mark.slow
def test_training_takes_the_table_as_it_is(limner, small, cars, tmp_path):
    limner("split", cars, "--val", 16, "--test", 16, "-o", tmp_path / "samples.csv")
    limner("train", tmp_path / "samples.csv", "-o", tmp_path / "run", *small())
    decided, used = Catalog.load(tmp_path / "samples.csv"), Catalog.load(tmp_path / "run" / "samples.csv")
    assert used.ids == decided.ids
    assert used.splits == decided.splits
    assert used.groups == decided.groups


def test_move_makes_the_six_folders_and_can_be_split_again(limner, cars, tmp_path, refused):
    before = names(cars)
    result = limner("split", cars, "--val", 16, "--test", 16, "-o", tmp_path / "samples.csv", "--move")
    assert "Files moved" in result.out
    assert sorted(path.name for path in cars.iterdir()) == [
        f"{split}_{kind}" for split in ("test", "train", "val") for kind in ("images", "masks")
    ]
    assert names(cars) == before
    assert len(names(cars / "val_images")) == len(names(cars / "val_masks")) == 16
    assert all(Path(row["input.image"]).is_file() for row in rows(tmp_path / "samples.csv"))
    assert "came split: 96 train, 16 val, 16 test" in refused("split", cars, "-o", tmp_path / "other.csv")
    again = limner("split", cars, "--anew", "--val", 32, "--test", 16, "-o", tmp_path / "other.csv", "--json")
    assert again.json["samples"] == {"train": 80, "val": 32, "test": 16}


def test_an_interrupted_move_is_completed_by_the_same_command(limner, cars, tmp_path, monkeypatch, refused):
    before, original, done = names(cars), Path.rename, 0

    def rename(self: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if done == 30:
            raise KeyboardInterrupt
        return original(self, target)

    words = ["split", cars, "--val", 16, "--test", 16, "-o", tmp_path / "samples.csv", "--move"]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        assert limner(*words).code == 130
    assert sorted(path.name for path in cars.rglob("*.*") if path.suffix in (".jpg", ".gif")) == sorted(
        name for name in before
    )
    for verb in ("split", "train"):
        assert "interrupted" in refused(verb, cars, "-o", tmp_path / "other")
    result = limner(*words)
    assert result.code == 0
    assert "An interrupted run was completed." in result.err
    assert names(cars) == before
    assert len(names(cars / "train_images")) == 96


def test_copy_goes_into_another_folder(limner, cars, tmp_path):
    before = names(cars)
    limner("split", cars, "-o", tmp_path / "samples.csv", "--copy", "--into", tmp_path / "copy")
    assert names(tmp_path / "copy") == names(cars) == before
    assert str(tmp_path / "copy") in rows(tmp_path / "samples.csv")[0]["input.image"]


def test_any_data_can_be_split_and_grouped_by_name(limner, cells, tmp_path, refused):
    result = limner("split", cells, "--group", r"cells_0(\d)", "-o", tmp_path / "samples.csv", "--json")
    assert sum(result.json["groups"].values()) == 2
    assert {row["group"] for row in rows(tmp_path / "samples.csv")} == {"0", "1"}
    assert "do not" in refused("split", cells, "--group", "(cat)", "-o", tmp_path / "b.csv")
    assert "regular expression" in refused("split", cells, "--group", "(", "-o", tmp_path / "b.csv")


def test_what_is_there_is_not_replaced_unasked(limner, cells, tmp_path, refused):
    limner("split", cells, "-o", tmp_path / "samples.csv")
    assert "--overwrite" in refused("split", cells, "-o", tmp_path / "samples.csv")
    assert limner("split", cells, "-o", tmp_path / "samples.csv", "--overwrite").code == 0


@pytest.mark.parametrize("words", [["--move", "--copy"], ["--into", "x"], ["--split", "8:1:1", "--val", "3"]])
def test_contradictions_are_refused(refused, cells, tmp_path, words):
    refused("split", cells, "-o", tmp_path / "samples.csv", *words)
    assert not (tmp_path / "samples.csv").exists()


def test_folds_are_a_column_that_an_earlier_table_keeps(limner, refused, data, tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    result = limner("split", data, "--folds", 3, "--test", 2, "-o", first, "--json")
    assert (result.json["folds"], result.json["samples"]) == ([2, 2, 2], {"train": 6, "val": 0, "test": 2})
    for number in (8, 9, 10):
        for kind in ("images", "masks"):
            picture = (data / kind / f"{number - 8}.png").read_bytes()
            (data / kind / f"{number}.png").write_bytes(picture)
    result = limner("split", data, "--folds", 3, f"data.keep_splits={first}", "-o", second)
    assert f"limner train {second} --folds 3" in result.out
    folds = {row["id"]: (row["split"], row["fold"]) for row in rows(second)}
    assert {row["id"]: (row["split"], row["fold"]) for row in rows(first)}.items() <= folds.items()
    # Copies go where their originals are.
    assert [folds[str(number)] for number in (8, 9, 10)] == [folds[str(number)] for number in (0, 1, 2)]
    assert "folds alone" in refused("split", data, "--folds", 3, "--ungrouped", "-o", tmp_path / "third.csv")
    assert "Leave it out" in refused("split", data, "--folds", 3, "--val", 2, "-o", tmp_path / "third.csv")
