import numpy as np
import pytest
import torch

from limner.bundle import TargetSpec
from limner.errors import ConfigError
from limner.inference.opinion import Opinion
from limner.inference.prediction import Prediction
from limner.inference.result import make_prediction

BINARY = TargetSpec(task="binary", names=["background", "cell"], colors=[(0, 0, 0), (255, 0, 0)])


def looked(targets: dict[str, TargetSpec], *looks: dict[str, torch.Tensor]) -> Opinion:
    opinion = Opinion()
    for logits in looks:
        opinion.add(logits, targets)
    return opinion


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def test_probabilities_are_interpolated_and_then_cut_at_the_threshold() -> None:
    logits = torch.tensor([[[logit(0.2), logit(0.8)]]])
    prediction = make_prediction(
        looked({"mask": BINARY}, {"mask": logits}), {"mask": BINARY}, (1, 4), probabilities=True
    )
    # Pixel centres at 0.25 and 0.75 of the way between the two, and the ends as they are.
    np.testing.assert_allclose(prediction.probs["mask"], [[[0.2, 0.35, 0.65, 0.8]]], atol=1e-6)
    np.testing.assert_array_equal(prediction.mask, [[0, 0, 1, 1]])


def test_shrinking_takes_every_pixel_into_account() -> None:
    logits = torch.full((1, 8, 8), logit(0.9))
    logits[:, ::2] = logit(0.1)
    prediction = make_prediction(
        looked({"mask": BINARY}, {"mask": logits}), {"mask": BINARY}, (2, 2), probabilities=True
    )
    np.testing.assert_allclose(prediction.probs["mask"], 0.5, atol=0.05)


def test_an_even_chance_is_background() -> None:
    prediction = make_prediction(
        looked({"mask": BINARY}, {"mask": torch.zeros(1, 2, 2)}), {"mask": BINARY}, (2, 2), probabilities=False
    )
    assert prediction.mask.max() == 0
    assert prediction.probs == {}


def test_the_only_mask_is_the_mask() -> None:
    ids = np.zeros((2, 2), np.uint8)
    assert Prediction({"cells": ids}, {}, {}).mask is ids
    assert Prediction({"other": ids + 1, "mask": ids}, {}, {}).mask is ids
    with pytest.raises(ConfigError, match="none"):
        _ = Prediction({}, {}, {"depth": np.zeros((2, 2), np.float32)}).mask


COLORS = [(0, 0, 0), (255, 0, 0), (0, 255, 0)]


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_a_temperature_changes_probabilities_and_no_mask(task: str) -> None:
    names = ["a", "b", "c"][: 2 if task == "binary" else 3]
    spec = TargetSpec(task=task, names=names, colors=COLORS[: len(names)])
    logits = torch.randn(1 if task == "binary" else 3, 20, 20, generator=torch.Generator().manual_seed(0)) * 3
    plain, tempered = (
        make_prediction(
            looked({"m": spec}, {"m": logits}),
            {"m": spec.model_copy(update={"temperature": t})},
            (31, 47),
            probabilities=True,
        )
        for t in (1.0, 3.3)
    )
    np.testing.assert_array_equal(plain.masks["m"], tempered.masks["m"])
    assert np.abs(plain.probs["m"] - tempered.probs["m"]).max() > 0.2
    if task == "multiclass":
        np.testing.assert_allclose(tempered.probs["m"].sum(axis=0), 1, atol=1e-5)


def test_a_temperature_divides_logits() -> None:
    spec = TargetSpec(task="multiclass", names=["a", "b", "c"], colors=COLORS, temperature=2.0)
    logits = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(1))
    prediction = make_prediction(looked({"m": spec}, {"m": logits}), {"m": spec}, (5, 5), probabilities=True)
    np.testing.assert_allclose(prediction.probs["m"], (logits / 2).softmax(dim=0).numpy(), atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_class_with_a_low_threshold_wins_against_a_stronger_rival(temperature: float) -> None:
    spec = TargetSpec(
        task="multiclass", names=["a", "b", "c"], colors=COLORS, thresholds=[0.5, 0.5, 0.2], temperature=temperature
    )
    logits = torch.randn(3, 40, 40, generator=torch.Generator().manual_seed(2)) * 2
    prediction = make_prediction(looked({"m": spec}, {"m": logits}), {"m": spec}, (40, 40), probabilities=True)
    probs = prediction.probs["m"]
    share = probs[2] / (probs[2] + probs[:2].max(axis=0))
    np.testing.assert_array_equal(prediction.masks["m"] == 2, share > 0.2)
    assert ((share > 0.2) & (share < 0.5)).any()
