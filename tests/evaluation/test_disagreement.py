"""Disagreement of masks and predictions, on maps whose answer can be worked out by hand."""

import math

import numpy as np
import pytest

from limner.evaluation.disagreement import disagree

SURE = 0.999
LOG = math.log(SURE / (1 - SURE))


def plane(*boxes, value=SURE, size=(128, 128)):
    """Probabilities of one class: `value` inside the boxes and as unlikely outside."""
    found = np.full((1, *size), 1 - value, np.float32)
    for top, left, bottom, right in boxes:
        found[:, top:bottom, left:right] = value
    return found


def mask(*boxes, size=(128, 128), value=1):
    found = np.zeros(size, np.uint8)
    for top, left, bottom, right in boxes:
        found[top:bottom, left:right] = value
    return found


def test_agreement_and_outlines_a_pixel_apart_count_nothing():
    for other in ((40, 40, 80, 80), (41, 40, 81, 80), (39, 39, 81, 81)):
        found = disagree(plane((40, 40, 80, 80)), mask(other), "binary")
        assert (found.score, found.regions, found.share) == (0.0, (), 0.0)


def test_a_whole_object_that_is_missing_has_all_of_its_surprise():
    found = disagree(plane((40, 40, 80, 80), (10, 90, 30, 110)), mask((40, 40, 80, 80)), "binary")
    # Worst region and pixels, and 400 pixels per foreground (1,600 in the mask, 2,000 of the model) + 1 %.
    assert found.score == pytest.approx(LOG * (1 + 400 / (1800 + 163.84)), rel=1e-3)
    (region,) = found.regions
    assert (region.mask_class, region.model_class, region.pixels) == (0, 1, 400)
    assert region.box == (10, 90, 30, 110)
    assert region.confidence == pytest.approx(SURE, abs=1e-6)
    assert found.share == pytest.approx(400 / 128**2)


def test_surprise_grows_with_confidence():
    scores = [disagree(plane(value=value), mask((20, 20, 60, 60)), "binary").score for value in (0.6, 0.9, 0.99, 0.999)]
    size = 1 + 1600 / (800 + 163.84)
    expected = [size * math.log(value / (1 - value)) for value in (0.6, 0.9, 0.99, 0.999)]
    assert scores == pytest.approx(expected, rel=1e-3)


def test_a_speck_counts_less_than_an_object():
    speck = disagree(plane((20, 20, 22, 22)), mask(), "binary")
    assert 0 < speck.score < 0.5 * disagree(plane((20, 20, 50, 50)), mask(), "binary").score


def test_classes_that_are_swapped():
    probs = np.full((3, 96, 96), 0.01, np.float32)
    probs[0] = 0.98
    probs[:, 30:60, 30:60] = np.array([0.01, 0.04, 0.95], np.float32)[:, None, None]
    found = disagree(probs, mask((30, 30, 60, 60), size=(96, 96)), "multiclass")
    assert found.score == pytest.approx(math.log(0.95 / 0.04) * (1 + 900 / (900 + 92.16)), rel=1e-3)
    assert (found.regions[0].mask_class, found.regions[0].model_class) == (1, 2)


def test_ignored_pixels_are_nobodys_fault():
    truth = mask((20, 20, 60, 60), value=255)
    assert disagree(plane((20, 20, 60, 60)), truth, "binary").score == 0


def test_overlapping_classes_are_looked_at_one_by_one():
    probs = np.concatenate([plane((10, 10, 50, 50)), plane((20, 20, 60, 60))])
    truth = np.stack([mask((10, 10, 50, 50)), mask()], axis=-1)
    (region,) = disagree(probs, truth, "multilabel").regions
    assert (region.mask_class, region.model_class, region.box) == (-1, 1, (20, 20, 60, 60))


def test_large_pictures_are_looked_at_in_steps():
    found = disagree(plane((600, 300, 800, 500), size=(1200, 900)), mask(size=(1200, 900)), "binary")
    (region,) = found.regions
    assert region.box == pytest.approx((600, 300, 800, 500), abs=3)
    assert region.pixels == pytest.approx(200 * 200, rel=0.03)
