"""Whether masks match their pictures: lie as they do, and belong to them.

Layer: data.
"""

from __future__ import annotations

import operator

import numpy as np
from jaxtyping import Int64

from limner.data.catalog import Catalog
from limner.data.check.association import telling
from limner.data.check.features import Features
from limner.data.check.findings import Finding
from limner.data.check.inverted import check_inverted
from limner.data.check.shuffled import Deal, check_shuffled, check_single, check_step, deal, in_order, some_of
from limner.data.check.transforms import check_placement, check_single_symmetry, check_symmetry
from limner.types import Progress, no_progress

FEWEST = 12
"""Samples whose masks mark something, below which chance cannot be told from order."""


def check_matching(
    catalog: Catalog, features: Features, *, seed: int = 0, progress: Progress = no_progress
) -> list[Finding]:
    """Compare what is on the pictures with what is on their masks.

    Args:
        catalog: The samples.
        features: Their features, in the same order.
        seed: Seed of the random pairings.
        progress: Told about every target, as stage `matching`.

    Returns:
        For each target one finding on all of its masks, or findings on runs and single ones.
    """
    findings = []
    for done, target in enumerate(features.masks):
        progress("matching", done, len(features.masks))
        findings += _of_target(catalog, features, target, seed)
    progress("matching", len(features.masks), len(features.masks))
    return findings


def _of_target(catalog: Catalog, features: Features, target: str, seed: int) -> list[Finding]:
    order = in_order(catalog, np.flatnonzero(telling(features, target)).astype(np.int64))
    dealt = deal(some_of(features, order), target, seed) if len(order) >= FEWEST else None
    if dealt is None:
        return []
    if not features.masks[target].area.shape[1]:  # numbers: gradients of a depth lie as well mirrored
        whole = check_step(catalog, features, target, order, dealt) or check_shuffled(catalog, target, order, dealt)
        return [whole] if whole else []
    # Inverted masks, as they are, would upset all that follows.
    if inverted := check_inverted(catalog, features, target, order):
        return inverted
    whole = _whole(catalog, features, target, order, dealt)
    return [whole] if whole else _single(catalog, features, target, order, seed)


def _whole(
    catalog: Catalog, features: Features, target: str, order: Int64[np.ndarray, " chosen"], dealt: Deal
) -> Finding | None:
    """The finding on all masks of a target that explains most."""
    turned = check_symmetry(catalog, features, target, order, dealt.luckiest)
    if turned is None and (step := check_step(catalog, features, target, order, dealt)):
        return step
    # Round objects in the middle that were moved also seem mirrored, but less clearly.
    placed = check_placement(catalog, features, target, order, dealt.luckiest)
    if turned or placed:
        return max(filter(None, (turned, placed)), key=operator.itemgetter(0))[1]
    return check_shuffled(catalog, target, order, dealt)


def _single(
    catalog: Catalog, features: Features, target: str, order: Int64[np.ndarray, " chosen"], seed: int
) -> list[Finding]:
    found = check_single(catalog, features, target, order, seed)
    if any(finding.level == "doubt" for finding in found):
        return found
    return [*check_single_symmetry(catalog, features, target, order), *found]
