from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from limner.metrics import aggregate, foreground

# One class of 20 pixels in four images: tp, fp, fn, tn.
PRESENT, MISSED, FALSE_ALARM, NOTHING = [6, 2, 2, 10], [0, 0, 4, 16], [0, 5, 0, 15], [0, 0, 0, 20]


def table(*images):
    """Images of one class each → counts with the background as class 0."""
    mirrored = [[[tn, fn, fp, tp], [tp, fp, fn, tn]] for tp, fp, fn, tn in images]
    return np.array(mirrored, dtype=np.int64)


def test_means_pooled_scores_and_cases():
    lesion = asdict(aggregate(table(PRESENT, MISSED, FALSE_ALARM, NOTHING), task="binary").classes[1])
    assert lesion.pop("pooled") == pytest.approx(
        {"dice": 12 / 25, "iou": 6 / 19, "precision": 6 / 13, "recall": 6 / 12, "specificity": 61 / 68}
    )
    assert lesion == pytest.approx(
        {
            "dice": 0.75 / 3,  # present 12/16, missed 0, false alarm 0
            "iou": 0.6 / 3,
            "precision": 0.75 / 2,  # predicted in two images
            "recall": 0.75 / 2,  # there in two images
            "specificity": (10 / 12 + 1 + 15 / 20 + 1) / 4,  # in all
            "n_present": 1,
            "n_missed": 1,
            "n_false_alarm": 1,
            "n_both_empty": 1,
        }
    )


def test_a_miss_beside_a_perfect_image_is_not_forgotten():
    summary = aggregate(table([8, 0, 0, 12], MISSED), task="binary")
    assert summary.mean.dice == 0.5
    assert summary.classes[1].n_missed == 1


def test_background_is_not_in_the_mean():
    summary = aggregate(table(MISSED, MISSED), task="binary")
    assert summary.classes[0].dice > 0.8
    assert summary.mean.dice == 0


def test_classes_that_never_appear_are_left_out_of_the_mean():
    counts = np.array([[[9, 0, 0, 11], PRESENT, NOTHING, MISSED]])
    summary = aggregate(counts, task="multiclass")
    assert np.isnan(summary.classes[2].dice)
    assert np.isnan(summary.classes[2].pooled.dice)
    assert summary.mean.dice == pytest.approx((0.75 + 0) / 2)
    assert summary.mean.recall == pytest.approx((0.75 + 0) / 2)
    assert summary.mean.precision == pytest.approx(0.75)


def test_every_plane_of_a_multilabel_target_counts():
    summary = aggregate(np.array([[PRESENT, [8, 0, 0, 12]]]), task="multilabel")
    assert summary.mean.dice == pytest.approx((0.75 + 1) / 2)
    assert list(foreground("multilabel", 2)) == [0, 1]
    assert list(foreground("binary", 2)) == [1]


@pytest.mark.parametrize("images", [[], [NOTHING]])
def test_nothing_to_score_is_nan_without_a_warning(images):
    counts = table(*images).reshape(-1, 2, 4)
    summary = aggregate(counts, task="binary")
    assert np.isnan(list(asdict(summary.mean).values())[:4]).all()
    assert summary.classes[1].n_both_empty == len(images)
