import zipfile

import pytest

from limner.data.catalog import Catalog
from limner.data.layouts import find_samples
from limner.errors import DataError


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


def manifest(folder, text, name="table.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_table_names_its_samples(tree):
    root = tree("in/1.png", "in/2.png", "out/a.png", "out/b.png")

    found = find_samples(
        manifest(
            root, "Image,Mask,split,patient,age\nin/1.png,out/b.png,training,p7,30\nin/2.png,out/a.png,valid,p8,40\n"
        )
    )

    assert placed(found, root) == [("1", "in/1.png", "out/b.png", "train"), ("2", "in/2.png", "out/a.png", "val")]
    assert found.catalog.groups == ["p7", "p8"]
    assert found.pairing.rule == "as listed in 'table.csv'"
    assert found.notes == ("Columns that were not used: age.",)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_separate_columns_otherwise(tree, separator):
    root = tree("1,5.png", "m.png")

    found = find_samples(manifest(root, f"\ufeffimage_path{separator}label\r\n1,5.png{separator}m.png\r\n"))

    assert placed(found, root) == [("1,5", "1,5.png", "m.png", "")]


def test_a_run_s_own_table_can_be_used_again(tmp_path, tree):
    root = tree(*in_folders("images", "masks"))
    catalog = find_samples(root).catalog
    catalog.splits = ["train", "val"]
    catalog.facts = {"hash": ["x", "y"]}
    catalog.save(tmp_path / "samples.csv")

    found = find_samples(tmp_path / "samples.csv")

    assert (found.catalog.ids, found.catalog.splits) == (["1", "2"], ["train", "val"])
    assert (found.catalog.inputs, found.catalog.targets) == (catalog.inputs, catalog.targets)


def test_a_table_with_several_targets(tree):
    root = tree("a.png", "m.png", "d.npy")

    found = find_samples(manifest(root, "id,input.scene,target.mask,target.depth\nx,a.png,m.png,d.npy\n"))

    assert found.catalog == Catalog(
        ["x"], {"scene": [f"{root}/a.png"]}, {"mask": [f"{root}/m.png"], "depth": [f"{root}/d.npy"]}
    )


def test_a_table_among_the_pictures_is_found_last(tmp_path, tree):
    root = tree("one/1.png", "two/1.png")
    manifest(root, "image,mask\none/1.png,two/1.png\n")
    manifest(root, "number,remark\n1,none\n", "other.csv")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            archive.write(path, f"top/{path.relative_to(root)}")

    assert placed(find_samples(root), root) == [("1", "one/1.png", "two/1.png", "")]
    assert find_samples(tmp_path / "data.zip").catalog.targets["mask"] == [f"zip://top/two/1.png::{tmp_path}/data.zip"]


def test_rows_without_a_mask_are_unmatched(tree):
    found = find_samples(manifest(tree("1.png", "2.png"), "image,mask\n1.png,2.png\n2.png,\n"))

    assert (found.catalog.ids, found.pairing.unmatched_images) == (["1"], ["2.png"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo,outline\n1.png,2.png\n", r"a column 'mask'[\s\S]*photo, outline"),
        ("a,b\n1.png,2.png\n", r"a column 'image'[\s\S]*a, b"),
        ("image,mask\n1.png,nowhere.png\n", r"row 2: nowhere\.png"),
        ("image,mask\n1.png,2.png\n,2.png\n", "row 3"),
        ("image,mask\n1.png,2.png\n1.png,2.png\n", "several times"),
        ("image,mask,split\n1.png,2.png,holdout\n", "'holdout'"),
        ("image,mask,id\n1.png,2.png,../x\n", r"'\.\./x'"),
        ("image,mask,id\n1.png,2.png,a\n2.png,1.png,a\n", "'a' several times"),
        ("image,mask\n1.png\n", "row 2 has 1"),
        ("image,image,mask\n1.png,1.png,2.png\n", "'image' twice"),
        ("image,mask\n", "1 rows"),
    ],
)
def test_a_faulty_table_is_refused_with_the_place(tree, text, message):
    path = manifest(tree("1.png", "2.png"), text)

    with pytest.raises(DataError, match=message) as error:
        find_samples(path)
    assert "table.csv" in str(error.value)


def test_a_table_that_is_not_utf8(tree):
    root = tree("1.png")
    (root / "t.csv").write_bytes("image,mask\nä.png,b.png\n".encode("latin-1"))

    with pytest.raises(DataError, match="UTF-8"):
        find_samples(root / "t.csv")
