import numpy as np
import pytest

from limner.data.check.alignment import agreement
from limner.data.check.copies import descriptors, find_copies
from limner.data.check.duplicates import check_duplicates, near_copies, split_series
from limner.data.check.symmetries import symmetries
from limner.images import resize_image


def crop(image):
    return resize_image(np.ascontiguousarray(image[6:250, 4:248]), (300, 300))


ALTERED = {
    "resized": lambda image: resize_image(image, (140, 128)),
    "mirrored": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "turned": lambda image: np.rot90(image),
    "darker": lambda image: (image * 0.7).astype(np.uint8),
    "cropped": crop,
    "cropped and turned": lambda image: np.rot90(crop(image)),
}


def kinds(findings):
    return [finding.kind for finding in findings]


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_altered_copies_are_found(alter, drawn, features_of, look_of):
    pairs = [*drawn, *((np.ascontiguousarray(alter(image)), None) for image, _ in drawn[:6])]
    found = find_copies(features_of(pairs), look_of(pairs))
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(i, 24 + i) for i in range(6)]


def test_different_pictures_are_no_copies(drawn, features_of, look_of):
    assert len(find_copies(features_of(drawn), look_of(drawn))) == 0


def frames(image, generator):
    """The picture, and the same a moment later: a little nearer, one thing moved."""
    thing = np.clip(generator.normal(150, 30, (24, 24, 1)), 0, 255).astype(np.uint8)
    first, later = image.copy(), resize_image(image[4:-4, 4:-4], image.shape[:2])
    first[100:124, 60:84] = thing
    later[104:128, 70:94] = thing
    return first, later


def test_a_crop_is_a_copy_of_its_source_and_not_of_the_next_frame(drawn, features_of, look_of):
    generator = np.random.default_rng(3)
    pairs = []
    for image, _ in drawn[:8]:
        first, later = frames(image, generator)
        pairs += [(first, None), (later, None), (crop(first), None)]
    found = find_copies(features_of(pairs), look_of(pairs))
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(k, k + 2) for k in range(0, 24, 3)]
    assert found.part.tolist() == [k + 2 for k in range(0, 24, 3)]


def test_a_picture_may_have_several_crops_and_a_crop_a_copy(drawn, features_of, look_of):
    image = drawn[0][0]
    other = np.ascontiguousarray(image[2:247, 8:253])
    pairs = [*drawn, (crop(image), None), (other, None), (crop(image)[:, ::-1].copy(), None)]
    assert find_copies(features_of(pairs), look_of(pairs)).clusters() == [[0, 24, 25, 26]]


def test_only_what_seems_to_be_a_crop_is_looked_at_again(drawn, features_of, look_of):
    pairs = [*drawn, (crop(drawn[2][0]), None), (drawn[3][0][::-1].copy(), None)]
    looked, look = set(), look_of(pairs)
    find_copies(features_of(pairs), lambda index: looked.add(index) or look(index))
    assert {2, 24} <= looked
    assert len(looked) < 6


def test_equal_files_are_exact_copies_even_when_blank(features_of, look_of):
    pairs = [(np.full((20, 20, 1), 9, np.uint8), None)] * 4
    found = find_copies(features_of(pairs), look_of(pairs), ["a", "b", "a", "a"])
    assert found.clusters() == [[0, 2, 3]]
    assert found.exact.all()


def test_blank_pictures_that_are_not_the_same_file_are_no_copies(features_of, look_of):
    pairs = [(np.full((20, 20, 1), level, np.uint8), None) for level in (0, 9, 200)]
    assert len(find_copies(features_of(pairs), look_of(pairs))) == 0


def test_the_descriptor_does_not_change_with_symmetry(drawn, features_of):
    image = drawn[0][0]
    versions = [(np.ascontiguousarray(version[..., None]), None) for version in symmetries(image[..., 0])]
    vectors = descriptors(features_of(versions).spectrum)
    assert np.abs(vectors - vectors[0]).max() < 0.01


def test_alignment_finds_the_scale_and_place_of_a_crop(drawn, features_of):
    features = features_of([(crop(drawn[0][0]), None), (drawn[0][0], None)])
    grey, edges = features.grey.astype(np.float32), features.edges.astype(np.float32)
    found = agreement(grey[:1], grey[1:], edges[:1], edges[1:])
    assert found.scale[0] == pytest.approx([244 / 256, 244 / 256], abs=0.01)
    assert found.inside[0] < 0.1
    assert found.texture[0] > 0.9


@pytest.fixture
def duplicates(features_of, look_of):
    def check(catalog, pairs):
        features = features_of(pairs)
        return check_duplicates(catalog, features, find_copies(features, look_of(pairs)))

    return check


def test_copies_in_different_splits(drawn, duplicates, catalog_of):
    pairs = [*drawn, (drawn[3][0][:, ::-1].copy(), drawn[3][1][:, ::-1].copy())]
    catalog = catalog_of(25, splits=["train"] * 24 + ["test"])

    findings = duplicates(catalog, pairs)

    assert kinds(findings) == ["copies-across-splits", "copies"]
    assert findings[0].samples == ("003", "024")
    assert "mirrored left to right" in findings[0].evidence[0]


def test_one_picture_with_two_masks(drawn, duplicates, catalog_of):
    image, mask = drawn[3]
    other = np.zeros_like(mask)
    other[:100, :100] = 1
    pairs = [*drawn, (image, other), (np.rot90(image).copy(), np.rot90(mask).copy())]

    findings = duplicates(catalog_of(26), pairs)

    assert kinds(findings) == ["conflicting-masks", "copies"]
    assert "003" in findings[0].samples
    assert "024" in findings[0].samples


def test_frames_of_a_series_are_told_from_crops(drawn, features_of, look_of, catalog_of):
    pairs, ids = [], []
    for number, (image, mask) in enumerate(drawn[:4]):
        pairs += [(image, mask), (crop(image), None)]
        ids += [f"video_{10 * number:04d}", f"video_{10 * number + 4:04d}"]
    features, look, catalog = features_of(pairs), look_of(pairs), catalog_of(ids)

    copies = find_copies(features, look)
    assert kinds(check_duplicates(catalog, features, copies)) == ["frames-alike"]
    assert near_copies(catalog, copies) == []
    assert len(split_series(copies, [f"{'crop' if at % 2 else 'picture'} {at}" for at in range(8)])[0]) == 4


def test_what_a_file_system_states_makes_no_copies(drawn, features_of, look_of):
    features, look = features_of(drawn[:4]), look_of(drawn)
    assert len(find_copies(features, look, ["~1"] * 4)) == 0
    assert len(find_copies(features, look, ["1"] * 4)) == 3


def test_nothing_but_copies(drawn, features_of, look_of):
    assert find_copies(features_of([drawn[0]] * 3), look_of([drawn[0]] * 3)).clusters() == [[0, 1, 2]]
