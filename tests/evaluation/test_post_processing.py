import numpy as np
import pytest

from limner.bundle import PostStep, TargetSpec
from limner.evaluation.post_processing import Trial, Trials, candidate_steps, chosen_steps, object_areas

CELL = TargetSpec(task="binary", names=["background", "cell"], colors=[(0, 0, 0), (200, 0, 0)])
LARGEST = PostStep(target="mask", label="cell", step="largest")
HOLES = PostStep(target="mask", label="cell", step="fill_holes")
SMALL = PostStep(target="mask", label="cell", step="min_area", area=9)


def pictures(count: int, *, specks: bool, holes: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """One cell each, and how a model drew it: a little too far to the right, perhaps with specks or holes."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        truth = np.zeros((40, 40), np.uint8)
        row, column = random.integers(5, 15, 2)
        truth[row : row + 16, column : column + 16] = 1
        drawn = np.roll(truth, random.integers(0, 3), axis=1)
        if holes:
            drawn[row + 5 : row + 8, column + 6 : column + 9] = 0
        if specks:
            drawn[0:2, random.integers(0, 30)] = drawn[38:, 36:] = 1
        found.append((truth, drawn))
    return found


def judged(
    count: int = 24, *, specks: bool = False, holes: bool = False, without: int | None = None
) -> dict[str, Trial]:
    trials = Trials([LARGEST, HOLES, SMALL], {"mask": CELL})
    for number, (truth, drawn) in enumerate(pictures(count, specks=specks, holes=holes)):
        trials.add(number % 3, "", {"mask": truth}, {"mask": drawn})
    return {trial.step.step: trial for trial in trials.judge(without=without)}


def test_what_mends_predictions_is_taken_up() -> None:
    found = judged(specks=True, holes=True)
    assert [found[kind].taken for kind in ("largest", "fill_holes", "min_area")] == [True, True, True]
    # By hand: the mean over images of the rise in Dice.
    rises = []
    for truth, drawn in pictures(24, specks=True, holes=True):
        mended = drawn.copy()
        mended[[0, 1, 38, 39]] = 0
        dice = [2 * (truth & mask).sum() / (truth.sum() + mask.sum()) for mask in (drawn, mended)]
        rises.append(dice[1] - dice[0])
    assert found["largest"].better == pytest.approx(np.mean(rises))
    assert found["largest"].low < np.mean(rises) < found["largest"].high
    assert chosen_steps(list(found.values())) == [LARGEST, HOLES]


def test_what_changes_nothing_is_not() -> None:
    found = judged()
    assert not any(trial.taken for trial in found.values())
    assert {trial.better for trial in found.values()} == {0.0}
    assert chosen_steps(list(found.values())) == []


def test_few_images_are_no_evidence() -> None:
    assert not any(trial.taken for trial in judged(6, specks=True, holes=True).values())


def test_a_fold_may_be_left_out_so_that_it_can_be_scored() -> None:
    assert judged(24, specks=True)["largest"].n == 24
    assert judged(24, specks=True, without=1)["largest"].n == 16


def test_a_false_alarm_that_goes_is_a_gain_and_an_object_that_goes_a_loss() -> None:
    nothing, cell = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    cell[4:6, 4:7] = 1
    for truth, rise in ((nothing, 1.0), (cell, -1.0)):
        trials = Trials([SMALL], {"mask": CELL})
        for _ in range(20):
            trials.add(0, "", {"mask": truth}, {"mask": cell})
        (trial,) = trials.judge()
        assert trial.better == rise


def test_candidates_follow_the_sizes_of_true_objects() -> None:
    truth = np.zeros((60, 60), np.uint8)
    for place in range(5):
        truth[10 * place : 10 * place + 4, 10:14] = 1
    areas = {("mask", label): found for label, found in object_areas(truth, CELL).items()}
    assert areas == {("mask", "cell"): [16] * 5}
    steps = candidate_steps({"mask": CELL}, areas)
    assert [(step.step, step.area) for step in steps] == [
        ("fill_holes", 0),
        ("largest", 0),
        ("min_area", 4),
        ("min_area", 8),
        ("min_area", 16),
    ]
