import csv

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limner.data.catalog import Catalog
from limner.errors import DataError


def small():
    return Catalog(
        ids=["a", "b", "c"],
        inputs={"image": ["/d/a.png", "/d/b.png", "/d/c.png"], "background": ["/d/x.png", "/d/x.png", "/d/y.png"]},
        targets={"mask": ["/m/a.png", "", "/m/c.png"]},
        groups=["p1", "p1", ""],
        splits=["train", "val", ""],
        facts={"hash": ["1", "2", "3"]},
    )


def test_save_and_load_give_the_same_samples(tmp_path):
    small().save(tmp_path / "samples.csv")

    assert Catalog.load(tmp_path / "samples.csv") == small()


def test_columns_of_the_file_are_named_after_what_they_hold(tmp_path):
    small().save(tmp_path / "samples.csv")

    with (tmp_path / "samples.csv").open() as file:
        header = next(csv.reader(file))
    assert header == ["id", "split", "group", "input.image", "input.background", "target.mask", "hash"]


@example(names=["a | b"])  # between the planes of a mask, but a picture has none
@given(
    names=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), min_size=1, unique=True)
)
def test_any_name_survives(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("catalog") / "samples.csv"
    catalog = Catalog(
        names, {"image": [f"/d/{name}" for name in names]}, {"mask": [""] * len(names)}, facts={"x": names}
    )

    catalog.save(path)

    assert Catalog.load(path) == catalog


@pytest.mark.parametrize("name", ["a,b", 'say "a"', "line\nbreak", "carriage\rreturn", "Größe 中", "raw\udcff"])
def test_awkward_names_survive(tmp_path, name):
    Catalog([name], {"image": [f"/{name}.png"]}, {"mask": [""]}).save(tmp_path / "s.csv")

    assert Catalog.load(tmp_path / "s.csv").inputs["image"] == [f"/{name}.png"]


def test_relative_locations_become_absolute_when_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = ["data/a.png", "data/masks/", "zip://a.png::/d.zip", "s3://bucket/a.png", "data/a.tif#page=3"]

    Catalog(list("abcde"), {"image": places}, {"mask": [""] * 5}).save("s.csv")

    assert Catalog.load("s.csv").inputs["image"] == [
        f"{tmp_path}/data/a.png",
        f"{tmp_path}/data/masks/",
        "zip://a.png::/d.zip",
        "s3://bucket/a.png",
        f"{tmp_path}/data/a.tif#page=3",
    ]


def test_a_spreadsheet_program_may_have_saved_it(tmp_path):
    small().save(tmp_path / "s.csv")
    text = (tmp_path / "s.csv").read_bytes()
    (tmp_path / "s.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))

    assert Catalog.load(tmp_path / "s.csv") == small()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("image,mask\na.png,b.png\n", "id"),
        ("id,split,group,path\na,train,,x\n", "input.image"),
        ("", "empty"),
        ("id,split,group,input.image\na,train,\n", "row 2 has 3"),
        ("id,split,group,input.image\na,,,x\na,,,y\n", "'a' twice"),
        ("id,split,group,input.image\na,holdout,,x\n", "'holdout'"),
    ],
)
def test_a_foreign_file_is_refused_and_named(tmp_path, text, found):
    (tmp_path / "foreign.csv").write_text(text)

    with pytest.raises(DataError, match=found) as error:
        Catalog.load(tmp_path / "foreign.csv")
    assert "foreign.csv" in str(error.value)


def test_a_missing_file_is_an_error_of_the_user(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        Catalog.load(tmp_path / "none.csv")


def test_indices_and_subset():
    catalog = small()

    chosen = catalog.subset(np.array([2, 0]))

    assert catalog.indices("val").tolist() == [1]
    assert catalog.indices("test").tolist() == []
    assert chosen.ids == ["c", "a"]
    assert chosen.targets == {"mask": ["/m/c.png", "/m/a.png"]}
    assert chosen.facts == {"hash": ["3", "1"]}
    assert (chosen.groups, chosen.splits) == (["", "p1"], ["", "train"])


def test_columns_of_different_lengths_are_a_bug():
    with pytest.raises(ValueError, match=r"target\.mask.* 1 .* 2 samples"):
        Catalog(["a", "b"], {"image": ["a", "b"]}, {"mask": ["a"]})
