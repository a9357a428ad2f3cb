"""Samples as pictures of a finding.

Layer: data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from limner.data.catalog import Catalog
from limner.data.check.findings import Example, Finding
from limner.data.samples import image_location

_SHOWN = 4


def samples_of(
    catalog: Catalog, target: str, indices: Int64[np.ndarray, " shown"] | Sequence[int]
) -> tuple[Example, ...]:
    """Samples with the outlines of their masks, captioned with their ids."""
    chosen = [int(index) for index in indices]
    return tuple(
        Example(catalog.ids[index], (image_location(catalog, index),), (catalog.targets[target][index],), target)
        for index in chosen
    )


def doubt_on_all(
    catalog: Catalog,
    target: str,
    chosen: Int64[np.ndarray, " chosen"],
    *,
    kind: str,
    title: str,
    evidence: Sequence[str],
    remedy: str,
) -> Finding:
    """A doubt on all masks of a target, with the first of the samples that it was judged by."""
    return Finding(
        kind=kind,
        level="doubt",
        title=title,
        evidence=tuple(evidence),
        samples=tuple(catalog.ids[index] for index in chosen[:_SHOWN]),
        remedy=remedy,
        pictures=samples_of(catalog, target, chosen[:_SHOWN]),
    )


def pictures_of(catalog: Catalog, caption: str, indices: Sequence[int]) -> Example:
    """Pictures of several samples side by side, without masks."""
    return Example(caption, tuple(image_location(catalog, int(index)) for index in indices))
