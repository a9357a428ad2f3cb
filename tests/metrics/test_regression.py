"""Errors of measured numbers, against torchmetrics and numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch
import torchmetrics.functional as oracle

from limner.metrics import ERROR_METRICS, ErrorSums, aggregate_errors, error_sums


def draw(seed, shape=(30, 40)):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.1, 10, shape).astype(np.float32)
    return truth, (truth * rng.uniform(0.4, 2.1, shape)).astype(np.float32)


def scores(truth, prediction):
    return {name: float(metric(error_sums(truth, prediction))) for name, metric in ERROR_METRICS.items()}


def test_errors_are_torchmetrics_over_the_known_pixels():
    truth, prediction = draw(0)
    truth[3:7, 2:9] = np.nan
    known = ~np.isnan(truth)
    target, found = (torch.from_numpy(array[known]).double() for array in (truth, prediction))
    got = scores(truth, prediction)
    assert got["rmse"] == pytest.approx(float(oracle.mean_squared_error(found, target, squared=False)))
    assert got["mae"] == pytest.approx(float(oracle.mean_absolute_error(found, target)))
    # Percentage error, as a fraction, is AbsRel.
    assert got["abs_rel"] == pytest.approx(float(oracle.mean_absolute_percentage_error(found, target)))
    ratio = torch.maximum(found / target, target / found)
    for power, name in enumerate(("delta", "delta_square", "delta_cube"), start=1):
        assert got[name] == pytest.approx(float((ratio < 1.25**power).double().mean()))
    assert got["silog"] == pytest.approx(float((found.log() - target.log()).std(correction=0)))


def test_by_hand():
    truth = np.array([[1.0, 2.0, 4.0, -1.0, 0.0, np.nan, np.inf]], np.float32)
    prediction = np.array([[1.25, 2.4, 0.0, 1.0, 0.0, 9.0, 9.0]], np.float32)
    got = scores(truth, prediction)
    assert got["rmse"] == pytest.approx(math.sqrt((0.25**2 + 0.4**2 + 4**2 + 2**2 + 0) / 5))
    assert got["mae"] == pytest.approx((0.25 + 0.4 + 4 + 2 + 0) / 5)
    assert got["abs_rel"] == pytest.approx((0.25 / 1 + 0.4 / 2 + 4 / 4) / 3)
    # 1.25 times is not less than 1.25 times; a prediction of 0 is not within.
    assert got["delta"] == pytest.approx(1 / 3)
    assert got["delta_square"] == got["delta_cube"] == pytest.approx(2 / 3)
    # A prediction of 0 has no logarithm: the two others are left.
    assert got["silog"] == pytest.approx(math.log(1.25 / 1.2) / 2, rel=1e-5)


def test_a_factor_for_the_whole_image_does_not_change_silog():
    truth, prediction = draw(4)
    assert scores(truth, 3 * prediction)["silog"] == pytest.approx(scores(truth, prediction)["silog"], rel=1e-5)
    assert scores(truth, 3 * truth)["silog"] == pytest.approx(0, abs=1e-6)


def test_predictions_without_a_logarithm_are_counted():
    truth, prediction = draw(5)
    prediction[0] = -1
    assert aggregate_errors(error_sums(truth, prediction).table[None]).n_without_log == 40


def test_without_a_known_pixel_nothing_is_defined():
    nothing = np.full((2, 3), np.nan, np.float32)
    assert all(math.isnan(value) for value in scores(nothing, np.ones((2, 3), np.float32)).values())


def test_means_are_over_images_and_pooled_scores_over_pixels():
    images = [draw(1, (4, 5)), draw(2, (40, 50)), (np.full((3, 3), np.nan, np.float32), np.zeros((3, 3), np.float32))]
    summary = aggregate_errors(np.stack([error_sums(*image).table for image in images]))
    each = [scores(*image) for image in images[:2]]
    assert summary.mean.rmse == pytest.approx((each[0]["rmse"] + each[1]["rmse"]) / 2)
    together = [np.concatenate([images[0][part].ravel(), images[1][part].ravel()])[None] for part in (0, 1)]
    assert vars(summary.pooled) == pytest.approx(scores(*together))
    assert (summary.n_pixels, summary.n_unknown, summary.n_not_positive, summary.n_without_log) == (2020, 1, 0, 0)


def test_a_table_gives_its_sums_back():
    sums = error_sums(*draw(3))
    np.testing.assert_array_equal(ErrorSums.from_table(sums.table).table, sums.table)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="one shape"):
        error_sums(np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32))
