import numpy as np
import pytest
import torch

from limner.bundle import TargetSpec
from limner.errors import ConfigError
from limner.inference.prediction import Prediction, make_prediction

BINARY = TargetSpec(task="binary", names=["background", "cell"], colors=[(0, 0, 0), (255, 0, 0)])


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def test_probabilities_are_interpolated_and_then_cut_at_the_threshold() -> None:
    logits = torch.tensor([[[logit(0.2), logit(0.8)]]])
    prediction = make_prediction({"mask": logits}, {"mask": BINARY}, (1, 4), probabilities=True)
    # Pixel centres at 0.25 and 0.75 of the way between the two, and the ends as they are.
    np.testing.assert_allclose(prediction.probs["mask"], [[[0.2, 0.35, 0.65, 0.8]]], atol=1e-6)
    np.testing.assert_array_equal(prediction.mask, [[0, 0, 1, 1]])


def test_shrinking_takes_every_pixel_into_account() -> None:
    logits = torch.full((1, 8, 8), logit(0.9))
    logits[:, ::2] = logit(0.1)
    prediction = make_prediction({"mask": logits}, {"mask": BINARY}, (2, 2), probabilities=True)
    np.testing.assert_allclose(prediction.probs["mask"], 0.5, atol=0.05)


def test_an_even_chance_is_background() -> None:
    prediction = make_prediction({"mask": torch.zeros(1, 2, 2)}, {"mask": BINARY}, (2, 2), probabilities=False)
    assert prediction.mask.max() == 0
    assert prediction.probs == {}


def test_the_only_mask_is_the_mask() -> None:
    ids = np.zeros((2, 2), np.uint8)
    assert Prediction({"cells": ids}, {}, {}).mask is ids
    assert Prediction({"other": ids + 1, "mask": ids}, {}, {}).mask is ids
    with pytest.raises(ConfigError, match="none"):
        _ = Prediction({}, {}, {"depth": np.zeros((2, 2), np.float32)}).mask
