"""What a review's table decides, and tables that do not fit."""

import pytest

from limner.data.catalog import Catalog
from limner.data.decisions import dropped, read_decisions
from limner.errors import DataError


@pytest.fixture
def catalog():
    facts = {"hash": ["h1", "h2", "h3", "h4"], "target_hash": ["m1", "m2", "m3", "m4"]}
    return Catalog(["a", "b", "ä,c", "d"], {"image": [""] * 4}, {}, facts=facts)


@pytest.fixture
def save(tmp_path):
    def write(text, encoding="utf-8"):
        (tmp_path / "review.csv").write_bytes(text.encode(encoding))
        return tmp_path / "review.csv"

    return write


HEAD = "rank,id,decision,hash,target_hash\n"


def test_decisions_and_what_is_said_of_them(catalog, save):
    path = save(HEAD + '1,"ä,c",DROP ,h3,m3\n2,b,,h2,m2\n3,a,fix,h1,m1\n')
    gone, notes = dropped(catalog, read_decisions(path), path)
    assert gone == [2]
    assert notes == [
        "Review 'review.csv': 1 dropped, 0 kept, 1 undecided and kept, 1 not listed and kept.",
        "Dropped: 1 (ä,c).",
        "Marked fix, and used as they are: 1 (a).",
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_as_spreadsheets_save_it(catalog, save, separator):
    text = (
        separator.join(["target_hash", "hash", "id", "decision"]) + "\r\n" + separator.join(["m1", "h1", "a", "keep"])
    )
    path = save(text + "\r\n" + separator * 3 + "\r\n", "utf-8-sig")
    assert dropped(catalog, read_decisions(path), path)[0] == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,nobody,drop,h1,m1\n", "'nobody'"),
        ("1,a,drop,other,m1\n", "the pictures that were reviewed"),
        ("1,a,drop,h1,other\n", "1 masks have changed since, such as that of 'a'"),
        ("1,a,dorp,h1,m1\n", "Did you mean 'drop'"),
        ("1,a,drop,h1,m1\n2,a,keep,h1,m1\n", "'a' again in row 3"),
    ],
)
def test_refusals(catalog, save, rows, said):
    path = save(HEAD + rows)
    with pytest.raises(DataError) as found:
        dropped(catalog, read_decisions(path), path)
    assert said in str(found.value)


def test_a_mask_that_was_mended_may_be_kept(catalog, save):
    path = save(HEAD + "1,a,keep,h1,mended\n2,b,,h2,mended\n")
    assert dropped(catalog, read_decisions(path), path)[0] == []


def test_a_table_without_its_columns(save, tmp_path):
    with pytest.raises(DataError, match="no 'hash'"):
        read_decisions(save("id,decision\na,drop\n"))
    with pytest.raises(DataError, match="No such file"):
        read_decisions(tmp_path / "nothing.csv")
