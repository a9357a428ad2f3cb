import numpy as np
import pytest

from limner.data.check.groups import candidate_groupings, check_groups, guess_groups


@pytest.fixture(scope="module")
def patients(drawn, features_of):
    """Features of 12 patients with 5 pictures each: one cell picture per patient, brighter and darker, with noise."""
    generator = np.random.default_rng(0)
    pairs = []
    for image, mask in drawn[:12]:
        for _ in range(5):
            noise = generator.normal(0, 6, image.shape)
            pairs.append(((image * generator.uniform(0.8, 1) + noise).clip(0, 255).astype(np.uint8), mask))
    return features_of(pairs)


def names(pattern):
    return [pattern.format(patient=number // 5, number=number % 5, count=number) for number in range(60)]


@pytest.mark.parametrize(
    ("pattern", "group"),
    [
        ("patient{patient:02}_slice{number:02}", "patient00"),
        ("SC-HF-{patient}-IM-0001-{number:04}", "SC-HF-0"),
        ("{patient}TP_00{count:04}", "0TP"),
        ("slide{patient}_tile_{number}_4", "slide0"),
        ("study/p{patient}/{number}", "study/p0"),
    ],
)
def test_groups_are_read_from_names_and_confirmed_by_pictures(pattern, group, patients):
    found = guess_groups(names(pattern), patients)
    assert found is not None
    assert found.groups[:5] == (group,) * 5
    assert len(set(found.groups)) == 12


@pytest.mark.parametrize("pattern", ["img_{count:03}", "{count}", "ISIC_{count:07}", "a{count}"])
def test_counters_are_no_groups(pattern, patients):
    assert guess_groups(names(pattern), patients) is None


def test_names_that_pictures_do_not_confirm_are_no_groups(patients):
    order = np.random.default_rng(0).permutation(60)
    ids = names("patient{patient:02}_slice{number:02}")
    assert candidate_groupings(ids)
    assert guess_groups([ids[place] for place in order], patients) is None


def test_the_finding_says_the_line_to_type(patients, catalog_of):
    ids = names("p{patient}_{number}")
    catalog = catalog_of(ids, splits=["train", "val"] * 30)

    (finding,) = check_groups(catalog, patients)

    assert finding.level == "doubt"
    assert "12 groups" in finding.title
    assert "`--group '^(.+?)_+[^_]+$'`" in finding.remedy
    assert len(finding.samples) == 60


def test_known_groups_are_left_alone(patients, catalog_of):
    assert check_groups(catalog_of(names("p{patient}_{number}"), groups=["x"] * 60), patients) == []
