"""Comparing evaluations: tables made by hand, so that the verdict is known."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

from limner.errors import ConfigError, DataError
from limner.evaluation.compare import compare, sentence

CLASSES = ("background", "cell")


@pytest.fixture
def make_evaluation(tmp_path):
    """Writes an evaluation of one class whose Dice of each image is given; None is undefined."""

    def make(name, dice, *, data_hash="abc", groups=None, ids=None, **more):
        folder = tmp_path / name
        (folder / "evaluation").mkdir(parents=True)
        entries = [{"name": each, "id": number} for number, each in enumerate(CLASSES)]
        summary = {
            "n_images": len(dice),
            "data_hash": data_hash,
            "split": "test",
            "targets": {"mask": {"task": "binary", "classes": entries}},
        }
        (folder / "evaluation" / "summary.json").write_text(json.dumps(summary))
        columns = {"dice": dice, **more}
        with (folder / "evaluation" / "per_image.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "group", "target", "class", *columns])
            for place in range(len(dice)):
                group = groups[place] if groups else ""
                sample = ids[place] if ids else f"im{place}"
                writer.writerow([sample, group, "mask", "background", *[0.99] * len(columns)])
                cells = ["" if column[place] is None else column[place] for column in columns.values()]
                writer.writerow([sample, group, "mask", "cell", *cells])
        return folder

    return make


def noisy(seed, n=100, shift=0.0):
    """Images differ much, runs little."""
    images = np.random.default_rng(0).beta(8, 2, n)
    return (images + shift + np.random.default_rng(seed).normal(0, 0.01, n)).tolist()


def test_a_small_difference_is_shown_because_images_are_paired(make_evaluation):
    first, second = noisy(1), noisy(2, shift=0.012)
    found = compare([make_evaluation("a", first), make_evaluation("b", second)])
    assert [run.name for run in found.ranked] == ["b", "a"]
    behind = found.ranked[1].behind
    difference = np.subtract(second, first)
    assert behind.better == pytest.approx(difference.mean())
    # Normal differences: the bootstrap agrees with Student's interval.
    expected = stats.t.interval(0.95, 99, difference.mean(), stats.sem(difference))
    assert (behind.low, behind.high) == pytest.approx(expected, abs=0.0005)
    assert behind.shown
    text = sentence(found)
    assert text.startswith(f"b is better than a by {difference.mean():.3g} in dice, 95 % interval ")
    assert text.endswith("on 100 images.")
    # Without pairs nothing would be seen.
    assert stats.ttest_ind(first, second).pvalue > 0.3


def test_no_difference_is_said_plainly(make_evaluation):
    found = compare([make_evaluation("a", noisy(1)), make_evaluation("b", noisy(2))])
    assert not found.ranked[1].behind.shown
    assert sentence(found).startswith("No difference shown: ")


def test_patients_count_rather_than_images(make_evaluation):
    # Ten patients of ten images; a patient's images differ alike between the runs.
    offsets = np.repeat(np.random.default_rng(3).normal(0.01, 0.03, 10), 10)
    first = noisy(1)
    second = (np.array(first) + offsets + 0.001).tolist()
    groups = [f"p{number // 10}" for number in range(100)]
    alone = compare([make_evaluation("a", first), make_evaluation("b", second)])
    grouped = compare([make_evaluation("c", first, groups=groups), make_evaluation("d", second, groups=groups)])
    narrow, wide = alone.ranked[1].behind, grouped.ranked[1].behind
    assert (wide.over, wide.n, narrow.over, narrow.n) == ("groups", 10, "images", 100)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_rightly_drawing_nothing_beats_a_false_alarm(make_evaluation):
    # In the first ten images nothing is there: one run draws nothing (undefined), the other something (0).
    same = noisy(1, 30)
    right, wrong = [None] * 10 + same[10:], [0.0] * 10 + same[10:]
    found = compare([make_evaluation("right", right), make_evaluation("wrong", wrong)])
    assert [run.name for run in found.ranked] == ["right", "wrong"]
    assert found.ranked[1].behind.better == pytest.approx(10 / 30)
    both = compare([make_evaluation("a", right), make_evaluation("b", [None] * 10 + noisy(2, 30)[10:])])
    assert both.ranked[1].behind.n == 20


def test_of_distances_less_is_better(make_evaluation):
    near, far = [2.0 + 0.01 * (place % 7) for place in range(20)], [5.0 + 0.1 * (place % 5) for place in range(20)]
    dice = noisy(1, 20)
    folders = [make_evaluation("far", dice, hd95=far), make_evaluation("near", dice, hd95=near)]
    found = compare(folders, metric="hd95")
    assert [run.name for run in found.ranked] == ["near", "far"]
    assert found.ranked[1].behind.better == pytest.approx(np.mean(far) - np.mean(near))


def test_several_runs_are_ranked_each_against_the_best(make_evaluation):
    folders = [
        make_evaluation(name, noisy(seed, shift=shift))
        for seed, (name, shift) in enumerate([("low", 0), ("top", 0.05), ("mid", 0.02)])
    ]
    found = compare(folders)
    assert [run.name for run in found.ranked] == ["top", "mid", "low"]
    assert found.ranked[0].behind is None
    assert found.ranked[2].behind.better == pytest.approx(0.05, abs=0.005)
    listed = json.loads(json.dumps(found.to_dict()))
    assert [run["run"] for run in listed["runs"]] == ["top", "mid", "low"]
    assert listed["runs"][1]["behind_the_best"]["shown"] is True


def test_the_order_of_images_does_not_matter(make_evaluation):
    dice = noisy(1, 20)
    turned = make_evaluation("b", dice[::-1], ids=[f"im{place}" for place in reversed(range(20))])
    found = compare([make_evaluation("a", dice), turned])
    assert found.ranked[1].behind.alike
    assert sentence(found) == "a and b score the same on every image."


def test_few_images_are_too_few(make_evaluation):
    found = compare([make_evaluation("a", noisy(1, 7)), make_evaluation("b", noisy(2, 7))])
    assert sentence(found) == "At least 8 images are needed to compare, there are 7."


def test_a_difference_without_spread_is_said_as_it_is(make_evaluation):
    a, b = make_evaluation("a", [0.75] * 10), make_evaluation("b", [0.5] * 10)
    assert sentence(compare([a, b])) == "a is better than b by 0.25 in dice, the same on each of 10 images."


def test_other_images_are_refused(make_evaluation, tmp_path):
    first = make_evaluation("a", noisy(1, 20))
    with pytest.raises(DataError, match="hash xyz") as refused:
        compare([first, make_evaluation("b", noisy(2, 20), data_hash="xyz")])
    assert "limner evaluate RUN DATA" in refused.value.remedy
    with pytest.raises(DataError, match="19 test images"):
        compare([first, make_evaluation("c", noisy(2, 19))])
    with pytest.raises(DataError, match="others in 'd'"):
        compare([first, make_evaluation("d", noisy(2, 20), ids=[f"other{place}" for place in range(20)])])
    with pytest.raises(DataError, match="no such folder"):
        compare([first, tmp_path / "nowhere"])


def test_what_cannot_be_compared_is_refused(make_evaluation):
    first, second = make_evaluation("a", noisy(1, 20)), make_evaluation("b", noisy(2, 20))
    with pytest.raises(ConfigError, match="accuracy"):
        compare([first, second], metric="accuracy")
    with pytest.raises(DataError, match="hd95 of mask"):
        compare([first, second], metric="hd95")
    with pytest.raises(ConfigError, match="depth"):
        compare([first, second], target="depth")
    with pytest.raises(ConfigError, match="two runs"):
        compare([first])


@pytest.fixture
def make_repeats(make_evaluation):
    """Writes a run of several seeds, given the Dice of each image for each."""

    def make(name, *seeds):
        folders = [make_evaluation(f"{name}/repeats/{number}", dice) for number, dice in enumerate(seeds)]
        return folders[0].parents[1]

    return make


def test_seeds_that_differ_widen_the_interval_as_a_t_test_over_seeds_would(make_repeats):
    # Images hardly differ between runs, seeds do: then the seeds alone say how sure the difference is.
    first, second = (0.80, 0.83, 0.79), (0.70, 0.73, 0.71)

    def around(means, noise):
        return [(np.array(noisy(noise + place, 40)) * 1e-4 + mean).tolist() for place, mean in enumerate(means)]

    found = compare([make_repeats("a", *around(first, 1)), make_repeats("b", *around(second, 4))])
    behind = found.ranked[1].behind
    assert found.ranked[0].mean == pytest.approx(np.mean(first), abs=2e-4)
    assert behind.seeds == (3, 3)
    expected = stats.ttest_ind(first, second).confidence_interval(0.95)
    assert (behind.low, behind.high) == pytest.approx((expected.low, expected.high), abs=2e-4)
    assert behind.shown
    assert sentence(found).endswith("on 40 images and 3 seeds each.")


def test_seeds_that_agree_leave_the_interval_of_images(make_evaluation, make_repeats):
    first, second = noisy(1), noisy(2, shift=0.012)
    alone = compare([make_evaluation("a", first), make_evaluation("b", second)]).ranked[1].behind
    repeated = compare([make_repeats("c", first, first), make_repeats("d", second, second)]).ranked[1].behind
    assert repeated.better == pytest.approx(alone.better)
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=0.01)


def test_one_seed_is_compared_with_several(make_evaluation, make_repeats):
    shifts = (0.0, 0.03, -0.03)
    several = make_repeats("several", *[noisy(place, shift=shift) for place, shift in enumerate(shifts)])
    found = compare([make_evaluation("one", noisy(7, shift=0.02)), several])
    assert not found.ranked[1].behind.shown  # though by images alone it would be
    assert "1 and 3 seeds" in sentence(found)


def test_what_a_seed_rightly_leaves_empty_counts_as_perfect_where_another_draws(make_repeats):
    # The last image is empty: one seed of `b` raises a false alarm.
    full = [0.8] * 9
    runs = [make_repeats("a", [*full, None], [*full, None]), make_repeats("b", [*full, 0.0], [*full, None])]
    assert compare(runs).ranked[1].behind.better == pytest.approx(0.5 / 10)
