"""Bootstrap intervals, against SciPy's and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from limner.metrics.intervals import FEWEST, bootstrap, bootstrap_differences, units

NAN = float("nan")


def scores(n, seed=0, classes=2, metrics=3):
    return np.random.default_rng(seed).beta(5, 1, (n, classes, metrics))


@pytest.mark.parametrize("n", [12, 60])
def test_ends_are_scipys_at_the_widened_level(n):
    values = scores(n)
    widened = 2 * stats.norm.cdf(stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))) - 1
    assert widened > 0.95
    ours = bootstrap(values, [0, 1], np.arange(n), resamples=20_000)
    for index in range(2):
        oracle = stats.bootstrap(
            (values[:, index, 0],), np.mean, confidence_level=widened, n_resamples=20_000, method="BCa", rng=1
        ).confidence_interval
        width = oracle.high - oracle.low
        assert ours.classes[index, 0] == pytest.approx([oracle.low, oracle.high], abs=0.05 * width)
    oracle = stats.bootstrap(
        (values[:, :, 1].mean(axis=1),), np.mean, confidence_level=widened, n_resamples=20_000, method="BCa", rng=1
    ).confidence_interval
    assert ours.mean[1] == pytest.approx([oracle.low, oracle.high], abs=0.05 * (oracle.high - oracle.low))


def test_images_of_one_patient_are_no_more_than_one():
    # Every patient's images score the same: 20 patients of 10 images say as much as 20 images.
    once = scores(20)
    patients = np.repeat(np.arange(20), 10)
    clustered = bootstrap(np.repeat(once, 10, axis=0), [0, 1], patients)
    alone = bootstrap(once, [0, 1], np.arange(20))
    np.testing.assert_allclose(clustered.classes, alone.classes)
    assert (clustered.class_units == 20).all()
    believed = bootstrap(np.repeat(once, 10, axis=0), [0, 1], np.arange(200)).classes
    assert (np.diff(believed) < 0.5 * np.diff(clustered.classes)).all()


def test_images_without_a_score_do_not_count():
    values = scores(30, classes=1)
    values[::3] = NAN
    found = bootstrap(values, [0], np.arange(30))
    assert (found.class_units == 20).all()
    known = bootstrap(values[~np.isnan(values[:, 0, 0])], [0], np.arange(20))
    np.testing.assert_allclose(found.classes, known.classes, atol=0.15 * np.diff(known.classes).max())


def test_a_class_that_never_appears_is_left_out_of_the_mean():
    values = scores(40, classes=3)
    values[:, 2] = NAN
    found = bootstrap(values, [1, 2], np.arange(40))
    assert np.isnan(found.classes[2]).all()
    np.testing.assert_allclose(found.mean, found.classes[1])


def test_too_few_and_all_alike_have_no_interval():
    values = scores(FEWEST)
    assert not np.isnan(bootstrap(values, [1], np.arange(FEWEST)).classes).any()
    few = bootstrap(values[1:], [1], np.arange(FEWEST - 1))
    assert np.isnan(few.classes).all()
    assert np.isnan(few.mean).all()
    assert (few.mean_units == FEWEST - 1).all()
    assert np.isnan(bootstrap(np.full((50, 1, 1), 0.7), [0], np.arange(50)).classes).all()
    assert np.isnan(bootstrap(np.zeros((0, 1, 2)), [0], np.zeros(0, np.int64)).mean).all()


def sides(values, inside):
    return np.where(inside, values, NAN)[:, None], np.where(inside, NAN, values)[:, None]


def test_a_difference_is_that_of_scipys_two_samples():
    values = scores(90, classes=1, metrics=1)[:, 0, 0]
    inside = np.arange(90) < 30
    ours = bootstrap_differences(*sides(values, inside), np.arange(90), level=0.99, resamples=20_000)[0]
    widened = 2 * stats.norm.cdf(stats.t.ppf(0.995, 29) * np.sqrt(30 / 29)) - 1
    oracle = stats.bootstrap(
        (values[inside], values[~inside]),
        lambda first, second, axis: first.mean(axis=axis) - second.mean(axis=axis),
        confidence_level=widened,
        n_resamples=20_000,
        method="BCa",
        rng=1,
    ).confidence_interval
    # SciPy draws each side at its own size; here the sides' sizes vary, too.
    assert ours == pytest.approx([oracle.low, oracle.high], abs=0.08 * (oracle.high - oracle.low))
    narrow = bootstrap_differences(*sides(values, inside), np.arange(90), resamples=20_000)[0]
    assert ours[0] < narrow[0] < narrow[1] < ours[1]


def test_a_difference_of_few_patients_is_unknown_however_many_images_they_have():
    values = scores(200, classes=1, metrics=1)[:, 0, 0]
    inside = np.arange(200) < 60
    first, second = sides(values, inside)
    both = np.concatenate([first, second], axis=1), np.concatenate([second, first], axis=1)
    ends = bootstrap_differences(*both, np.arange(200))
    assert ends[1].tolist() == pytest.approx((-ends[0][::-1]).tolist(), abs=0.1 * np.diff(ends[0])[0])
    assert np.isnan(bootstrap_differences(first, second, np.arange(200) // 10)).all()  # six patients on one side
    assert not np.isnan(bootstrap_differences(first, second, np.arange(200) // 5)).any()


def test_an_interval_stays_among_the_scores_and_is_the_same_again():
    values = np.random.default_rng(3).choice([0.0, 1.0], (15, 1, 1), p=[0.2, 0.8])
    first, again = (bootstrap(values, [0], np.arange(15)).classes for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert 0 <= first.min() < values.mean() < first.max() <= 1


def test_one_drawing_serves_all_classes_and_scores():
    # Drawing the images again for each of them would take as many times as long.
    values = scores(40, classes=4, metrics=3)
    together = bootstrap(values, [1, 2], np.arange(40), seed=5)
    for place in np.ndindex(4, 3):
        alone = bootstrap(values[:, place[0], place[1]][:, None, None], [0], np.arange(40), seed=5)
        np.testing.assert_allclose(together.classes[place], alone.classes[0, 0])


def test_groups_are_numbered_and_an_image_without_one_stands_alone():
    assert units(["p1", "", "p2", "p1", ""]).tolist() == [0, 1, 2, 0, 3]


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 50, 100])
@pytest.mark.parametrize(("a", "b"), [(9, 1), (3, 1.2)])
def test_95_percent_means_93_to_97(n, a, b):
    held = []
    for seed in range(8):
        values = np.random.default_rng(seed).beta(a, b, (n, 500, 1))
        ends = bootstrap(values, [0], np.arange(n), seed=seed).classes[:, 0]
        held += [(ends[:, 0] <= a / (a + b)) & (a / (a + b) <= ends[:, 1])]
    assert 0.93 <= np.mean(held) <= 0.97
