import numpy as np
import pytest

from limner.data.check.matching import check_matching
from limner.examples.cells import draw_cells


@pytest.fixture(scope="module")
def framed():
    """20 pictures whose cells keep away from the rim, with their masks."""
    pairs = []
    for number in range(20):
        image, mask = draw_cells(np.random.default_rng((9, number)), (128, 128))
        ground = np.full((192, 192), np.uint8(np.median(image[mask == 0])))
        ground[32:160, 32:160] = np.where(mask > 0, image, ground[32:160, 32:160])
        noisy = ground + np.random.default_rng(number).normal(0, 3, ground.shape)
        pairs.append((noisy.clip(0, 255).astype(np.uint8)[..., np.newaxis], np.pad(mask.astype(np.uint8), 32)))
    return pairs


@pytest.mark.parametrize("odd", [[4], [2, 11, 17], list(range(0, 16, 2))])
def test_masks_that_are_the_other_way_round(framed, features_of, catalog_of, odd):
    pairs = [(image, 1 - mask if number in odd else mask) for number, (image, mask) in enumerate(framed)]
    (finding,) = check_matching(catalog_of(20), features_of(pairs))
    assert finding.kind == "inverted-masks"
    assert finding.samples == tuple(f"{number:03d}" for number in odd)


def test_a_marked_rim_alone_is_no_reason(framed, features_of, catalog_of):
    pairs = [*framed]
    image, mask = pairs[7]
    pairs[7] = (image.max() - image + image.min(), 1 - mask)  # the ground is what was marked, and looks like it
    found = check_matching(catalog_of(20), features_of(pairs))
    assert "inverted-masks" not in {finding.kind for finding in found}
    assert check_matching(catalog_of(20), features_of(framed)) == []
