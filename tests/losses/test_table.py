from __future__ import annotations

import pytest
import torch

from limner.errors import ConfigError
from limner.losses import create_loss


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("ce+dice", (1, 1)),
        (" 0.5*ce + dice ", (0.5, 1)),
        ("CE+2*Dice", (1, 2)),
        ("1e+1*ce+1e-1*dice", (10, 0.1)),
        ("3*ce", (3, 0)),
    ],
)
def test_sums_are_weighted(name, shares, make_batch):
    logits, target = make_batch("multiclass")
    ce, dice = (create_loss(term, task="multiclass")(logits, target) for term in ("ce", "dice"))
    torch.testing.assert_close(create_loss(name, task="multiclass")(logits, target), shares[0] * ce + shares[1] * dice)


def test_options_go_to_every_loss_that_has_them(make_batch):
    logits, target = make_batch("multiclass")
    both = create_loss("dice+focal", task="multiclass", smooth=5.0, gamma=1.0)(logits, target)
    dice = create_loss("dice", task="multiclass", smooth=5.0)(logits, target)
    focal = create_loss("focal", task="multiclass", gamma=1.0)(logits, target)
    torch.testing.assert_close(both, dice + focal)


@pytest.mark.parametrize(
    ("name", "task", "remedy"),
    [
        ("dcie", "binary", "Did you mean 'dice'? Choose from bce, ce, dice"),
        ("ce+dise", "binary", "Did you mean 'dice'?"),
        ("", "binary", "Choose from"),
        ("ce+", "binary", "Choose from"),
        ("ce+ce", "binary", "Write 2*ce"),
        ("x*ce", "binary", "0.5*ce+dice"),
        ("-1*ce", "binary", "0.5*ce+dice"),
        ("0*ce", "binary", "0.5*ce+dice"),
        ("bce", "multiclass", "Choose from ce, dice"),
        ("ce", "multilabel", "Choose from bce, dice"),
        ("dice", "regression", "Choose from l1, mse"),
        ("ce+mse", "binary", "Choose from bce, ce, dice"),
    ],
)
def test_unfit_names_are_refused_with_the_way_out(name, task, remedy):
    with pytest.raises(ConfigError) as caught:
        create_loss(name, task=task)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "task", "options", "remedy"),
    [
        ("focal", "binary", {"gama": 2.0}, "Did you mean 'gamma'? It has alpha, gamma."),
        ("ce", "binary", {"smooth": 1.0}, "It has no options."),
        ("focal", "multiclass", {"alpha": 0.3}, "class_weights"),
        ("focal+tversky", "binary", {"alpha": 0.3}, "class_weights"),
    ],
)
def test_unfit_options_are_refused_with_the_way_out(name, task, options, remedy):
    with pytest.raises(ConfigError) as caught:
        create_loss(name, task=task, **options)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_impossible_class_weights_are_refused(weights):
    with pytest.raises(ConfigError, match="class weights"):
        create_loss("ce", task="binary", class_weights=weights)


def test_regression_has_no_class_weights():
    with pytest.raises(ConfigError, match="class_weights"):
        create_loss("l1", task="regression", class_weights=[1.0])
