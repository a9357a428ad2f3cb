"""Samples as they were found on disk.

Layer: data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.data.pairing import Pairing


@dataclass(frozen=True)
class Found:
    """What `find_samples` found.

    Attributes:
        catalog: A sample for each pair; `splits` filled where the data came split.
        pairing: Pairs and leftovers, by names relative to the place.
        layout: A name of `LAYOUTS`.
        notes: Choices between several readings, and what was left unread, a sentence each.
        labels: Label maps by target, where the layout knows what its masks mean; others are inspected.
        apart: Facts of the catalog (such as background and foreground) of which no value may lie on two
            sides of a split; samples that would join two sides are left out.
    """

    catalog: Catalog
    pairing: Pairing
    layout: str
    notes: tuple[str, ...]
    labels: Mapping[str, LabelMap] = field(default_factory=dict)
    apart: tuple[str, ...] = ()


def choose_ids(count: int, *choices: Callable[[int], str]) -> list[str]:
    """Ids by the first way of naming that gives each sample its own; the last way must."""
    for choose in choices:
        ids = [choose(index) for index in range(count)]
        if len(set(ids)) == count:
            break
    return ids
