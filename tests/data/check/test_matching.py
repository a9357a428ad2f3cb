import numpy as np
import pytest

from limner.data.check.matching import check_matching


def doubts(catalog, features):
    return [finding for finding in check_matching(catalog, features) if finding.level == "doubt"]


def dealt(drawn, order):
    return [(image, drawn[place][1]) for (image, _), place in zip(drawn, order, strict=True)]


def test_right_pairs_raise_no_doubt(drawn, features_of, catalog_of):
    assert doubts(catalog_of(24), features_of(drawn)) == []


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_pairs(drawn, features_of, catalog_of, seed):
    order = np.random.default_rng(seed).permutation(24)
    (finding,) = doubts(catalog_of(24), features_of(dealt(drawn, order)))
    assert finding.kind == "shuffled-pairs"
    assert "at random" in finding.title


def test_pairs_one_step_off(drawn, features_of, catalog_of):
    (finding,) = doubts(catalog_of(24), features_of(dealt(drawn, np.roll(np.arange(24), 1))))
    assert finding.kind == "shifted-pairs"
    assert "the mask 1 after theirs" in finding.evidence[0]


def test_pairs_one_step_off_from_the_middle_on(drawn, features_of, catalog_of):
    order = [*range(10), *range(11, 24), 10]
    (finding,) = doubts(catalog_of(24), features_of(dealt(drawn, order)))
    assert finding.kind == "shifted-pairs"
    assert finding.samples[0] in {"009", "010", "011"}
    assert "the mask 1 before theirs" in finding.evidence[0]


def test_two_masks_exchanged(drawn, features_of, catalog_of):
    order = np.arange(24)
    order[[4, 17]] = 17, 4
    (finding,) = doubts(catalog_of(24), features_of(dealt(drawn, order)))
    assert finding.kind == "swapped-masks"
    assert set(finding.samples) <= {"004", "017"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (np.fliplr, "mirrored left to right"),
        (np.flipud, "mirrored top to bottom"),
        (np.transpose, "transposed"),
        (lambda mask: np.rot90(mask, -1), "turned by a quarter anticlockwise"),
    ],
)
def test_masks_that_lie_otherwise(drawn, features_of, catalog_of, change, words):
    changed = [(image, np.ascontiguousarray(change(mask))) for image, mask in drawn]
    (finding,) = doubts(catalog_of(24), features_of(changed))
    assert finding.kind == "turned-masks"
    assert finding.title.endswith(f"when {words}.")


@pytest.mark.parametrize(
    ("down", "across", "words"), [(16, 0, "6% of the height too far down"), (0, -8, "3% of the width too far left")]
)
def test_masks_beside_their_objects(drawn, features_of, catalog_of, down, across, words):
    changed = [(image, np.roll(mask, (down, across), (0, 1))) for image, mask in drawn]
    (finding,) = doubts(catalog_of(24), features_of(changed))
    assert finding.kind == "misplaced-masks"
    assert words in finding.title


def test_one_mask_upside_down(drawn, features_of, catalog_of):
    changed = list(drawn)
    changed[7] = (drawn[7][0], np.flipud(drawn[7][1]).copy())
    (finding,) = doubts(catalog_of(24), features_of(changed))
    assert finding.kind == "turned-single-masks"
    assert finding.samples == ("007",)
    assert "top to bottom" in finding.evidence[0]


def test_few_samples_or_masks_all_alike_are_not_judged(drawn, features_of, catalog_of):
    assert check_matching(catalog_of(11), features_of(dealt(drawn, np.arange(24)[::-1])[:11])) == []
    frame = np.zeros((256, 256), np.uint8)
    frame[40:180, 40:180] = 1
    assert check_matching(catalog_of(24), features_of([(image, frame) for image, _ in drawn])) == []
    assert check_matching(catalog_of(24), features_of([(image, None) for image, _ in drawn])) == []
