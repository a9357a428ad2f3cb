"""A bundle as one module: stored pixels in, probabilities or numbers in the unit out, at the pixels' size.

Layer: exporting. Whatever else a program would have to know is inside: normalisation, padding, activation, the mean of
several members, temperature.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from limner.bundle import Bundle
from limner.inference.answers import activate, temper
from limner.inference.graphs import StoredToLogits
from limner.models import members

Length: TypeAlias = Any
"""A number of pixels: an `int`; a tensor while a graph is recorded, so that it is recorded, too."""


class StoredToAnswers(nn.Module):
    """Stored pixels of any height and width → a tuple of answers, one for each target of the bundle, in its order.

    Args:
        bundle: The model.
        precision: In which the networks compute; `bf16` or `float32`. All else is float32.

    Attributes:
        stride: Of the networks.
    """

    def __init__(self, bundle: Bundle, *, precision: str = "float32") -> None:
        super().__init__()
        parts = members(bundle.model)
        self._targets = bundle.meta.targets
        self._bf16 = precision == "bf16"
        self.stride = int(str(parts[0].stride))
        self.networks = nn.ModuleList(
            StoredToLogits(part, bundle.meta.inputs, list(bundle.meta.targets)) for part in parts
        )

    def forward(
        self, pixels: Shaped[Tensor, "batch height width channels"]
    ) -> tuple[Float[Tensor, "batch _ height width"], ...]:
        """Answers at the pixels' size."""
        height, width = pixels.shape[1], pixels.shape[2]
        padded = self._padded(pixels)
        # Without the cache of weights in bf16, which a recorded graph would not fill.
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16, cache_enabled=False):
            found = [network(padded) for network in self.networks]
        answers = []
        for place, spec in enumerate(self._targets.values()):
            # The functions of one picture want its classes first.
            looks = [activate(logits[place].float().transpose(0, 1), spec) for logits in found]
            mean = torch.stack(looks).mean(dim=0) if len(looks) > 1 else looks[0]
            if spec.task == "regression":
                mean = spec.low + mean * (spec.high - spec.low)
            elif len(looks) == 1 and spec.temperature != 1:
                # The same, and exact where probabilities are 0 or 1.
                mean = activate(found[0][place].float().transpose(0, 1) / spec.temperature, spec)
            else:
                mean = temper(mean, spec)
            answers.append(mean.transpose(0, 1)[:, :, :height, :width])
        return tuple(answers)

    def _padded(self, pixels: Tensor) -> Tensor:
        """Pixels mirrored at the right and bottom up to multiples of the stride, as the predictor does it.

        Written without a question about sizes, because a recorded graph keeps only one of its answers.
        """
        height, width = pixels.shape[1], pixels.shape[2]
        tall, wide = _round_up(height, self.stride), _round_up(width, self.stride)
        # Networks repeat the last column of a single cell until it has a second.
        single = (tall <= self.stride) & (wide <= self.stride)
        places = torch.arange(wide + self.stride * single)
        columns = _mirrored(torch.where(places < wide, places, wide - 1), width)
        rows = _mirrored(torch.arange(tall), height)
        return pixels.index_select(1, rows).index_select(2, columns)


def _mirrored(places: Tensor, length: Length) -> Tensor:
    """Where to look for pixels beyond the edge: back and forth, the edge itself twice."""
    turn = places % (2 * length)
    return torch.where(turn < length, turn, 2 * length - 1 - turn)


def _round_up(length: Length, stride: int) -> Length:
    return (length + stride - 1) // stride * stride
