import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.data.layouts import find_samples
from limner.data.layouts.folders import read_folder, read_part
from limner.errors import ConfigError, DataError
from limner.images import read_image, read_mask, write_image


def in_folders(image_folder, mask_folder, numbers="12", mask="{}.png"):
    return [f"{image_folder}/{n}.png" for n in numbers] + [f"{mask_folder}/{mask.format(n)}" for n in numbers]


def placed(found, root):
    """Samples as (id, image, mask, split), relative to the data set's folder."""
    catalog = found.catalog
    rows = zip(catalog.ids, catalog.inputs["image"], catalog.targets["mask"], catalog.splits, strict=True)
    return [
        (name, image.removeprefix(f"{root}/"), mask.removeprefix(f"{root}/"), split)
        for name, image, mask, split in rows
    ]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("Images", "Labels"),
        ("imgs", "annotations"),
        ("x", "y"),
        ("inputs", "targets"),
        ("JPEGImages", "SegmentationClass"),
        ("training/images", "training/1st_manual"),
        ("images", "ground_truth"),
        ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"),
        ("imagesTr", "labelsTr"),
        ("train", "train_masks"),
        ("lesions", "lesion_masks"),
        ("data/images", "data/masks"),
        ("brain mri images/sub/images", "brain mri images/sub/masks"),
    ],
)
def test_folders_named_for_their_kind(tree, images, masks):
    root = tree(*in_folders(images, masks))

    found = find_samples(root)

    assert placed(found, root) == [(n, f"{images}/{n}.png", f"{masks}/{n}.png", "") for n in "12"]
    assert found.layout == "pairs"
    assert found.pairing.rule == "mask name = image name"


def test_pictures_beside_their_folder_of_masks(tree):
    root = tree("1.png", "2.png", "masks/1.png", "masks/2.png")

    assert placed(find_samples(root), root) == [("1", "1.png", "masks/1.png", ""), ("2", "2.png", "masks/2.png", "")]


def test_one_folder_with_both_kinds(tree):
    root = tree("p1/1.png", "p1/1_mask.png", "p2/1.png", "p2/1_mask.png")

    assert placed(find_samples(root), root) == [
        ("p1/1", "p1/1.png", "p1/1_mask.png", ""),
        ("p2/1", "p2/1.png", "p2/1_mask.png", ""),
    ]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("{}/images", "{}/masks"),
        ("images/{}", "masks/{}"),
        ("{}_images", "{}_masks"),
        ("x_{}", "y_{}"),
        ("{}", "{}annot"),
        ("top/{}/img", "top/{}/gt"),
    ],
)
def test_ready_splits_are_honoured(tree, images, masks):
    splits = {"train": "123", "validation": "4", "test": "56"}
    names = [
        name
        for split, numbers in splits.items()
        for name in in_folders(images.format(split), masks.format(split), numbers)
    ]

    found = find_samples(tree(*names))

    assert found.layout == "presplit"
    assert dict(zip(found.catalog.ids, found.catalog.splits, strict=True)) == {
        "1": "train", "2": "train", "3": "train", "4": "val", "5": "test", "6": "test"
    }  # fmt: skip


def test_equal_names_in_several_splits_stay_apart(tree):
    root = tree(*in_folders("train/images", "train/masks"), *in_folders("test/images", "test/masks"))

    found = find_samples(root)

    assert sorted(found.catalog.ids) == ["test/1", "test/2", "train/1", "train/2"]
    assert ("train/1", "train/images/1.png", "train/masks/1.png", "train") in placed(found, root)


def test_masks_without_split_folders_take_the_split_of_their_images(tree):
    root = tree("images/train/1.png", "images/val/2.png", "masks/1.png", "masks/2.png")

    assert placed(find_samples(root), root) == [
        ("1", "images/train/1.png", "masks/1.png", "train"),
        ("2", "images/val/2.png", "masks/2.png", "val"),
    ]


def test_a_test_folder_without_masks_is_left_out_and_noted(tree):
    root = tree(*in_folders("train", "train_masks"), "test/8.png", "test/9.png")

    found = find_samples(root)

    assert found.catalog.ids == ["1", "2"]
    assert found.catalog.splits == ["", ""]
    assert found.pairing.complete
    assert "The test folder has no masks; its images were left out: 2." in found.notes


def test_words_of_splits_in_names_of_samples_do_not_split(tree):
    names = [f"{kind}/test_subject_{n}/1.png" for n in "12" for kind in ("images", "masks")]
    root = tree(*names)

    found = find_samples(root)

    assert found.catalog.splits == ["", ""]
    assert placed(found, root)[1][1:3] == ("images/test_subject_2/1.png", "masks/test_subject_2/1.png")


def test_layout_pairs_disregards_ready_splits_and_presplit_insists(tree):
    root = tree(*in_folders("train/images", "train/masks"), *in_folders("val/images", "val/masks", "34"))

    assert set(find_samples(root, layout="pairs").catalog.splits) == {""}
    assert set(find_samples(root, layout="presplit").catalog.splits) == {"train", "val"}
    with pytest.raises(DataError, match="folders for train"):
        find_samples(tree(*in_folders("images", "masks")), layout="presplit")


def test_instances_are_one_folder_per_picture(tree):
    root = tree("ab/images/ab.png", "ab/masks/1.png", "ab/masks/2.png", "cd/images/cd.png", "cd/masks/7.png")

    found = find_samples(root)

    assert found.layout == "instances"
    assert placed(found, root) == [
        ("ab", "ab/images/ab.png", "ab/masks/", ""),
        ("cd", "cd/images/cd.png", "cd/masks/", ""),
    ]
    assert "3 files" in found.notes[0]


def test_instances_below_stage1_train_beside_a_bare_test(tree):
    names = [f"stage1_train/{n}/{kind}" for n in "ab" for kind in (f"images/{n}.png", "masks/1.png", "masks/2.png")]

    found = find_samples(tree(*names, "stage1_test/c/images/c.png"))

    assert (found.layout, found.catalog.ids, found.catalog.splits) == ("instances", ["a", "b"], ["", ""])
    assert found.pairing.complete
    assert any("test folder has no masks" in note for note in found.notes)


def test_an_instance_without_masks_is_unmatched(tree):
    found = find_samples(tree("a/images/a.png", "a/masks/1.png", "a/masks/2.png", "b/images/b.png"))

    assert found.pairing.unmatched_images == ["b/images/b.png"]
    assert found.catalog.ids == ["a"]


def test_the_preferred_of_several_mask_folders_is_taken_and_noted(tree):
    root = tree(*in_folders("images", "mask"), *[f"1st_manual/{n}_manual1.png" for n in "12"])

    found = find_samples(root)

    assert placed(found, root)[0] == ("1", "images/1.png", "1st_manual/1_manual1.png", "")
    assert "Masks were taken from 'manual', not from 'mask'." in found.notes


def test_what_is_left_unread_is_noted(tree):
    root = tree(*in_folders("images", "masks"), "images/1_superpixels.png", "readme.txt", ".DS_Store", "overlays/1.png")

    found = find_samples(root)

    assert found.pairing.complete
    assert found.notes == (
        "Superpixel pictures, which were left out: 1.",
        "Files that are no pictures were left unread: 1 .txt.",
        "Pictures left unread in folders whose names tell nothing, such as 'overlays': 1.",
    )


def test_unmatched_files_are_reported_and_not_refused(tree):
    found = find_samples(tree("images/1.png", "images/2.png", "masks/1_mask.png", "masks/12_mask.png"))

    assert found.catalog.ids == ["1"]
    assert found.pairing.unmatched_images == ["images/2.png"]
    assert found.pairing.unmatched_masks == ["masks/12_mask.png"]


def test_named_folders_anywhere(tree, monkeypatch):
    images, masks = tree("1.png", "sub/2.png"), tree("1.png", "sub/2.png")
    expected = [f"{masks}/1.png", f"{masks}/sub/2.png"]

    assert find_samples(None, images=images, masks=masks).catalog.targets["mask"] == expected

    monkeypatch.chdir(images.parent)
    assert find_samples(None, images=images.name, masks=masks.name).catalog.targets["mask"] == expected
    assert find_samples(images.parent, images=images.name, masks=masks.name).catalog.targets["mask"] == expected


def test_named_folders_inside_the_place_and_inside_each_other(tree):
    root = tree("scans/1.png", "scans/2.png", "scans/drawn/1.png", "scans/drawn/2.png")

    found = find_samples(root, images="scans", masks="scans/drawn")

    assert placed(found, root)[0] == ("1", "scans/1.png", "scans/drawn/1.png", "")
    assert found.pairing.complete


def test_one_named_folder_needs_the_other(tree):
    with pytest.raises(ConfigError, match="Add --masks FOLDER"):
        find_samples(tree("1.png"), images="x")


@pytest.mark.parametrize("top", ["", "download/"])
def test_a_zip_is_read_in_place(tmp_path, folder_of_pairs, top):
    folder = folder_of_pairs(3, mask_name="{}_mask.png")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, top + str(path.relative_to(folder)))
        archive.writestr("__MACOSX/._0.png", b"junk")

    found = find_samples(tmp_path / "data.zip")

    assert found.catalog.ids == ["0", "1", "2"]
    assert found.pairing.complete
    for name, place in (
        ("images/1.png", found.catalog.inputs["image"][1]),
        ("masks/1_mask.png", found.catalog.targets["mask"][1]),
    ):
        assert np.array_equal(read_mask(place).array, read_mask(str(folder / name)).array)


def test_instances_in_a_zip_keep_the_trailing_slash(tmp_path, tree):
    folder = tree("a/images/a.png", "a/masks/1.png", "a/masks/2.png", "b/images/b.png", "b/masks/1.png")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, str(path.relative_to(folder)))

    assert find_samples(tmp_path / "data.zip").catalog.targets["mask"][0] == f"zip://a/masks/::{tmp_path}/data.zip"


def test_pages_of_stacks_become_samples(tmp_path):
    for name, value in (("images/brain.tif", 0), ("masks/brain.tif", 100)):
        write_pages(tmp_path / name, [np.full((4, 5), value + page, np.uint8) for page in range(12)])
    write_image(tmp_path / "images/single.png", np.zeros((4, 5), np.uint8))
    write_image(tmp_path / "masks/single.png", np.zeros((4, 5), np.uint8))

    catalog = find_samples(tmp_path, page="all").catalog

    assert catalog.ids == [*(f"brain_page{page:02}" for page in range(12)), "single"]
    assert read_image(catalog.inputs["image"][3])[0, 0, 0] == 3
    assert read_mask(catalog.targets["mask"][3]).array[0, 0] == 103
    assert catalog.inputs["image"][12] == str(tmp_path / "images/single.png")


def test_one_page_of_stacks(tmp_path):
    write_pages(tmp_path / "images/a.tif", [np.full((4, 5), page, np.uint8) for page in range(3)])
    write_pages(tmp_path / "masks/a.tif", [np.full((4, 5), 9, np.uint8)])

    catalog = find_samples(tmp_path, page=2).catalog

    assert catalog.inputs["image"] == [f"{tmp_path}/images/a.tif#page=2"]
    assert catalog.targets["mask"] == [f"{tmp_path}/masks/a.tif"]
    with pytest.raises(DataError, match="has 3 pages"):
        find_samples(tmp_path, page=3)
    with pytest.raises(DataError, match=r"3 in .*images/a\.tif"):
        find_samples(tmp_path, page="all")


def write_pages(path, pages):
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", contiguous=False)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "it is empty"),
        (["a.mha", "b.mha"], r"none of its files is one[\s\S]*2 \.mha files"),
        (["cat_1.png", "cat_2.png", "dog_1.png"], r"3 pictures in .* arranged otherwise[\s\S]*top level: 3 pictures"),
        (["images/1.png", "outlines/1.png"], r"--images '\S*/images' --masks '\S*/outlines'"),
        (["images/a.png", "masks/b.png"], r"no naming rule pairs[\s\S]*image images/a\.png[\s\S]*mask masks/b\.png"),
    ],
)
def test_what_is_wrong_is_said_in_full(tree, names, message):
    with pytest.raises(DataError, match=message):
        find_samples(tree(*names))


def test_the_suggested_folders_work(tree):
    root = tree("photographs/1.png", "photographs/2.png", "outlines/1.png", "outlines/2.png")
    with pytest.raises(DataError) as error:
        find_samples(root)
    _, images, _, masks, *_ = error.value.remedy.split("'")

    assert {Path(images).name, Path(masks).name} == {"photographs", "outlines"}
    assert len(find_samples(root, images=images, masks=masks).catalog) == 2


def test_a_missing_place_and_no_place(tmp_path):
    with pytest.raises(DataError, match="nothing is there"):
        find_samples(tmp_path / "none")
    with pytest.raises(DataError, match="there is none"):
        find_samples(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="none was named"):
        find_samples(None)
    with pytest.raises(ConfigError, match="'stacks'"):
        find_samples(tmp_path, layout="stacks")


def test_order_is_natural_and_links_in_circles_end(tree):
    root = tree(*in_folders("images", "masks", ["1", "2", "10"]))
    (root / "images" / "loop").symlink_to(root)

    assert find_samples(root).catalog.ids == ["1", "2", "10"]


@pytest.mark.parametrize(
    ("name", "role", "split"),
    [
        ("images", "image", ""),
        ("imagesTs", "image", "test"),
        ("trainannot", "mask", "train"),
        ("valid_masks", "mask", "val"),
        ("gtFine", "mask", ""),
        ("annotations_prepped_train", "mask", "train"),
        ("training_data", "image", "train"),
        ("patient_x_01", "", ""),
        ("contrast", "", ""),
        ("unmasked", "", ""),
        ("testament", "", ""),
    ],
)
def test_names_of_folders(name, role, split):
    part = read_part(name)

    assert (part.role, part.split) == (role, split)


@given(st.text("abtrainmskgef_/ 12", max_size=30))
def test_any_path_can_be_read(path):
    folder = read_folder(path)

    assert folder.role in ("image", "mask", "")
    assert (folder.depth >= 0) == bool(folder.role)
