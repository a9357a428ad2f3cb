from __future__ import annotations

import pytest
import torch

from limner.errors import ConfigError
from limner.losses import create_loss


@pytest.mark.parametrize(("task", "classes"), [("binary", 2), ("multiclass", 3), ("multilabel", 3)])
def test_a_weight_is_wanted_for_each_class(task, classes, make_batch):
    with pytest.raises(ConfigError, match=f"each of the {classes} classes"):
        create_loss("dice", task=task, class_weights=[1.0] * 4)(*make_batch(task))


def test_equal_class_weights_change_nothing(make_batch):
    for task, name, classes in [
        ("binary", "bce+dice+lovasz+focal", 2),
        ("multiclass", "ce+dice+lovasz+focal", 3),
        ("multilabel", "bce+dice+lovasz+focal", 3),
    ]:
        logits, target = make_batch(task)
        weighted = create_loss(name, task=task, class_weights=[7.0] * classes)
        torch.testing.assert_close(weighted(logits, target), create_loss(name, task=task)(logits, target))


def test_another_id_may_be_ignored(make_batch):
    logits, target = make_batch("multiclass")
    other = torch.where(target == 255, 9, target)
    loss = create_loss("ce+dice+lovasz+focal", task="multiclass", ignore_index=9)
    torch.testing.assert_close(
        loss(logits, other), create_loss("ce+dice+lovasz+focal", task="multiclass")(logits, target)
    )


@pytest.mark.parametrize(
    ("task", "logits", "target"),
    [
        ("binary", (2, 2, 4, 4), (2, 4, 4)),
        ("binary", (2, 1, 4, 4), (2, 1, 4, 4)),
        ("multiclass", (2, 3, 4, 4), (2, 4, 5)),
        ("multilabel", (2, 3, 4, 4), (2, 4, 4)),
        ("multilabel", (2, 1, 4, 4), (2, 4, 4)),
        ("regression", (2, 2, 4, 4), (2, 4, 4)),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(task, logits, target):
    name = "l1" if task == "regression" else "dice"
    with pytest.raises(ValueError, match="Expected"):
        create_loss(name, task=task)(torch.zeros(logits), torch.zeros(target))


def test_class_weights_leave_no_trace_in_checkpoints():
    assert create_loss("ce", task="binary", class_weights=[1.0, 2.0]).state_dict() == {}
