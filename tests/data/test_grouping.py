import pytest

from limner.data.catalog import Catalog
from limner.data.grouping import apply_groups, keep_together
from limner.errors import ConfigError, DataError


def catalog_of(ids, **columns):
    return Catalog(ids, {"image": [f"/data/{name}.png" for name in ids]}, {}, **columns)


def test_a_column_of_the_table():
    catalog = catalog_of(["a", "b"], facts={"animal": ["cat", "dog"]})
    apply_groups(catalog, "animal")
    assert catalog.groups == ["cat", "dog"]


def test_the_path_is_searched_where_no_id_fits():
    catalog = Catalog(["1", "2"], {"image": ["/data/p7/1.png", "zip://p8/2.png::/data/a.zip"]}, {})
    apply_groups(catalog, r"(p\d+)/")
    assert catalog.groups == ["p7", "p8"]


def test_every_sample_must_fit():
    with pytest.raises(DataError, match="1 of 3 do not") as caught:
        apply_groups(catalog_of(["p1_a", "p2_b", "other"]), r"^(p\d)_")
    assert caught.value.details == ("other",)


@pytest.mark.parametrize("rule", ["anmal", "(", "(a)(b)", "patient"])
def test_other_rules_are_refused_with_an_example(rule):
    catalog = catalog_of(["a", "b"], facts={"animal": ["cat", "dog"], "hash": ["1", "2"]})
    with pytest.raises(ConfigError, match="groups patient12_slice03 with patient12_slice04") as caught:
        apply_groups(catalog, rule)
    assert ("Did you mean 'animal'" in caught.value.remedy) == (rule == "anmal")


def test_copies_join_the_groups_they_are_in():
    catalog = catalog_of(list("abcdef"), groups=["x", "x", "", "y", "", ""])
    keep_together(catalog, [[1, 2], [2, 3], [4, 5]])
    assert catalog.groups == ["x + y"] * 4 + ["copies of e"] * 2


def test_without_copies_nothing_changes():
    catalog = catalog_of(list("ab"), groups=["x", ""])
    keep_together(catalog, [])
    assert catalog.groups == ["x", ""]
