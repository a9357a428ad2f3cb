import numpy as np
import pytest
import torch
from torch import nn

from limner.inference.engine import TorchEngine, evaluating


class Spy(nn.Module):
    """Remembers in which layout its images came."""

    stride = 1

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = norm
        self.channels_last = False

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.channels_last = images.is_contiguous(memory_format=torch.channels_last)
        return {"mask": self.norm(self.conv(images))}


@pytest.mark.parametrize(("norm", "channels_last"), [(nn.BatchNorm2d(4), True), (nn.InstanceNorm2d(4), False)])
def test_images_are_laid_out_for_the_norm(make_meta, norm, channels_last) -> None:
    spy = Spy(norm)
    TorchEngine(spy, make_meta().inputs).logits(np.zeros((2, 5, 6, 3), np.uint8))
    assert spy.channels_last == channels_last


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_logits_are_float32_and_carry_no_gradient(make_meta, precision) -> None:
    engine = TorchEngine(Spy(nn.BatchNorm2d(4)), make_meta().inputs, precision=precision)
    logits = engine.logits(np.zeros((2, 5, 6, 3), np.uint8))["mask"]
    assert engine.precision == precision
    assert logits.dtype == torch.float32
    assert not logits.requires_grad


def test_modes_are_restored_after_an_error() -> None:
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3))
    model[1].eval()

    def fail() -> None:
        with evaluating(model):
            assert not any(part.training for part in model.modules())
            raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        fail()
    assert [part.training for part in model.modules()] == [True, True, False]
