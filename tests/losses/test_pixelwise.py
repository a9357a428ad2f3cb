from __future__ import annotations

import pytest
import torch
from monai.losses import FocalLoss
from torch.nn import functional

from limner.errors import ConfigError
from limner.losses import create_loss


@pytest.mark.parametrize("weights", [None, [0.2, 1.0, 3.0]])
def test_ce_is_torchs(make_batch, weights):
    logits, target = make_batch("multiclass")
    expected = functional.cross_entropy(
        logits, target.long(), weight=None if weights is None else torch.tensor(weights), ignore_index=255
    )
    torch.testing.assert_close(create_loss("ce", task="multiclass", class_weights=weights)(logits, target), expected)


@pytest.mark.parametrize("name", ["ce", "bce"])
@pytest.mark.parametrize("weights", [None, [1.0, 4.0]])
def test_binary_ce_is_torchs_over_two_classes(make_batch, name, weights):
    logits, target = make_batch("binary")
    # A sigmoid of z is a softmax of (0, z).
    two = torch.cat([torch.zeros_like(logits), logits], dim=1)
    expected = functional.cross_entropy(
        two, target.long(), weight=None if weights is None else torch.tensor(weights), ignore_index=255
    )
    torch.testing.assert_close(create_loss(name, task="binary", class_weights=weights)(logits, target), expected)


def test_multilabel_bce_is_torchs_over_the_valid_pixels(make_batch):
    logits, target = make_batch("multilabel")
    valid = target != 255
    expected = functional.binary_cross_entropy_with_logits(logits[valid], target[valid].float())
    torch.testing.assert_close(create_loss("bce", task="multilabel")(logits, target), expected)


def test_multilabel_weights_are_per_plane(make_batch):
    logits, target = make_batch("multilabel")
    loss = create_loss("bce", task="multilabel", class_weights=[0.0, 1.0, 0.0])
    one = create_loss("bce", task="binary")
    torch.testing.assert_close(loss(logits, target), one(logits[:, 1:2], target[:, 1]))


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, None), (1.5, 0.25)])
def test_binary_focal_is_monais(make_batch, gamma, alpha):
    logits, target = make_batch("binary", ignored=0)
    expected = FocalLoss(gamma=gamma, alpha=alpha)(logits, target[:, None].float())
    torch.testing.assert_close(create_loss("focal", task="binary", gamma=gamma, alpha=alpha)(logits, target), expected)


def test_multiclass_focal_is_monais_but_for_the_mean(make_batch):
    # MONAI divides by pixels × classes, though each pixel has one true class; Limner divides by pixels.
    logits, target = make_batch("multiclass", ignored=0)
    expected = 3 * FocalLoss(use_softmax=True, to_onehot_y=True)(logits, target[:, None].long())
    torch.testing.assert_close(create_loss("focal", task="multiclass")(logits, target), expected)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_focal_without_gamma_is_cross_entropy(make_batch, task):
    logits, target = make_batch(task)
    name = "bce" if task == "multilabel" else "ce"
    torch.testing.assert_close(
        create_loss("focal", task=task, gamma=0.0)(logits, target), create_loss(name, task=task)(logits, target)
    )


@pytest.mark.parametrize("options", [{"gamma": -1.0}, {"gamma": float("nan")}, {"alpha": 1.5}])
def test_focal_refuses_impossible_numbers(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        create_loss("focal", task="binary", **options)


@pytest.mark.parametrize(("name", "oracle"), [("l1", functional.l1_loss), ("mse", functional.mse_loss)])
def test_regression_is_torchs_over_the_known_pixels(make_batch, name, oracle):
    logits, target = make_batch("regression")
    known = ~target.isnan()
    loss = create_loss(name, task="regression")
    torch.testing.assert_close(loss(logits, target), oracle(logits[known], target[known]))
    torch.testing.assert_close(loss(logits[:, :1], target[:, 0]), loss(logits[:, :1], target[:, :1]))


def test_regression_keeps_255():
    loss = create_loss("l1", task="regression")
    assert loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[255, 1]]], dtype=torch.uint8)) == 128
