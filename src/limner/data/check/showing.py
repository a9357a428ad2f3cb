"""Samples as pictures of a finding.

Layer: data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from limner.data.catalog import Catalog
from limner.data.check.findings import Example
from limner.data.samples import image_location


def samples_of(
    catalog: Catalog, target: str, indices: Int64[np.ndarray, " shown"] | Sequence[int]
) -> tuple[Example, ...]:
    """Samples with the outlines of their masks, captioned with their ids."""
    chosen = [int(index) for index in indices]
    return tuple(
        Example(catalog.ids[index], (image_location(catalog, index),), (catalog.targets[target][index],), target)
        for index in chosen
    )


def pictures_of(catalog: Catalog, caption: str, indices: Sequence[int]) -> Example:
    """Pictures of several samples side by side, without masks."""
    return Example(caption, tuple(image_location(catalog, int(index)) for index in indices))
