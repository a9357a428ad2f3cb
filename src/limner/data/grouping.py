"""Samples that belong together: by a rule the user gives, or because their pictures are the same.

Layer: data. A split never parts a group (see `splits`).
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from limner.data.catalog import Catalog
from limner.data.samples import image_location
from limner.errors import ConfigError, DataError, did_you_mean, shorten
from limner.images import parse_location

COPIES = "copies of "
"""Begins the name of a group that is one for its copies alone."""

_OWN = ("hash", "target_hash", "height", "width")


def apply_groups(catalog: Catalog, rule: str) -> None:
    """Set the group of every sample, in place.

    Args:
        catalog: The samples.
        rule: Name of a column of the table that lists the samples; or a regular expression with one
            capturing group, which is searched for in each sample's id, and if it fits none of them in the
            path of its picture.

    Raises:
        ConfigError: Neither a column nor a regular expression with one group.
        DataError: The expression does not fit all samples.

    Example:
        >>> catalog = Catalog(["p1_a", "p1_b", "p2_a"], {"image": ["", "", ""]}, {})
        >>> apply_groups(catalog, "^(p[0-9]+)_")
        >>> catalog.groups
        ['p1', 'p1', 'p2']
    """
    if rule in catalog.facts:
        catalog.groups = list(catalog.facts[rule])
        return
    pattern = _pattern(rule, [name for name in catalog.facts if name not in _OWN])
    groups = _search(pattern, catalog.ids)
    if not any(groups):
        groups = _search(pattern, [_path(image_location(catalog, index)) for index in range(len(catalog))])
    missing = [name for name, group in zip(catalog.ids, groups, strict=True) if not group]
    if missing:
        raise DataError(
            f"every sample's id fits the groups '{rule}'",
            f"{len(missing):,} of {len(catalog):,} do not",
            "Correct `--group` (as a setting, `data.group`).",
            details=shorten(missing),
        )
    catalog.groups = groups


def keep_together(catalog: Catalog, clusters: Iterable[Sequence[int]]) -> None:
    """Make one group of the samples of each cluster, and of the groups that they are in, in place.

    Args:
        catalog: The samples.
        clusters: Positions of samples that no split may part.
    """
    pairs = [pair for cluster in clusters for pair in _chain(cluster)]
    if not pairs:
        return
    touched = {index for pair in pairs for index in pair}
    members = defaultdict(list)
    for index, group in enumerate(catalog.groups):
        if group:
            members[group].append(index)
    for indices in members.values():
        pairs += _chain(indices)
    for component in joined(pairs):
        if touched.intersection(component):
            names = sorted({catalog.groups[index] for index in component} - {""})
            name = " + ".join(shorten(names, 3)) or COPIES + catalog.ids[component[0]]
            for index in component:
                catalog.groups[index] = name


def joined(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of pairs, in order of their least member.

    Example:
        >>> joined([(4, 2), (1, 3), (3, 5)])
        [[1, 3, 5], [2, 4]]
    """
    parent: dict[int, int] = {}

    def root(item: int) -> int:
        while parent.setdefault(item, item) != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    members = defaultdict(list)
    for item in sorted(parent):
        members[root(item)].append(item)
    return list(members.values())


def _chain(indices: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(indices))


def _pattern(rule: str, columns: Sequence[str]) -> re.Pattern[str]:
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise ConfigError("a regular expression with one group in parentheses", f"'{rule}': {error}", _HOW) from None
    if pattern.groups != 1:
        found = f"'{rule}', with {pattern.groups} groups" if pattern.groups else f"'{rule}'"
        known = f" The columns are {', '.join(columns)}." if columns else ""
        raise ConfigError(
            "in data.group the name of a column, or a regular expression with one group in parentheses",
            found,
            f"{did_you_mean(rule, columns)}{_HOW}{known}",
        )
    return pattern


_HOW = "Write it like '^(patient[0-9]+)_', which groups patient12_slice03 with patient12_slice04."


def _search(pattern: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    return [(match.group(1) or "") if (match := pattern.search(text)) else "" for text in texts]


def _path(location: str) -> str:
    return str(PurePosixPath(parse_location(location).path))
