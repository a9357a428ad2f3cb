"""What every loss must do, for every task it fits."""

from __future__ import annotations

import pytest
import torch

from limner.losses import LOSSES, create_loss
from limner.losses.truth import Truth

PAIRS = [pytest.param(name, task, id=f"{name}-{task}") for name, row in LOSSES.items() for task in row.tasks]


@pytest.mark.parametrize(("name", "task"), PAIRS)
class TestEveryLoss:
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
    def test_arithmetic_is_float32(self, name, task, dtype, make_batch):
        logits, target = make_batch(task)
        logits = logits.to(dtype).requires_grad_()
        loss = create_loss(name, task=task)
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(logits, target)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, loss(logits.detach().float(), target))
        value.backward()
        assert logits.grad.dtype == dtype

    @pytest.mark.parametrize("integer", [torch.uint8, torch.int64])
    def test_ids_may_be_uint8_or_int64(self, name, task, integer, make_batch):
        logits, target = make_batch(task)
        loss = create_loss(name, task=task)
        other = target if task == "regression" else target.to(integer)
        torch.testing.assert_close(loss(logits, other), loss(logits, target))

    def test_ignored_pixels_change_nothing(self, name, task, make_batch):
        logits, target = make_batch(task, ignored=0.4)
        ignored = target.isnan() if task == "regression" else target == 255
        if target.ndim == 3:
            ignored = ignored[:, None].expand_as(logits)
        loss = create_loss(name, task=task)
        first, second = logits.clone().requires_grad_(), torch.where(ignored, -logits - 3, logits).requires_grad_()
        torch.testing.assert_close(loss(first, target), loss(second, target))
        loss(first, target).backward()
        assert not first.grad[ignored].any()
        assert first.grad[~ignored].any()

    def test_a_batch_of_nothing_but_ignored_pixels_gives_0_with_a_graph(self, name, task, make_batch):
        logits, target = make_batch(task)
        target = torch.full_like(target, torch.nan if task == "regression" else 255)
        logits.requires_grad_()
        value = create_loss(name, task=task)(logits, target)
        value.backward()
        assert value == 0
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    @pytest.mark.parametrize("extreme", [1e4, -1e4, 0.0])
    def test_gradients_are_numbers_at_extreme_logits(self, name, task, extreme, make_batch):
        logits, target = make_batch(task)
        logits = (logits.sign() * extreme).requires_grad_()
        options = {"gamma": 0.5} if name == "focal" else {}
        value = create_loss(name, task=task, **options)(logits, target)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()

    def test_gradients_are_those_of_finite_differences(self, name, task, make_batch):
        logits, target = make_batch(task, size=(2, 3))
        logits = logits.double().requires_grad_()
        truth = Truth(target, task, logits.shape[1], 255)
        term = LOSSES[name].kind()
        assert torch.autograd.gradcheck(lambda values: term(values, truth, None), (logits,))

    def test_a_step_against_the_gradient_helps(self, name, task, make_batch):
        logits, target = make_batch(task)
        logits.requires_grad_()
        loss = create_loss(name, task=task)
        before = loss(logits, target)
        (gradient,) = torch.autograd.grad(before, logits)
        assert loss(logits - 0.1 * gradient, target) < before

    def test_one_image_more_of_the_same_changes_nothing(self, name, task, make_batch):
        logits, target = make_batch(task, batch=1)
        loss = create_loss(name, task=task)
        twice = loss(logits.repeat(2, 1, 1, 1), target.repeat(2, *[1] * (target.ndim - 1)))
        torch.testing.assert_close(twice, loss(logits, target))
