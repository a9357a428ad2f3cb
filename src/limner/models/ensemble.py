"""Several networks as one.

Layer: models.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


class Ensemble(nn.Module):
    """Networks of one architecture, trained apart, such as on the folds of a data set.

    It has no `forward`: members are asked one by one, and their probabilities are averaged, not their logits.

    Args:
        members: The networks; at least one.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)


def members(model: nn.Module) -> list[nn.Module]:
    """The networks that a model consists of; a single one is its own only member."""
    return list(model.members) if isinstance(model, Ensemble) else [model]
