from __future__ import annotations

import pytest
import torch

from limner.losses import create_loss
from limner.losses.lovasz import jaccard_rises, lovasz_extension


def jaccard_loss(positive: set[int], wrong: set[int]) -> float:
    """`1 - IoU` of a prediction that is wrong at `wrong`; Berman et al. 2018, equation 6."""
    return len(wrong) / len(positive | wrong) if wrong else 0.0


def choquet(errors: list[float], positive: set[int]) -> float:
    """The Lovász extension by its other definition: the integral over t of the loss of `{error ≥ t}`."""
    total, below = 0.0, 0.0
    for level in sorted({error for error in errors if error > 0}):
        wrong = {pixel for pixel, error in enumerate(errors) if error >= level}
        total += (level - below) * jaccard_loss(positive, wrong)
        below = level
    return total


@pytest.mark.parametrize("positives", [0, 1, 3, 6])
@pytest.mark.parametrize("seed", range(5))
def test_extension_is_the_choquet_integral(positives, seed):
    generator = torch.Generator().manual_seed(seed)
    errors = torch.randn(6, generator=generator, dtype=torch.float64)
    errors[1] = errors[0]  # a tie
    chosen = torch.randperm(6, generator=generator)[:positives]
    positive = torch.zeros(6, dtype=torch.bool)
    positive[chosen] = True
    expected = choquet(errors.tolist(), set(chosen.tolist()))
    assert float(lovasz_extension(errors, positive)) == pytest.approx(expected)


def test_all_or_nothing_errors_give_one_minus_iou():
    truth = torch.tensor([[[1, 1, 1, 0, 0]]], dtype=torch.uint8)
    prediction = torch.tensor([[[1, 0, 1, 1, 0]]])
    # IoU = 2 / 4 for class 1 and 1 / 3 for class 0.
    logits = 1e4 * torch.stack([1 - prediction, prediction], dim=1).float()
    loss = create_loss("lovasz", task="multiclass")
    assert float(loss(logits, truth)) == pytest.approx((1 / 2 + 2 / 3) / 2)
    foreground = create_loss("lovasz", task="multiclass", background=False)
    assert float(foreground(logits, truth)) == pytest.approx(1 / 2)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_losses_are_means_of_extensions_over_the_valid_pixels(make_batch, task, batch):
    logits, target = make_batch(task)
    values = []
    for rows in [slice(None)] if batch else [slice(0, 1), slice(1, 2)]:
        for channel in range(logits.shape[1]):
            plane = target[rows, channel] if task == "multilabel" else target[rows]
            valid = (plane != 255).flatten()
            positive = (plane == (channel if task == "multiclass" else 1)).flatten()[valid]
            probs = logits[rows].softmax(dim=1)[:, channel].flatten()[valid]
            signed = logits[rows, channel].flatten()[valid] * (2 * positive.float() - 1)
            errors = (positive.float() - probs).abs() if task == "multiclass" else 1 - signed
            values.append(choquet(errors.tolist(), set(positive.nonzero().flatten().tolist())))
    loss = create_loss("lovasz", task=task, batch=batch)(logits, target)
    assert float(loss) == pytest.approx(sum(values) / len(values), rel=1e-5)


def test_absent_classes_take_no_part_in_the_softmax_form(make_batch):
    logits, target = make_batch("multiclass")
    target[target == 2] = 1
    weighted = create_loss("lovasz", task="multiclass", class_weights=[1.0, 1.0, 100.0])
    torch.testing.assert_close(weighted(logits, target), create_loss("lovasz", task="multiclass")(logits, target))


def test_weights_stay_exact_in_large_pictures():
    pixels = 2_000_000
    positive = torch.zeros(pixels, dtype=torch.bool)
    positive[::3] = True
    # Algorithm 1 of the paper, in float64.
    seen = positive.cumsum(0).double()
    union = seen[-1] + torch.arange(1, pixels + 1, dtype=torch.float64) - seen
    jaccard = 1 - (seen[-1] - seen) / union
    expected = torch.diff(jaccard, prepend=torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(jaccard_rises(positive).double(), expected, rtol=1e-5, atol=1e-14)
