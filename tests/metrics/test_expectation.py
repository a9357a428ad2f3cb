import numpy as np
import pytest
from scipy import stats

from limner.metrics.expectation import FEWEST, compare_expectation, fit_curve


def test_images_without_a_score_are_left_out() -> None:
    found = compare_expectation(np.array([0.9, np.nan, 0.2, 0.5, 0.4]), np.array([0.7, 0.5, np.nan, 0.5, 0.1]))
    assert found.n == 3
    assert found.spearman == pytest.approx(1.0)
    assert (found.expected, found.real, found.error) == pytest.approx((0.6, 1.3 / 3, 0.5 / 3))


def test_no_order_is_made_up() -> None:
    assert np.isnan(compare_expectation(np.array([0.5, 0.5, 0.5]), np.array([0.1, 0.2, 0.3])).spearman)
    assert np.isnan(compare_expectation(np.array([0.5, 0.6]), np.array([0.1, 0.2])).spearman)
    assert compare_expectation(np.array([]), np.array([])).n == 0


def test_a_curve_takes_back_what_is_promised_too_much() -> None:
    random = np.random.default_rng(0)
    promised = random.uniform(0.6, 0.99, 400)
    real = np.clip(promised**3 + random.normal(0, 0.05, 400), 0, 1)
    curve = np.array(fit_curve(promised[:200], real[:200]))
    mended = np.interp(promised[200:], curve[:, 0], curve[:, 1])
    assert np.abs(mended - real[200:]).mean() < 0.06 < 0.2 < np.abs(promised[200:] - real[200:]).mean()
    # The order of pictures stays.
    assert stats.spearmanr(mended, promised[200:]).statistic == pytest.approx(1.0)


def test_a_curve_rises_whatever_it_is_fitted_to() -> None:
    random = np.random.default_rng(1)
    for pairs in (FEWEST, 55, 300):
        curve = np.array(fit_curve(random.random(pairs) ** 0.2, random.random(pairs)))
        assert (np.diff(curve[:, 0]) > 0).all()
        assert (np.diff(curve[:, 1]) >= 0).all()
        assert curve.min() == 0
        assert curve[-1, 0] == 1
        assert curve.max() <= 1


def test_few_pairs_give_no_curve() -> None:
    assert fit_curve(np.full(FEWEST - 1, 0.9), np.full(FEWEST - 1, 0.5)) == []
