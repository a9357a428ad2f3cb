"""Every file is looked at once; what cannot be read is gathered."""

import numpy as np
import pytest

from limner.data.catalog import Catalog
from limner.data.check.examine import Examination
from limner.data.memory import Memory
from limner.data.scan import scan, target_tables
from limner.data.store import Store
from limner.images import encode_jpeg, write_image


def make_catalog(folder, count=3):
    for number in range(count):
        write_image(folder / f"{number}.png", np.full((6, 8, 3), number, np.uint8))
        write_image(folder / f"{number}_mask.png", np.eye(6, 8, dtype=np.uint8) * 255)
    names = [str(number) for number in range(count)]
    images = [str(folder / f"{name}.png") for name in names]
    return Catalog(names, {"image": images}, {"mask": [str(folder / f"{name}_mask.png") for name in names]})


def test_headers_values_and_hashes_come_in_order(tmp_path):
    told = []
    catalog = make_catalog(tmp_path)
    scans = scan(catalog, progress=lambda *said: told.append(said))
    assert told == [("scan", 1, 3), ("scan", 2, 3), ("scan", 3, 3)]
    assert {scanned.infos["image"].size for scanned in scans} == {(6, 8)}
    assert len({scanned.input_digest for scanned in scans}) == 3
    assert len({scanned.target_digest for scanned in scans}) == 1
    assert [table.where for table in target_tables(scans, "mask")] == catalog.targets["mask"]
    assert target_tables(scans, "mask")[0].counts == {0: 42, 255: 6}


def test_damaged_files_are_gathered_and_the_rest_is_read(tmp_path):
    catalog = make_catalog(tmp_path)
    (tmp_path / "0.png").write_bytes(b"no picture")
    (tmp_path / "0_mask.png").unlink()
    first, second, _ = scan(catalog)
    assert len(first.problems) == 2
    assert not second.problems


def test_a_cut_off_image_is_found_by_decoding(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    whole = encode_jpeg(noise)
    catalog = make_catalog(tmp_path, count=1)
    (tmp_path / "0.jpg").write_bytes(whole[: len(whole) // 2])
    catalog.inputs["image"][0] = str(tmp_path / "0.jpg")
    assert not scan(catalog)[0].problems
    assert "0.jpg" in str(scan(catalog, decode=True)[0].problems[0])
    with Examination(None, most=0) as nobody, Examination(None) as somebody:
        for looking in (nobody, somebody):
            assert not scan(catalog, memory=looking.memory)[0].problems
            assert "0.jpg" in str(scan(catalog, decode=True, memory=looking.memory)[0].problems[0])


def test_a_sample_without_mask_has_no_table(tmp_path):
    catalog = make_catalog(tmp_path, count=1)
    catalog.targets["mask"][0] = ""
    scans = scan(catalog)
    assert target_tables(scans, "mask") == []
    assert not scans[0].problems


@pytest.mark.usefixtures("settled")
def test_files_that_are_planes_and_files_that_make_up_one_mask_are_told_apart(tmp_path):
    catalog = make_catalog(tmp_path, count=1)
    folder = tmp_path / "objects"
    for name in ("a", "b"):
        write_image(folder / f"{name}.png", np.eye(6, 8, dtype=np.uint8) * 255)
    forms = [f"{folder}/", f"{folder}/a.png | {folder}/b.png"]
    found = []
    with Store(None) as store:
        for location in forms * 2:
            catalog.targets["mask"][0] = location
            found.append(scan(catalog, memory=Memory(store))[0].tables["mask"])
    assert [table.channels for table in found] == [0, 2, 0, 2]
