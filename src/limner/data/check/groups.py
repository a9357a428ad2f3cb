"""Groups that names give away: patients, slides, videos, of which one picture resembles the next.

Layer: data. Every way of cutting the last parts off the names is tried. A cut counts when what is left
repeats, and when pictures that share it resemble one another more than others do; of several such cuts the
coarsest wins, since a split that keeps larger groups together leaks less. Plain counters give nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from limner.data.catalog import Catalog
from limner.data.check.features import Features
from limner.data.check.findings import Example, Finding
from limner.data.check.showing import pictures_of
from limner.data.grouping import COPIES
from limner.errors import shorten

_SEPARATORS = "_-./ "
_MOST_CUTS = 6
_SHARED = 0.5  # share of the samples that are not alone in their group
_PAIRS = 4000  # pairs of pictures of each kind that are compared
_CLEARLY = 0.35  # standard deviations by which members must be nearer than others
_SURE = 6.0  # standard errors
_SHOWN = 4


@dataclass(frozen=True)
class Grouping:
    """One way of reading groups from names.

    Attributes:
        pattern: Regular expression whose one capturing group gives the group.
        groups: Group of each sample; its id where the pattern does not fit.
        nearer: By how many standard deviations members are nearer to one another than to others.
        sure: The same in standard errors.
    """

    pattern: str
    groups: tuple[str, ...]
    nearer: float = 0.0
    sure: float = 0.0


def check_groups(catalog: Catalog, features: Features, *, seed: int = 0) -> list[Finding]:
    """Say which groups the names suggest, where none are known.

    Args:
        catalog: The samples.
        features: Their features, in the same order.
        seed: Chooses the pairs of pictures that are compared.
    """
    if any(group and not group.startswith(COPIES) for group in catalog.groups):
        return []
    found = guess_groups(catalog.ids, features, seed=seed)
    if found is None:
        return []
    sizes = Counter(found.groups)
    torn = _torn(catalog.splits, found.groups)
    parted = f"; {torn:,} of them lie in more than one split" if torn else ""
    largest = [f"'{name}': {count:,} pictures" for name, count in sizes.most_common()]
    return [
        Finding(
            kind="groups-in-names",
            level="doubt" if torn else "note",
            title=f"The names suggest {len(sizes):,} groups of pictures that belong together{parted}.",
            evidence=(
                f"pictures of one group resemble one another more than others do, by {found.nearer:.1f} standard "
                f"deviations ({found.sure:.0f} standard errors)",
                *shorten(largest, 5),
            ),
            samples=_torn_names(catalog, found.groups) if torn else (),
            remedy=f"Keep each group in one split: `--group '{found.pattern}'`. Scores flatter where a patient, slide "
            "or video is in training and test at a time.",
            pictures=_members_shown(catalog, found.groups),
        )
    ]


def guess_groups(ids: Sequence[str], features: Features, *, seed: int = 0) -> Grouping | None:
    """The coarsest groups in names that the pictures confirm; None where there are none.

    Args:
        ids: Names of the samples.
        features: Their features, in the same order.
        seed: Chooses the pairs of pictures that are compared.
    """
    vectors = _looks(features)
    coarsest = None
    finer: tuple[str, ...] = tuple(ids)
    for grouping in candidate_groupings(ids):
        nearer, sure = _resemblance(vectors, grouping.groups, finer, seed)
        if nearer < _CLEARLY or sure < _SURE:
            continue
        coarsest = Grouping(grouping.pattern, grouping.groups, nearer, sure)
        finer = grouping.groups
    return coarsest


def candidate_groupings(ids: Sequence[str]) -> list[Grouping]:
    """Ways of cutting the ends off names so that what is left repeats, the finest first.

    Example:
        >>> names = [f"patient{patient}_slice{number}" for patient in (1, 2) for number in (1, 2, 3)]
        >>> [grouping.pattern for grouping in candidate_groupings(names)]
        ['^(.+?)_+[^_]+$']
        >>> candidate_groupings(["img_001", "img_002", "img_003"])
        []
    """
    patterns = [*_cutting_patterns(ids), r"^(.*\d\D*[A-Za-z])\d+$"]
    found: list[Grouping] = []
    partitions: dict[tuple[int, ...], int] = {}
    for pattern in patterns:
        groups = groups_by(ids, pattern)
        if groups is None or not _repeats(groups):
            continue
        partition = tuple(_numbered(groups))
        if partition in partitions:
            place = partitions[partition]
            # Of two names for the same groups the shorter says enough.
            if len(groups[0]) < len(found[place].groups[0]):
                found[place] = Grouping(pattern, groups)
        else:
            partitions[partition] = len(found)
            found.append(Grouping(pattern, groups))
    return sorted(found, key=lambda grouping: -len(set(grouping.groups)))


def _cutting_patterns(ids: Sequence[str]) -> list[str]:
    """Patterns that cut one, two, … parts off, at the separators that the names have."""
    used = "".join(separator for separator in _SEPARATORS if any(separator in name for name in ids))
    if not used:
        return []
    escaped = "".join(sorted(used, key="-".__eq__))  # a hyphen stands for itself at the end of a class
    part = f"{escaped if len(used) == 1 else f'[{escaped}]'}+[^{escaped}]+"
    return [f"^(.+?){part}$", *(f"^(.+?)(?:{part}){{{cuts}}}$" for cuts in range(2, _MOST_CUTS + 1))]


def groups_by(ids: Sequence[str], pattern: str) -> tuple[str, ...] | None:
    """Group of each name by a pattern with one capturing group; None unless it fits all names."""
    matches = [re.search(pattern, name) for name in ids]
    if not all(matches):
        return None
    return tuple(match.group(1) for match in matches if match)


def _repeats(groups: Sequence[str]) -> bool:
    sizes = Counter(groups)
    shared = sum(count for count in sizes.values() if count > 1)
    return len(sizes) >= 2 and shared >= _SHARED * len(groups)


def _numbered(groups: Sequence[str]) -> list[int]:
    """Groups as numbers in order of appearance, the same for equal partitions."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(group, len(numbers)) for group in groups]


def _looks(features: Features) -> Float[np.ndarray, "samples numbers"]:
    """What a picture looks like from afar: coarse greys and colours, on the scale of their variation in the set."""
    count = len(features)
    grey = features.grey.reshape(count, 8, 4, 8, 4).mean(axis=(2, 4)).reshape(count, -1)
    colour = features.colour.reshape(count, 2, 4, 4, 4, 4).mean(axis=(3, 5)).reshape(count, -1)
    edges = features.edges.reshape(count, 4, 8, 4, 8).mean(axis=(2, 4)).reshape(count, -1)
    vectors = np.concatenate([grey, colour, edges], axis=1).astype(np.float64)
    spread = vectors.std(axis=0)
    return np.asarray((vectors - vectors.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0))


def _resemblance(
    vectors: Float[np.ndarray, "samples numbers"], groups: Sequence[str], finer: Sequence[str], seed: int
) -> tuple[float, float]:
    """How much nearer members of one group are than others, in standard deviations and in standard errors.

    Pairs within one of the finer groups do not count: what they share says nothing for the coarser group.
    """
    generator = np.random.default_rng(seed)
    coarse, fine = np.array(_numbered(groups)), np.array(_numbered(finer))
    inside = _pairs_within(coarse, fine, generator)
    outside = generator.integers(0, len(coarse), (4 * _PAIRS, 2))
    outside = outside[coarse[outside[:, 0]] != coarse[outside[:, 1]]][:_PAIRS]
    if len(inside) < 3 or len(outside) < 3:
        return 0.0, 0.0
    near, far = (np.linalg.norm(vectors[pairs[:, 0]] - vectors[pairs[:, 1]], axis=1) for pairs in (inside, outside))
    difference = float(far.mean() - near.mean())
    deviation = float(np.sqrt((near.var() + far.var()) / 2)) + 1e-9
    # Pairs share pictures, so that there are no more independent ones than pictures.
    independent = min(len(inside), len(coarse))
    return difference / deviation, difference / deviation * (independent / 2) ** 0.5


def _pairs_within(
    coarse: Int64[np.ndarray, " samples"], fine: Int64[np.ndarray, " samples"], generator: np.random.Generator
) -> Int64[np.ndarray, "pairs 2"]:
    """Pairs of one coarse group but two fine ones, as many of each sample."""
    order = np.argsort(coarse, kind="stable")
    sizes = np.bincount(coarse)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    one = generator.integers(0, len(coarse), 8 * _PAIRS)
    other = order[starts[coarse[one]] + generator.integers(0, sizes[coarse[one]])]
    pairs = np.stack([one, other], axis=1)
    return np.asarray(pairs[(fine[one] != fine[other]) & (one != other)][:_PAIRS])


def _torn(splits: Sequence[str], groups: Sequence[str]) -> int:
    """Groups that lie in more than one split."""
    found: dict[str, set[str]] = {}
    for split, group in zip(splits, groups, strict=True):
        if split:
            found.setdefault(group, set()).add(split)
    return sum(len(places) > 1 for places in found.values())


def _torn_names(catalog: Catalog, groups: Sequence[str]) -> tuple[str, ...]:
    splits: dict[str, set[str]] = {}
    for split, group in zip(catalog.splits, groups, strict=True):
        splits.setdefault(group, set()).add(split)
    return tuple(name for name, group in zip(catalog.ids, groups, strict=True) if len(splits[group]) > 1)


def _members_shown(catalog: Catalog, groups: Sequence[str]) -> tuple[Example, ...]:
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    chosen = [(group, indices) for group, indices in members.items() if len(indices) > 1][:_SHOWN]
    return tuple(pictures_of(catalog, f"group '{group}'", indices[:_SHOWN]) for group, indices in chosen)
