"""How large a pixel is: words, columns, and what is refused."""

import pytest

from limner.data.catalog import Catalog
from limner.data.layouts.manifest import find_manifest
from limner.data.spacing import parse_spacing, spacings, write_spacing
from limner.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", (0.5, 0.5)),
        (" 0.8 0.5 ", (0.8, 0.5)),
        ("0.8,0.5", (0.8, 0.5)),
        ("0.8; 0.5", (0.8, 0.5)),
        ("0.8x0.5", (0.8, 0.5)),
        ("0.8 × 0.5", (0.8, 0.5)),
        *((text, None) for text in ("", "0", "-1", "1 0", "nan", "inf 1", "1 2 3", "0.5 mm")),
    ],
)
def test_words(text, expected):
    assert parse_spacing(text) == expected
    if expected:
        assert parse_spacing(write_spacing(expected)) == expected


def catalog(cells):
    names = [f"s{place}" for place in range(len(cells))]
    return Catalog(names, {"image": names}, {"mask": names}, facts={"spacing": cells})


def test_a_size_for_each_sample_or_for_none():
    assert spacings(catalog(["0.5", "1 2"])) == [(0.5, 0.5), (1.0, 2.0)]
    assert spacings(catalog(["", ""])) is None
    assert spacings(Catalog(["a"], {"image": ["a"]}, {"mask": ["a"]})) is None
    with pytest.raises(DataError, match="none for sample 's1'"):
        spacings(catalog(["0.5", ""]))
    with pytest.raises(DataError, match="'half' for sample 's0'"):
        spacings(catalog(["half", "1"]))


def test_a_csv_says_it_and_the_column_counts_as_used(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "samples.csv").write_text("image,mask,spacing,colour\na.png,b.png,0.7 0.9,red\n")
    found = find_manifest(tmp_path / "samples.csv")
    assert spacings(found.catalog) == [(0.7, 0.9)]
    assert found.notes == ("Columns that were not used: colour.",)
