import numpy as np
import pytest
import torch

from limner.bundle import TargetSpec
from limner.inference.doubt import entropy, expected_dice, promised_dice

COLORS = [(0, 0, 0), (200, 0, 0), (0, 0, 200)]


def spec(task: str, **more: object) -> TargetSpec:
    names = ["a", "b", "c"][: 2 if task == "binary" else 3]
    return TargetSpec(task=task, names=names, colors=COLORS[: len(names)], **more)


def test_entropy_is_one_where_every_answer_is_alike_likely_and_zero_where_one_is_sure() -> None:
    assert entropy(torch.tensor([[[0.5, 1.0, 0.0]]]), spec("binary")).tolist() == [[1.0, 0.0, 0.0]]
    thirds = torch.full((3, 1, 1), 1 / 3)
    assert entropy(thirds, spec("multiclass")).item() == pytest.approx(1.0)
    # Of overlapping classes the least sure one counts.
    assert entropy(torch.tensor([[[1.0]], [[0.5]], [[0.0]]]), spec("multilabel")).item() == pytest.approx(1.0)


def test_promised_dice_is_near_what_truths_drawn_from_the_probabilities_give() -> None:
    random = np.random.default_rng(0)
    probs = np.clip(random.normal(0.6, 0.3, (1, 64, 64)), 0.01, 0.99)
    answer = probs[0] > 0.5
    drawn = []
    for _ in range(300):
        truth = random.random(answer.shape) < probs[0]
        drawn.append(2 * (truth & answer).sum() / (truth.sum() + answer.sum()))
    promised = promised_dice(torch.from_numpy(probs).float(), torch.from_numpy(answer)[None])
    assert promised[0] == pytest.approx(np.mean(drawn), abs=0.003)


def expected(probs: list[float], answered: list[bool], found: TargetSpec) -> np.ndarray:
    """Of pictures of one pixel."""
    planes = torch.tensor(answered)[:, None, None]
    return expected_dice(torch.tensor(probs)[:, None, None], planes, found)


def test_an_empty_answer_is_as_good_as_the_chance_that_there_is_nothing() -> None:
    nothing = torch.zeros(1, 4, 4, dtype=torch.bool)
    assert np.isnan(promised_dice(torch.full((1, 4, 4), 0.02), nothing)[0])
    assert expected_dice(torch.full((1, 4, 4), 0.02), nothing, spec("binary"))[1] == pytest.approx(0.98)
    curve = [(0.9, 0.1), (1.0, 0.2)]  # of answers, not of their absence
    assert expected_dice(torch.full((1, 4, 4), 0.02), nothing, spec("binary", dice_curve=curve))[1] == pytest.approx(
        0.98
    )


def test_the_curve_says_what_a_promise_was_worth() -> None:
    curve = [(0.4, 0.1), (0.8, 0.7)]
    # A pixel of probability p promises 2p / (1 + p).
    assert expected([3 / 7], [True], spec("binary", dice_curve=curve))[1] == pytest.approx(0.4)  # promises 0.6
    # Beyond what was seen, the nearest that was.
    found = expected([0.9, 0.1, 0.95], [True, True, True], spec("multilabel", dice_curve=curve))
    np.testing.assert_allclose(found, [0.7, 0.1, 0.7])


def test_the_background_has_no_dice() -> None:
    found = expected([0.1, 0.2, 0.7], [False, False, True], spec("multiclass"))
    np.testing.assert_allclose(found, [np.nan, 0.8, 1.4 / 1.7], rtol=1e-6)
