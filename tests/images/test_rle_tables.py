"""Masks that are rows of a CSV, read as any mask is."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from limner.errors import DataError
from limner.images import is_rle_table, member_location, read_mask, read_row, rle_names, row_location

TEXT = "img,rle_mask\na_01.jpg,2 2 5 1\na_02.jpg,\nb_01.jpg,1 6\n"
FIRST = [[False, True, True], [False, True, False]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "train_masks.csv"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_row_is_a_mask_and_an_empty_one_is_empty(table):
    assert rle_names(str(table)) == ["a_01.jpg", "a_02.jpg", "b_01.jpg"]
    masks = [read_mask(row_location(str(table), name, (2, 3))).array for name in rle_names(str(table))]
    assert masks[0].dtype == bool
    assert masks[0].tolist() == FIRST
    assert not masks[1].any()
    assert masks[2].all()
    assert read_row(row_location(str(table), "a_01.jpg", (2, 3))) == b"2 2 5 1"


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text.rstrip()])
def test_line_ends_and_byte_order_marks_do_not_matter(table, change):
    table.write_bytes(change(TEXT).encode())
    assert is_rle_table(str(table))
    assert rle_names(str(table)) == ["a_01.jpg", "a_02.jpg", "b_01.jpg"]
    assert read_mask(row_location(str(table), "b_01.jpg", (2, 3))).array.all()


def test_quotes_do_not_matter(table):
    table.write_text('"img","rle_mask"\n"a_01.jpg","2 2 5 1"\n', encoding="utf-8")
    assert is_rle_table(str(table))
    assert read_mask(row_location(str(table), "a_01.jpg", (2, 3))).array.tolist() == FIRST


def test_a_table_in_an_archive(table, tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(table, "sub/train_masks.csv")
    place = member_location(str(tmp_path / "data.zip"), "sub/train_masks.csv")
    assert is_rle_table(place)
    assert read_mask(row_location(place, "a_01.jpg", (2, 3))).array.tolist() == FIRST


def test_a_table_that_was_written_again_is_read_again(table):
    place = row_location(str(table), "a_01.jpg", (2, 3))
    assert read_mask(place).array.sum() == 3
    table.write_text("img,rle_mask\na_01.jpg,1 1\n", encoding="utf-8")
    assert read_mask(place).array.sum() == 1


def test_a_corrupt_row_is_named_with_file_and_line(table):
    table.write_text(TEXT.replace("1 6", "1 6 4"), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 'b_01\.jpg' \(line 4\) of '.*train_masks\.csv'"):
        read_mask(row_location(str(table), "b_01.jpg", (2, 3)))
    with pytest.raises(DataError, match="of a picture of 2×2"):
        read_mask(row_location(str(table), "a_01.jpg", (2, 2)))


def test_missing_and_repeated_rows_and_other_tables_are_refused(table):
    with pytest.raises(DataError, match=r"a row for 'c_01\.jpg'"):
        read_mask(row_location(str(table), "c_01.jpg", (2, 3)))
    table.write_text(TEXT + "a_01.jpg,1 1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"'a_01\.jpg' in line 2 and in line 5"):
        rle_names(str(table))
    table.write_text("id,year\na,1\n", encoding="utf-8")
    assert not is_rle_table(str(table))
    with pytest.raises(DataError, match="line 1: 'id,year'"):
        rle_names(str(table))
    table.write_text("img,rle_mask\nnothing\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2: 'nothing'"):
        rle_names(str(table))


def test_masks_do_not_depend_on_each_other_when_read_from_many_threads(table):
    names = rle_names(str(table)) * 20
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda name: int(read_mask(row_location(str(table), name, (2, 3))).array.sum()), names))
    assert sums == [3, 0, 6] * 20
