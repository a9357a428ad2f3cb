"""What the reader makes of a file's answers is what the predictor makes of logits."""

import numpy as np
import pytest
import torch

from limner.bundle import TargetSpec
from limner.exporting.answers import decide, resize, to_logits, to_probs
from limner.inference import answers
from limner.inference.result import resize_planes

SPECS = {
    "binary": TargetSpec(task="binary", names=["rest", "cell"], colors=[(0, 0, 0)] * 2, temperature=1.7),
    "multiclass": TargetSpec(task="multiclass", names=["a", "b", "c"], colors=[(0, 0, 0)] * 3, temperature=0.6),
    "multilabel": TargetSpec(task="multilabel", names=["x", "y"], colors=[(0, 0, 0)] * 2, thresholds=[0.3, 0.8]),
}


def logits(spec: TargetSpec) -> np.ndarray:
    planes = 1 if spec.task == "binary" else len(spec.names)
    return np.random.default_rng(2).normal(0, 3, (planes, 9, 7)).astype(np.float32)


@pytest.mark.parametrize("task", SPECS)
def test_probabilities_and_masks_are_those_of_the_predictor(task) -> None:
    spec = SPECS[task]
    given = logits(spec)
    wanted = answers.activate(torch.from_numpy(given), spec)
    np.testing.assert_allclose(to_probs(given, spec), wanted, atol=1e-6)
    tempered = answers.temper(wanted, spec)
    np.testing.assert_allclose(to_probs(given, spec, spec.temperature), tempered, atol=1e-6)
    np.testing.assert_array_equal(decide(wanted.numpy(), spec), answers.decide(wanted, spec))
    # From the tempered probabilities of a file back to untempered ones.
    np.testing.assert_allclose(to_probs(to_logits(tempered.numpy(), spec), spec), wanted, atol=1e-5)


def test_thresholds_of_exclusive_classes_are_of_shares() -> None:
    spec = SPECS["multiclass"].model_copy(update={"thresholds": [0.5, 0.9, 0.5], "temperature": 1.0})
    probs = np.array([0.3, 0.6, 0.1], np.float32).reshape(3, 1, 1)
    # 0.6 / (0.6 + 0.3) is not above 0.9.
    assert decide(probs, spec).item() == 0
    assert decide(probs, SPECS["multiclass"]).item() == 1


@pytest.mark.parametrize("size", [(31, 20), (5, 4), (13, 3), (9, 7)])
def test_resizing_is_that_of_the_predictor(size) -> None:
    planes = logits(SPECS["multiclass"])
    np.testing.assert_allclose(resize(planes, size), resize_planes(torch.from_numpy(planes), size), atol=2e-5)
