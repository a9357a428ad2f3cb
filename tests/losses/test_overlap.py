from __future__ import annotations

import pytest
import torch
from monai.losses import DiceLoss, TverskyLoss
from torch.nn import functional

from limner.errors import ConfigError
from limner.losses import create_loss


def one_hot(target):
    return functional.one_hot(target.long(), 3).movedim(-1, 1).float()


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_multiclass_dice_is_monais(make_batch, batch, background):
    logits, target = make_batch("multiclass", ignored=0)
    oracle = DiceLoss(include_background=background, softmax=True, smooth_nr=2.0, smooth_dr=2.0, batch=batch)
    loss = create_loss("dice", task="multiclass", smooth=2.0, batch=batch, background=background)
    torch.testing.assert_close(loss(logits, target), oracle(logits, one_hot(target)))


def test_multilabel_dice_is_monais(make_batch):
    logits, target = make_batch("multilabel", ignored=0)
    oracle = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)
    torch.testing.assert_close(create_loss("dice", task="multilabel")(logits, target), oracle(logits, target.float()))


def test_tversky_is_monais_whose_smoothing_is_halved(make_batch):
    # MONAI adds its smoothing to TP, Limner to 2 TP, so that alpha = beta = 0.5 is Dice.
    logits, target = make_batch("multiclass", ignored=0)
    oracle = TverskyLoss(softmax=True, alpha=0.2, beta=0.9, smooth_nr=0.5, smooth_dr=0.5)
    loss = create_loss("tversky", task="multiclass", alpha=0.2, beta=0.9, smooth=1.0, background=True)
    torch.testing.assert_close(loss(logits, target), oracle(logits, one_hot(target)))


def test_even_prices_are_dice(make_batch):
    logits, target = make_batch("binary")
    tversky = create_loss("tversky", task="binary", alpha=0.5, beta=0.5)
    torch.testing.assert_close(tversky(logits, target), create_loss("dice", task="binary")(logits, target))


def test_dice_by_hand():
    # p = ½ everywhere, 3 valid pixels, 1 true: 1 - (2·½ + 1) / (1½ + 1 + 1)
    loss = create_loss("dice", task="binary")(torch.zeros(1, 1, 2, 2), torch.tensor([[[1, 0], [0, 255]]]))
    assert float(loss) == pytest.approx(1 - 2 / 3.5)


@pytest.mark.parametrize("name", ["dice", "tversky", "lovasz"])
def test_false_alarms_on_empty_truth_cost_and_can_be_unlearnt(name):
    loss = create_loss(name, task="binary")
    truth = torch.zeros(1, 8, 8, dtype=torch.uint8)
    silent, alarm = (torch.full((1, 1, 8, 8), value, requires_grad=True) for value in (-20.0, 1.0))
    assert loss(silent, truth) < 0.01
    value = loss(alarm, truth)
    value.backward()
    assert value > 0.9
    assert (alarm.grad >= 0).all()
    assert alarm.grad.any()


def test_class_weights_are_per_class(make_batch):
    logits, target = make_batch("multiclass")
    first = create_loss("dice", task="multiclass", class_weights=[9.0, 1.0, 0.0])(logits, target)
    second = create_loss("dice", task="multiclass", class_weights=[9.0, 0.0, 1.0])(logits, target)
    both = create_loss("dice", task="multiclass", class_weights=[9.0, 3.0, 1.0])(logits, target)
    torch.testing.assert_close(both, (3 * first + second) / 4)


def test_an_ignored_image_does_not_count_as_a_perfect_one(make_batch):
    logits, target = make_batch("binary")
    target[1] = 255
    loss = create_loss("dice", task="binary")
    torch.testing.assert_close(loss(logits, target), loss(logits[:1], target[:1]))


@pytest.mark.parametrize("options", [{"smooth": 0.0}, {"smooth": float("inf")}])
def test_dice_refuses_impossible_numbers(options):
    with pytest.raises(ConfigError, match="smooth"):
        create_loss("dice", task="binary", **options)


def test_tversky_refuses_negative_prices():
    with pytest.raises(ConfigError, match="beta"):
        create_loss("tversky", task="binary", beta=-1.0)
