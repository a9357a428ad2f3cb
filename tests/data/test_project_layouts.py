"""Carvana and ISIC as they are handed out, and as projects rearrange them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from limner.data.digests import digest
from limner.data.labels import read_target
from limner.data.layouts import find_samples
from limner.data.prepare import prepare
from limner.errors import ConfigError, DataError
from limner.images import encode_rle, write_image, write_mask

CARS = ("00087a6bd4dc", "02159e548029", "fff9b3a5373f")
MASK = np.eye(8, 10, dtype=np.uint8)


def draw(path: Path, seed: int = 0) -> None:
    write_image(path, np.random.default_rng([seed, *path.name.encode()]).integers(0, 255, (8, 10, 3), dtype=np.uint8))


def mark(path: Path) -> None:
    write_mask(path, MASK, [(0, 0, 0), (255, 255, 255)])


@pytest.fixture
def carvana(tmp_path: Path) -> Path:
    """The download, small: three cars of four pictures each, both forms of masks, a test set, and odds and ends."""
    root = tmp_path / "carvana"
    lines = ["img,rle_mask"]
    for car in CARS:
        for view in (1, 2, 9, 16):
            draw(root / "train" / f"{car}_{view:02d}.jpg")
            mark(root / "train_masks" / f"{car}_{view:02d}_mask.gif")
            lines.append(f"{car}_{view:02d}.jpg,{encode_rle(MASK)}")
    draw(root / "test" / "0004d4463b50_01.jpg")
    draw(root / "29bb3ece3180_11.jpg")
    (root / "train_masks.csv").write_text("\n".join(lines) + "\n")
    (root / "sample_submission.csv").write_text("img,rle_mask\n0004d4463b50_01.jpg,1 1\n")
    (root / "metadata.csv").write_text("id,year,make,model,trim1,trim2\n")
    return root


class TestCarvana:
    def test_the_download_is_read_with_the_car_as_group(self, carvana):
        found = find_samples(carvana)
        assert found.layout == "carvana"
        assert len(found.catalog) == 12
        assert found.catalog.groups == [name[:12] for name in found.catalog.ids]
        assert set(found.catalog.splits) == {""}
        assert all(mask.endswith("_mask.gif") for mask in found.catalog.targets["mask"])
        assert found.pairing.unmatched_images == []
        notes = " ".join(found.notes)
        assert "The test folder has no masks; its images were left out: 1." in notes
        assert "Pictures beside the folders, which were left out: 1." in notes
        assert "3 cars" in notes

    def test_run_lengths_stand_in_for_the_folder_of_masks(self, carvana):
        files = prepare(carvana, val=4, test=0)
        pictures = [read_target(mask, files.label_maps["mask"]) for mask in files.catalog.targets["mask"]]
        shutil.rmtree(carvana / "train_masks")
        rows = prepare(carvana, val=4, test=0)
        assert rows.catalog.ids == files.catalog.ids
        assert rows.catalog.groups == files.catalog.groups
        assert rows.catalog.splits == files.catalog.splits
        assert rows.layout == "carvana"
        assert rows.label_maps["mask"].task == files.label_maps["mask"].task == "binary"
        for mask, picture in zip(rows.catalog.targets["mask"], pictures, strict=True):
            np.testing.assert_array_equal(read_target(mask, rows.label_maps["mask"]), picture)
            np.testing.assert_array_equal(picture, MASK)
        assert "Masks were read from the run lengths in 'train_masks.csv'." in rows.notes
        assert "The test folder has no masks; its images were left out: 1." in rows.notes

    def test_only_its_own_row_changes_the_hash_of_a_mask(self, carvana):
        shutil.rmtree(carvana / "train_masks")
        masks = find_samples(carvana).catalog.targets["mask"]
        before = [digest([mask]) for mask in masks[:2]]
        table = carvana / "train_masks.csv"
        lines = table.read_text().splitlines()
        table.write_text("\n".join([*lines[:2], lines[2].split(",")[0] + ",1 1", *lines[3:]]) + "\n\n")
        after = [digest([mask]) for mask in masks[:2]]
        assert after[0] == before[0]
        assert after[1] != before[1]

    def test_pictures_without_a_row_and_rows_without_a_picture_are_reported(self, carvana):
        shutil.rmtree(carvana / "train_masks")
        draw(carvana / "train" / "ffffffffffff_01.jpg")
        (carvana / "train" / "00087a6bd4dc_02.jpg").unlink()
        pairing = find_samples(carvana).pairing
        assert pairing.unmatched_images == ["train/ffffffffffff_01.jpg"]
        assert pairing.unmatched_masks == ["train_masks.csv, row 00087a6bd4dc_02.jpg"]

    def test_a_corrupt_row_stops_with_file_row_and_line(self, carvana):
        shutil.rmtree(carvana / "train_masks")
        table = carvana / "train_masks.csv"
        table.write_text(table.read_text().replace("00087a6bd4dc_09.jpg,1 1", "00087a6bd4dc_09.jpg,1 1 7"))
        with pytest.raises(DataError) as caught:
            prepare(carvana, val=4, test=0)
        assert "row '00087a6bd4dc_09.jpg' (line 4)" in str(caught.value)
        assert len(prepare(carvana, val=4, test=0, unreadable="skip").catalog) == 11

    def test_a_broken_picture_is_named_not_its_row(self, carvana):
        shutil.rmtree(carvana / "train_masks")
        (carvana / "train" / "00087a6bd4dc_02.jpg").write_bytes(b"no picture")
        with pytest.raises(DataError, match=r"00087a6bd4dc_02\.jpg"):
            prepare(carvana, val=4, test=0)

    def test_six_folders_are_a_split_that_is_kept(self, tmp_path):
        for split, car in zip(("train", "val", "test"), CARS, strict=True):
            for view in (1, 2):
                draw(tmp_path / f"{split}_images" / f"{car}_{view:02d}.jpg")
                mark(tmp_path / f"{split}_masks" / f"{car}_{view:02d}_mask.gif")
        found = find_samples(tmp_path)
        assert found.layout == "carvana"
        splits = dict(zip(found.catalog.groups, found.catalog.splits, strict=True))
        assert splits == dict(zip(CARS, ("train", "val", "test"), strict=True))

    def test_larger_copies_are_left_out(self, carvana):
        draw(carvana / "train_hq" / "00087a6bd4dc_01.jpg")
        found = find_samples(carvana)
        assert len(found.catalog) == 12
        assert "Copies in folders '…_hq', which were left out: 1." in found.notes

    def test_an_archive_is_read_in_place(self, carvana, tmp_path):
        shutil.rmtree(carvana / "train_masks")
        path = tmp_path / "carvana.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(carvana.rglob("*.*")):
                archive.write(file, file.relative_to(carvana))
        prepared = prepare(path, val=4, test=0)
        mask = read_target(prepared.catalog.targets["mask"][0], prepared.label_maps["mask"])
        np.testing.assert_array_equal(mask, MASK)

    def test_other_names_are_read_as_any_folder(self, tmp_path):
        for name in ("car1_01", "car1_02"):
            draw(tmp_path / "train" / f"{name}.jpg")
            mark(tmp_path / "train_masks" / f"{name}_mask.gif")
        assert find_samples(tmp_path).layout == "pairs"
        with pytest.raises(DataError, match="00087a6bd4dc_01"):
            find_samples(tmp_path, layout="carvana")

    def test_it_has_no_options(self, carvana):
        with pytest.raises(ConfigError, match="ratio"):
            find_samples(carvana, options={"ratio": 2})


class TestIsic:
    @pytest.mark.parametrize(
        ("images", "masks"),
        [
            ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
            ("ISIC2018_Task1-2_Training_Input_x2", "ISIC2018_Task1_Training_GroundTruth_x2"),
            ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"),
            (".", "."),
            ("photos", "whatever"),
        ],
    )
    def test_names_alone_tell_images_from_masks(self, tmp_path, images, masks):
        for number in (0, 1, 13):
            name = f"ISIC_{number:07d}"
            draw(tmp_path / images / f"{name}.jpg")
            draw(tmp_path / images / f"{name}_superpixels.png")
            mark(tmp_path / masks / f"{name}_segmentation.png")
            mark(tmp_path / "attributes" / f"{name}_attribute_globules.png")
        (tmp_path / images / "metadata.csv").write_text("image_id,sex\n")
        found = find_samples(tmp_path)
        assert found.layout == "isic"
        assert found.catalog.ids == ["ISIC_0000000", "ISIC_0000001", "ISIC_0000013"]
        assert found.pairing.unmatched_images == found.pairing.unmatched_masks == []
        assert "Superpixel pictures, which were left out: 3." in found.notes
        assert "Pictures that are no masks of lesions were left out: 3 '_attribute_globules'." in found.notes

    def test_a_test_set_without_masks_is_left_out_and_splits_with_masks_are_kept(self, tmp_path):
        for number, split in enumerate(("Training", "Training", "Validation", "Test")):
            draw(tmp_path / f"ISIC2018_Task1-2_{split}_Input" / f"ISIC_{number:07d}.jpg")
            if split != "Test":
                mark(tmp_path / f"ISIC2018_Task1_{split}_GroundTruth" / f"ISIC_{number:07d}_segmentation.png")
        found = find_samples(tmp_path)
        assert found.catalog.splits == ["train", "train", "val"]
        assert "The test folder has no masks; its images were left out: 1." in found.notes

    def test_a_missing_mask_is_reported(self, tmp_path):
        for number in range(3):
            draw(tmp_path / f"ISIC_{number:07d}.jpg")
        for number in range(2):
            mark(tmp_path / f"ISIC_{number:07d}_segmentation.png")
        assert find_samples(tmp_path).pairing.unmatched_images == ["ISIC_0000002.jpg"]
