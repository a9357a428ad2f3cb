"""A folder of masks is one mask, also inside an archive."""

import zipfile

import numpy as np
import pytest

from limner.data.stored_masks import mask_files, read_stored
from limner.errors import DataError


def save(folder, **masks):
    folder.mkdir(exist_ok=True)
    for name, array in masks.items():
        np.save(folder / f"{name}.npy", np.array(array, np.uint8))


def test_files_that_are_no_pictures_do_not_count(tmp_path):
    save(tmp_path / "masks", a=[[0, 1]])
    (tmp_path / "masks" / "notes.txt").write_text("hello")
    assert mask_files(f"{tmp_path}/masks/") == [f"{tmp_path}/masks/a.npy"]


def test_a_folder_in_an_archive(tmp_path):
    save(tmp_path / "masks", a=[[0, 1]], b=[[1, 0]])
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("a", "b"):
            file.write(tmp_path / "masks" / f"{name}.npy", f"one/masks/{name}.npy")
    assert read_stored(f"zip://one/masks/::{archive}").array.tolist() == [[1, 1]]


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match="holds none"):
        mask_files(f"{tmp_path}/masks/")


def test_masks_of_two_sizes_are_named(tmp_path):
    save(tmp_path / "masks", a=[[0, 1]], b=[[0, 1, 1]])
    with pytest.raises(DataError, match=r"b\.npy' is 1×3, 'a\.npy' is 1×2"):
        read_stored(f"{tmp_path}/masks/")


def test_planes_are_stacked_in_order(tmp_path):
    save(tmp_path / "masks", a=[[0, 255]], b=[[1, 1]])
    planes = read_stored(f"{tmp_path}/masks/a.npy | {tmp_path}/masks/b.npy").array
    assert planes.tolist() == [[[False, True], [True, True]]]


def test_a_plane_of_many_values_is_refused(tmp_path):
    save(tmp_path / "masks", a=[[0, 1]], b=[[0, 1]], c=[[1, 2]])
    with pytest.raises(DataError, match="two values"):
        read_stored(f"{tmp_path}/masks/a.npy | {tmp_path}/masks/c.npy")


def test_a_file_whose_name_holds_the_separator_is_one_file(tmp_path):
    save(tmp_path, **{"a | b": [[0, 1]]})
    assert mask_files(f"{tmp_path}/a | b.npy") == [f"{tmp_path}/a | b.npy"]
