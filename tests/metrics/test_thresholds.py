"""Thresholds against a search by scikit-learn's scores, and against cases made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from limner.errors import ConfigError
from limner.metrics.thresholds import EDGES, USUAL, Goal, choose, margin_counts, margins, truth_pixels
from limner.types import IGNORE


def collected(images: list[tuple[np.ndarray, np.ndarray]], task: str, row: int = 0) -> tuple[np.ndarray, np.ndarray]:
    counts = np.stack([margin_counts(probs, truth, task)[row] for probs, truth in images])
    return counts, np.stack([truth_pixels(truth, len(probs), task)[row] for probs, truth in images])


@pytest.fixture
def shy() -> list[tuple[np.ndarray, np.ndarray]]:
    """Images of a network that gives objects about 0.3 and the rest about 0.1; one image is empty."""
    random = np.random.default_rng(1)
    images = []
    for number in range(12):
        truth = np.zeros((16, 16), np.uint8)
        truth[2 : 10 - (number == 3) * 8, 3:9] = 1
        probs = np.clip(np.where(truth == 1, 0.3, 0.1) + random.normal(0, 0.08, truth.shape), 0.001, 0.999)
        images.append((probs[None].astype(np.float32), truth))
    return images


def by_sklearn(images, edge: float, score) -> list[float]:
    found = []
    for probs, truth in images:
        said = probs[0].ravel() > edge
        found.append(score(truth.ravel(), said, zero_division=np.nan))
    return found


def test_the_highest_mean_dice_is_found(shy) -> None:
    choice = choose(*collected(shy, "binary"), Goal("max-dice"))
    with np.errstate(all="ignore"):
        means = [np.nanmean(by_sklearn(shy, edge, f1_score)) for edge in EDGES[60:200]]
    assert choice.after == pytest.approx(max(means), abs=1e-12)
    assert choice.threshold == pytest.approx(EDGES[60 + int(np.argmax(means))])
    assert 0.12 < choice.threshold < 0.28
    assert choice.before < 0.2 < choice.after


def test_recall_is_reached_by_the_highest_threshold(shy) -> None:
    choice = choose(*collected(shy, "binary"), Goal.parse("recall>=0.95"))
    assert np.nanmean(by_sklearn(shy, choice.threshold, recall_score)) == pytest.approx(choice.after)
    assert choice.after >= 0.95 > np.nanmean(by_sklearn(shy, EDGES[choice.place + 1], recall_score))


def test_precision_is_reached_by_the_lowest_threshold(shy) -> None:
    choice = choose(*collected(shy, "binary"), Goal.parse("precision >= 0.9"))
    assert np.nanmean(by_sklearn(shy, choice.threshold, precision_score)) == pytest.approx(choice.after)
    assert choice.after >= 0.9 > np.nanmean(by_sklearn(shy, EDGES[choice.place - 1], precision_score))


def test_areas_add_up(shy) -> None:
    choice = choose(*collected(shy, "binary"), Goal("area"))
    true = sum(int(truth.sum()) for _, truth in shy)
    said = sum(int((probs[0] > choice.threshold).sum()) for probs, _ in shy)
    assert said == pytest.approx(true, rel=0.03)


def test_a_gain_that_may_be_chance_changes_nothing() -> None:
    truth = np.zeros((3, 3), np.uint8)
    truth.flat[:4] = 1
    images = []
    for place in (0, 0, 0, 8, 8, 8):
        # A pixel at 0.45, of the object in three images (Dice 6/7 → 1), beside it in three (1 → 8/9).
        probs = np.where(truth == 1, 0.9, 0.1)
        probs.flat[place] = 0.45
        images.append((probs[None].astype(np.float32), truth))
    choice = choose(*collected(images, "binary"), Goal("max-dice"))
    assert choice.threshold == 0.5
    assert choice.before == choice.after == pytest.approx((6 / 7 + 1) / 2)
    assert "0.9444 at best: no more than chance" in choice.because
    certain = choose(*collected(images[:3], "binary"), Goal("max-dice"))
    assert certain.threshold < 0.45
    assert certain.after == 1


def test_what_cannot_be_reached_is_said_and_changes_nothing() -> None:
    truth = np.ones((2, 2), np.uint8)
    images = [(np.zeros((1, 2, 2), np.float32), truth)]
    choice = choose(*collected(images, "binary"), Goal.parse("recall>=0.5"))
    assert choice.threshold == 0.5
    assert "no threshold reaches" in choice.because


def test_classes_without_truth_keep_the_usual_threshold() -> None:
    images = [(np.zeros((1, 2, 2), np.float32), np.zeros((2, 2), np.uint8))]
    for goal in ("max-dice", "area", "recall>=0.9"):
        assert choose(*collected(images, "binary"), Goal.parse(goal)).threshold == 0.5


def test_margins_of_exclusive_classes_are_odds_against_the_strongest_rival() -> None:
    probs = np.array([0.5, 0.3, 0.2], np.float32)[:, None, None]
    np.testing.assert_allclose(margins(probs, "multiclass").ravel(), [0.5 / 0.8, 0.3 / 0.8, 0.2 / 0.7], rtol=1e-6)
    assert margins(probs, "multilabel") is probs


def test_ignored_pixels_are_left_out() -> None:
    probs = np.array([[[0.9, 0.9, 0.2]]], np.float32)
    truth = np.array([[1, IGNORE, 0]], np.uint8)
    counts = margin_counts(probs, truth, "binary")[0]
    assert counts[:, USUAL].tolist() == [0, 1]
    assert counts[:, 0].tolist() == [1, 1]
    assert truth_pixels(truth, 1, "binary").tolist() == [1]


def test_planes_are_counted_each_by_itself() -> None:
    probs = np.array([[[0.9, 0.1]], [[0.8, 0.7]]], np.float32)
    truth = np.array([[[1, 0], [0, 1]]], np.uint8)
    assert margin_counts(probs, truth, "multilabel")[..., USUAL].tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("text", ["", "dice", "recall", "recall>=", "recall>=0", "recall>=1.5", "recall>=1.2.3"])
def test_an_unknown_goal_is_refused(text) -> None:
    with pytest.raises(ConfigError, match="a goal"):
        Goal.parse(text)
