"""What several looks say together about one picture: the mean of their probabilities, and how far they agree.

Layer: inference. Sums are kept, not the looks, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float32
from torch import Tensor

from limner.bundle import TargetSpec
from limner.inference.answers import activate


@dataclass(eq=False)
class Opinion:
    """Looks at one picture, at the network's scale.

    Attributes:
        looks: How many there are.
        total: Per target, the sum of probabilities, or of numbers (regression).
        squares: Per regression target, the sum of the numbers' squares.
    """

    looks: int = 0
    total: dict[str, Float32[Tensor, "classes height width"]] = field(default_factory=dict)
    squares: dict[str, Float32[Tensor, "1 height width"]] = field(default_factory=dict)

    def add(
        self, logits: Mapping[str, Float32[Tensor, "classes height width"]], targets: Mapping[str, TargetSpec]
    ) -> None:
        """Take in another look."""
        self.take({name: activate(logits[name], spec) for name, spec in targets.items()}, targets)

    def take(
        self, numbers: Mapping[str, Float32[Tensor, "classes height width"]], targets: Mapping[str, TargetSpec]
    ) -> None:
        """Take in another look, whose probabilities, or numbers, are known."""
        self.looks += 1
        for name, spec in targets.items():
            _add(self.total, name, numbers[name])
            if spec.task == "regression":
                _add(self.squares, name, numbers[name] ** 2)

    def mean(self, name: str) -> Float32[Tensor, "classes height width"]:
        """Of the probabilities, or numbers, of a target."""
        return self.total[name] / self.looks if self.looks > 1 else self.total[name]

    def deviation(self, name: str) -> Float32[Tensor, "1 height width"]:
        """Standard deviation of the numbers of a regression target over the looks; 0 of a single look."""
        return (self.squares[name] / self.looks - self.mean(name) ** 2).clamp_min(0).sqrt()


def _add(kept: dict[str, Tensor], name: str, more: Tensor) -> None:
    kept[name] = kept[name] + more if name in kept else more
