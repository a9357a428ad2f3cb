"""A fresh network begins with how often each class occurs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limner.config import config_from
from limner.data.prepare import Prepared, prepare
from limner.training.build import build_model
from limner.training.plan import make_plan


@pytest.fixture(scope="module")
def data(cells: Path) -> Prepared:
    return prepare(cells)


def first_answer(data: Prepared, **model: object) -> torch.Tensor:
    """Mean probability of an untrained network whose head sees nothing but its bias."""
    loss = model.pop("loss", None)
    config = config_from({"model": {"conv_sizes": [4, 8], **model}, "training": {"loss": loss, "device": "cpu"}})
    plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
    built = build_model(config, plan, data).eval()
    for name, weight in built.named_parameters():
        if "convs" in name and name.endswith("weight"):
            torch.nn.init.zeros_(weight)
    with torch.no_grad():
        return built(torch.rand(1, plan.channels, 32, 32))["mask"].sigmoid()


@pytest.mark.parametrize("model", [{}, {"name": "improved_unet", "conv_sizes": [4, 4, 4, 4]}])
def test_it_answers_with_the_share_of_foreground(data: Prepared, model: dict[str, object]):
    foreground = data.fingerprint.class_share["mask"][1]

    probs = first_answer(data, loss="bce+dice", **model)

    assert 0.02 < foreground < 0.4
    torch.testing.assert_close(probs, torch.full_like(probs, foreground), rtol=1e-4, atol=1e-6)


def test_an_overlap_loss_alone_begins_in_the_middle(data: Prepared):
    probs = first_answer(data, loss="dice")

    torch.testing.assert_close(probs, torch.full_like(probs, 0.5))
